package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// TCPOption configures [TCP].
type TCPOption interface{ applyTCP(*TCPChecker) }

// HTTPOption configures [HTTP].
type HTTPOption interface{ applyHTTP(*HTTPChecker) }

// DialOption is an option of every checker that connects.
type DialOption struct{ dial dialer }

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

func (o DialOption) applyTCP(c *TCPChecker)   { c.dial = o.dial }
func (o DialOption) applyHTTP(c *HTTPChecker) { c.dial = o.dial }

// WithDialer has connections made by dial; default a [net.Dialer] without
// keep-alive probes. dial must obey its context, which carries the check's
// deadline; network is "tcp" and addr the target's Addr. With it a check can
// leave from a given source address, mark or network namespace.
func WithDialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) DialOption {
	return DialOption{dial}
}

// direct dials without keep-alive probes: a check ends before the first.
var direct = net.Dialer{KeepAlive: -1}

// validateAddr refuses what no dialer could connect to.
func validateAddr(addr string) error {
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Port() != 0 {
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	if host == "" {
		return fmt.Errorf("address %q: no host", addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("address %q: port is not a number from 1 to 65535", addr)
	}
	return nil
}

// past is a deadline that is over, on a synctest clock too.
var past = time.Unix(1, 0)

// watch makes reads and writes of conn fail as soon as ctx ends. The returned
// function stops that; after it nothing touches conn any more.
func watch(ctx context.Context, conn net.Conn) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		conn.SetDeadline(past)
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// reset closes conn at once and for good: a linger time of 0 sends RST and
// leaves no TIME_WAIT, so that checks never use up the local ports.
func reset(conn net.Conn) {
	if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		c.SetLinger(0)
	}
	conn.Close()
}

var errNoDialer = errors.New("WithDialer of nil")
