// Package healthcheck tells whether backends are alive: it checks any number of
// targets at their own pace and reports the changes, in order.
//
// Use it in front of whatever spreads load. It knows nothing of the receiver:
// one line, written by the caller, carries a verdict over.
//
//	m, err := healthcheck.New(healthcheck.WithOnChange(func(e healthcheck.Event) {
//		pool.SetHealth(e.ID, "http", e.Up, e.Err)
//	}))
//	...
//	check := healthcheck.HTTP(healthcheck.WithPath("/healthz"))
//	_, err = m.Add(healthcheck.Target{Addr: "192.0.2.1:80"}, check, healthcheck.Policy{})
//	...
//	wg.Go(func() { m.Run(ctx) })
//	err = m.WaitReady(ctx) // every target has a verdict: now claim the address
//
// # Verdicts
//
// The first result of a target decides alone. After that [Policy].Fall failures
// in a row take it down and Rise passes in a row bring it up: HAProxy's health
// counter. A check that could not be carried out (no descriptor, no local port,
// called off) changes nothing, and neither does a timeout while this process
// itself was held up for more than half an interval: a balancer short of CPU
// does not declare its backends dead. [Snapshot] counts all of them.
//
// # Schedule
//
// First checks are spread over a second at most ([WithMaxSpread]) by a hash of
// the target's name, later ones over the whole interval; each interval varies by
// 10 % ([WithJitter]). A target keeps its place in the round when a check starts
// late, so a process that was stopped comes back without a wave, and rounds that
// were missed are left out. A target is never checked twice at a time.
//
// Worst case from a death to the verdict, with the defaults: an interval (5s),
// then Fall (3) timeouts (2s) back to back, 11 s and the jitter; a refused
// connection takes 5 s and two fast intervals (1s).
//
// # Cost
//
// Run starts one goroutine for the events and works as the scheduler in its
// own; a check in flight has a goroutine and, with [TCP] and [HTTP], a socket,
// at most 1,024 of each ([WithConcurrency]); an idle target has neither, and
// takes less than 600 bytes. Deciding what is due takes half a percent of a core
// at 100,000 targets and 5 s, the checks themselves most of one: see
// go test -bench . -run ^$ ./healthcheck. When ctx ends, Run calls off the
// checks in flight, waits for them and for the last event, and returns nil.
//
// No privilege is needed; Linux, macOS, the BSDs and Windows are alike. Sockets
// are opened in the goroutines of the checks: a program that lives in several
// network namespaces gives a dialer ([WithDialer]) that enters the right one.
//
// # Not built yet
//
// Checks over TLS, of bodies, by UDP, DNS, SMTP, ICMP or a command, agents that
// report weights, passive health, quorum of a group, and keepalived's exact
// retry rules.
package healthcheck
