// Package mainstay is the map of a library for highly available load balancing. It exports nothing: import the packages
// below it, each alone or together.
//
//   - [github.com/mainstay-ha/mainstay/vrrp] decides who owns a virtual address (keepalived's VRRP).
//   - [github.com/mainstay-ha/mainstay/lvs] decides which real server gets a connection (IPVS);
//     [github.com/mainstay-ha/mainstay/lvs/relay] carries TCP in user space.
//   - [github.com/mainstay-ha/mainstay/upstream] decides which peer gets a request (nginx's upstream block).
//   - [github.com/mainstay-ha/mainstay/proxy] carries HTTP to the peer and back (nginx's proxy_pass), as an
//     [net/http.Handler] or as an HTTP/1.1 server of its own.
//   - [github.com/mainstay-ha/mainstay/ratelimit] decides whether a request may pass now (limit_req, limit_conn).
//   - [github.com/mainstay-ha/mainstay/healthcheck] finds out whether a backend is alive.
//
// None of them knows another, but proxy knows upstream. A program wires them with a line of its own:
//
//	pool, err := upstream.New(upstream.WithServer("192.0.2.1:80"), upstream.WithServer("192.0.2.2:80"))
//	checks, err := healthcheck.New(healthcheck.WithOnChange(func(e healthcheck.Event) {
//		_ = pool.SetHealth(e.ID, "http", e.Up, e.Err) // upstream.ErrUnknown: just removed
//	}))
//	p, err := proxy.New(proxy.WithPool(pool))
//	err = p.Server().Serve(ln)
//
// The example of this package is a whole program. examples/quickstart is a service that survives the death of its
// balancer; docs/architecture.md says how the packages are built, and what survives what.
//
// # Conventions
//
// Constructors take what is required as parameters and the rest as options, and report every problem at once. Roles have
// Run(ctx), which does its parting duty and returns nil on a requested stop; servers have Serve, Shutdown and Close. Every
// package has Snapshot, a value for JSON, and Collect for metrics. Logging is silent unless a [log/slog.Logger] is given.
package mainstay
