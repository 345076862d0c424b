package healthcheck

import (
	"context"
	"errors"
	"fmt"
)

// TCPChecker is the checker that [TCP] makes.
type TCPChecker struct {
	dial dialer
	bad  error // what is wrong with the options
}

var _ Checker = (*TCPChecker)(nil)

// TCP returns a checker that passes when a TCP connection to the target's Addr
// comes about within the timeout, as keepalived's TCP_CHECK. Nothing is sent.
// The connection is reset (SO_LINGER 0) and so leaves no TIME_WAIT; the server
// may see ECONNRESET where an orderly close would have given it an end of file.
//
// The listener's kernel answers, not its program: a stopped process passes
// until its backlog is full. Use [HTTP] to ask the program itself.
//
// The errors of its results are [*CheckError]. Bad options are reported by
// [Manager.Add].
func TCP(opts ...TCPOption) *TCPChecker {
	c := &TCPChecker{dial: direct.DialContext}
	for i, o := range opts {
		if o == nil {
			c.bad = errors.Join(c.bad, fmt.Errorf("option %d is nil", i+1))
			continue
		}
		o.applyTCP(c)
	}
	if c.dial == nil {
		c.bad = errors.Join(c.bad, errNoDialer)
	}
	return c
}

// Validate reports bad options of TCP, and an Addr of t that is not host:port.
func (c *TCPChecker) Validate(t Target) error {
	if err := errors.Join(c.bad, validateAddr(t.Addr)); err != nil {
		return fmt.Errorf("tcp: %w", err)
	}
	return nil
}

// Check connects once.
func (c *TCPChecker) Check(ctx context.Context, t Target) Result {
	if c.bad != nil {
		return Result{Status: Local, Err: fmt.Errorf("healthcheck: tcp: %w", c.bad)}
	}
	conn, err := c.dial(ctx, "tcp", t.Addr)
	if err != nil {
		return stepError(ctx, "tcp", t, "connect", err)
	}
	reset(conn)
	return Result{Status: Pass}
}
