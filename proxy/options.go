package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
	"github.com/mainstay-ha/mainstay/upstream"
)

// Option configures a [Proxy] in [New] and [Proxy.Update].
type Option func(*config)

// RouteOption configures one route.
type RouteOption func(*route)

// config is what the options fill in. It is copied by Update, so nothing in it is changed in place.
type config struct {
	policy
	errs []error

	// What this call has named so far: the first of a kind replaces what an earlier call has set.
	newRoutes, newGates, newHeaders bool
}

func defaults() config {
	return config{policy: policy{
		connectTimeout: 5 * time.Second,
		sendTimeout:    60 * time.Second,
		readTimeout:    60 * time.Second,
		headerTimeout:  60 * time.Second,
		bodyTimeout:    60 * time.Second,
		writeTimeout:   60 * time.Second,
		keepAlive:      75 * time.Second,
		keepRequests:   1000,
		idlePeers:      512,
		idleTimeout:    60 * time.Second,
		idleRequests:   1000,
		limits:         http1.Limits{Head: http1.DefaultHead, Fields: http1.DefaultFields},
		maxBody:        1 << 20,
		next:           NextError | NextTimeout,
	}}
}

func (c *config) errorf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("proxy: "+format, args...))
}

// positive checks a duration or a count that must be more than zero.
func positive[T ~int | ~int64](c *config, name string, v T) T {
	if v <= 0 {
		c.errorf("%s %v: want more than 0", name, v)
	}
	return v
}

// apply runs the options over a copy of the current state and reports every problem at once.
func (c config) apply(opts []Option) (*config, error) {
	c.newRoutes, c.newGates, c.newHeaders = false, false, false
	for i, o := range opts {
		if o == nil {
			c.errorf("option %d is nil", i+1)
			continue
		}
		o(&c)
	}
	c.errs = append(c.errs, c.routes.validate()...)
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return &c, nil
}

// WithPool routes every request that no other route takes to p. It is WithRoute("/", p).
func WithPool(p *upstream.Pool) Option { return WithRoute("/", p) }

// WithRoute routes requests to a pool of peers. The pattern is "= /path" for that path alone, or "/prefix" for every
// path that begins with these characters; an exact pattern wins, then the longest prefix (nginx: location).
// Repeatable. In [Proxy.Update] the routes that are named replace all routes there were.
func WithRoute(pattern string, p *upstream.Pool, opts ...RouteOption) Option {
	return func(c *config) {
		if p == nil {
			c.errorf("route %q: no pool", pattern)
			return
		}
		c.addRoute(route{pattern: pattern, pool: p}, opts)
	}
}

// WithHandler routes requests to a handler in this process, by the patterns of [WithRoute]. A panic of the handler
// is answered with 500 and logged, [http.ErrAbortHandler] cuts the answer.
func WithHandler(pattern string, h http.Handler, opts ...RouteOption) Option {
	return func(c *config) {
		if h == nil {
			c.errorf("route %q: no handler", pattern)
			return
		}
		c.addRoute(route{pattern: pattern, handler: h}, opts)
	}
}

func (c *config) addRoute(r route, opts []RouteOption) {
	if !c.newRoutes {
		c.newRoutes, c.routes = true, table{}
	}
	for i, o := range opts {
		if o == nil {
			c.errorf("route %q: option %d is nil", r.pattern, i+1)
			continue
		}
		o(&r)
	}
	for _, g := range r.gates {
		if g.Enter == nil {
			c.errorf("route %q: a gate has no Enter", r.pattern)
		}
	}
	c.routes.list = append(c.routes.list, &r)
}

// RouteGate adds a gate to one route. It is entered after the gates of [WithGate]. Repeatable.
func RouteGate(g Gate) RouteOption { return func(r *route) { r.gates = append(r.gates, g) } }

// WithGate adds a gate that every request passes before its route's own gates. Repeatable; they are entered in the
// order given and left in reverse.
func WithGate(g Gate) Option {
	return func(c *config) {
		if !c.newGates {
			c.newGates, c.gates = true, nil
		}
		if g.Enter == nil {
			c.errorf("a gate has no Enter")
		}
		c.gates = append(c.gates, g)
	}
}

// WithAccessLog sets what is called once for every request that ended, in the goroutine that served it. The Record
// is valid during the call only. Default none. [SlogAccess] writes it to a [slog.Logger].
func WithAccessLog(f func(*Record)) Option { return func(c *config) { c.accessLog = f } }

// WithLogger sets where trouble is logged: failed attempts, panics, errors of accept. Default: nowhere, which is
// also what nil means.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// WithResponseHeader adds a field to every answer, relayed or our own, beside what the peer sent. Repeatable.
func WithResponseHeader(name, value string) Option {
	return func(c *config) {
		switch {
		case !http1.ValidFieldName(name):
			c.errorf("response header %q: not a field name", name)
		case framesMessage(name):
			c.errorf("response header %q: it is the proxy's own", name)
		case !http1.ValidFieldValue(value):
			c.errorf("response header %q: the value has a control character or white space around it", name)
		}
		if !c.newHeaders {
			c.newHeaders, c.headers = true, nil
		}
		c.headers = append(c.headers, [2]string{name, value})
	}
}

// framesMessage reports whether a field decides about framing or the connection.
func framesMessage(name string) bool {
	switch http1.Lookup([]byte(name)) {
	case http1.Connection, http1.ContentLength, http1.TransferEncoding, http1.Upgrade, http1.Trailer, http1.KeepAlive,
		http1.ProxyConnection, http1.TE:
		return true
	}
	return false
}

// WithDialer sets how connections to peers are made. The context ends at the connect timeout, and when the client of
// the handler door goes away. Default a [net.Dialer].
func WithDialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return func(c *config) { c.dial = dial }
}
