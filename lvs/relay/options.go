package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// An Option changes a default of [New] and [NewPlane].
type Option func(*config)

type config struct {
	connectTimeout time.Duration
	connectTries   int
	idleTimeout    time.Duration
	maxConns       int
	maxPipes       int
	dial           func(ctx context.Context, network, addr string) (net.Conn, error) // nil: the relay's own
	access         func(*Record)
	log            *slog.Logger
}

func newConfig(opts []Option) (config, error) {
	c := config{
		connectTimeout: 5 * time.Second,
		connectTries:   3,
		idleTimeout:    10 * time.Minute,
		maxPipes:       256,
		log:            slog.New(slog.DiscardHandler),
	}
	var errs []error
	if err := option.Apply(&c, opts); err != nil {
		errs = append(errs, err)
	}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.connectTimeout <= 0 {
		bad("connect timeout %v is not positive", c.connectTimeout)
	}
	if c.connectTries < 1 {
		bad("connect tries %d is less than 1", c.connectTries)
	}
	if c.idleTimeout < 0 {
		bad("idle timeout %v is negative", c.idleTimeout)
	}
	if c.maxConns < 0 {
		bad("max connections %d is negative", c.maxConns)
	}
	if c.maxPipes < 0 {
		bad("max pipes %d is negative", c.maxPipes)
	}
	return c, errors.Join(errs...)
}

// WithConnectTimeout bounds each attempt to connect to a destination. Default 5s, as keepalived's connect_timeout; must be positive.
func WithConnectTimeout(d time.Duration) Option {
	return func(c *config) { c.connectTimeout = d }
}

// WithConnectTries sets how many destinations a connection is offered to before the client is reset, each of them once.
// Default 3; at least 1.
func WithConnectTries(n int) Option {
	return func(c *config) { c.connectTries = n }
}

// WithIdleTimeout resets a connection on which nothing moved in either direction for d, like nginx's proxy_timeout.
// Default 10m; 0 or more. 0 means never; TCP keep-alive with the system's intervals is then on, on both sides.
func WithIdleTimeout(d time.Duration) Option {
	return func(c *config) { c.idleTimeout = d }
}

// WithMaxConns bounds the connections relayed at a time. A client beyond that is reset at once and counted as [Limited].
// 0 or more; default 0, no limit but the descriptors of the process, of which a connection takes two.
func WithMaxConns(n int) Option {
	return func(c *config) { c.maxConns = n }
}

// WithMaxPipes bounds the pipes that carry bulk data with splice(2), each two descriptors. A connection has one only while
// much of its data is under way, and copies with read and write when all are taken. 0 or more; default 256; 0 turns splicing off.
// It means something on Linux only.
func WithMaxPipes(n int) Option {
	return func(c *config) { c.maxPipes = n }
}

// WithDialer connects to destinations with dial, for other networks and for tests. dial is like [net.Dialer.DialContext]: network
// is "tcp", addr the destination's address, and it must return when ctx ends. Default the relay's own, which costs less than
// net.Dialer.
func WithDialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return func(c *config) { c.dial = dial }
}

// WithAccessLog calls log once for each connection after its end, from the goroutine that served it: what log waits for holds
// up [Relay.Shutdown]. The record is valid during the call only. Default none.
func WithAccessLog(log func(*Record)) Option {
	return func(c *config) { c.access = log }
}

// WithLogger receives listeners and trouble with them at Info and Warn, connections at Debug. Default silent, which is
// also what nil means.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) {
		if l != nil {
			c.log = l
		}
	}
}
