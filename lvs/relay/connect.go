package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/mainstay-ha/mainstay/internal/scarce"
	"github.com/mainstay-ha/mainstay/lvs"
)

// connect finds a destination that takes the connection. If it returns false the connection is cut.
func (c *conn) connect() bool {
	ok := c.offer()
	c.connected = c.r.now()
	return ok
}

// offer offers the connection to one destination after the other.
func (c *conn) offer() bool {
	var room [4]*lvs.Dest
	tried, lastErr := room[:0], error(nil)
	for c.tries < c.r.cfg.connectTries {
		d, err := c.pick(tried)
		if err != nil {
			break
		}
		if c.tries++; c.tries > 1 {
			c.r.stats.retries.Add(1)
		}
		c.bound = d.Bind()
		c.bound.SetActive(true) // the SYN does that in the kernel
		ok, err := c.reach(d)
		if ok {
			return true
		}
		if err == nil { // cut meanwhile
			c.bound.Unbind()
			return false
		}
		lastErr = err
		// No descriptor or memory here is not the destination's fault, and no other one would do better. Ports run out for
		// one destination at a time.
		if scarce.Is(err) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			c.bound.Unbind()
			break
		}
		c.bound.Fail()
		c.r.stats.failures.Add(1)
		tried = append(tried, d)
		if c.r.debug() {
			logFailure(c.r.cfg.log, d, err)
		}
	}
	if lastErr == nil {
		c.cut(NoDest, lvs.ErrNoDest)
	} else {
		c.cut(NoConnect, lastErr)
	}
	return false
}

// pick asks the scheduler for a destination that is none of tried. It is apart from offer because what connecting needs
// on top of that just fits the stack that a goroutine begins with; growing it costs 4 % of a short connection.
//
//go:noinline
func (c *conn) pick(tried []*lvs.Dest) (*lvs.Dest, error) {
	return c.r.svc.Pick(lvs.Flow{Client: c.addr, Virtual: c.r.svc.VIP()}, tried...)
}

// logFailure is apart from offer for the same reason.
//
//go:noinline
func logFailure(log *slog.Logger, d *lvs.Dest, err error) {
	log.Debug("connect failed", "group", d.Group(), "backend", d.ID(), "err", err)
}

// reach connects to one destination. Without an error and not ok, the connection was cut meanwhile.
func (c *conn) reach(d *lvs.Dest) (ok bool, err error) {
	if c.r.cfg.dial == nil && rawIO && d.Addr().Addr().Zone() == "" {
		return c.rawReach(d.Addr())
	}
	return c.dialReach(d)
}

// dialReach is reach by a dialer.
func (c *conn) dialReach(d *lvs.Dest) (ok bool, err error) {
	dial := c.r.cfg.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(c.r.ctx, c.r.cfg.connectTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", d.Addr().String())
	switch {
	case c.r.ctx.Err() != nil && err != nil:
		c.cut(Forced, nil) // force will, but need not have come to it yet
		return false, nil
	case err != nil && ctx.Err() != nil:
		return false, errConnectTimeout
	case err != nil:
		return false, err
	case conn == nil:
		return false, errors.New("the dialer returned neither a connection nor an error")
	}
	if c.r.cfg.idleTimeout == 0 {
		keepAlive(conn)
	}
	return c.attach(newEnd(conn)), nil
}

// errConnectTimeout is what a connection that takes too long fails with, whoever noticed.
var errConnectTimeout error = fmt.Errorf("connect: %w", context.DeadlineExceeded)
