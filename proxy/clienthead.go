package proxy

import (
	"log/slog"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// headError is what is wrong with the way a head came.
type headError struct {
	status int
	reason string
}

func (e *headError) Error() string { return "proxy: request head: " + e.reason }

var errHeadSlow = &headError{408, "header_timeout"}

// head reads the rest of a head that has begun.
func (c *client) head() (int, error) {
	ex := c.ex
	d := &ex.line
	clk := c.srv.proxy.clk
	for began, now := clk.now(), clk.now(); ; now = clk.now() {
		left := ex.pol.headerTimeout - time.Duration(now-began)
		if left <= 0 {
			return 0, errHeadSlow
		}
		if d.end == len(ex.in) {
			ex.in = append(ex.in, make([]byte, len(ex.in))...)
		}
		c.wire.limitRead(now, left)
		n, err := c.wire.read(ex.in[d.end:])
		if err != nil {
			if timedOut(err) {
				continue
			}
			return 0, errGone
		}
		d.end += n
		if n, err = ex.req.Parse(ex.in[:d.end], &ex.pol.limits); err != http1.ErrIncomplete {
			return n, err
		}
	}
}

// reject answers a head that was not understood. What follows it is not looked at.
func (c *client) reject(status int, reason string, err error) fate {
	ex := c.ex
	ex.start = ex.now()
	c.served++
	ex.proxy.stats.add(ex, statBadRequests)
	ex.pol.log.Debug("request refused", slog.Any("err", err))
	ex.req.Framing, ex.req.KeepAlive = http1.None, false
	ex.line.begin(ex.line.end)
	ex.refuse(status, reason, 0)
	ex.end()
	return part
}

// skip passes over what is left of the request's body, and reports whether all of it was there.
func (d *engineDoor) skip() bool {
	for !d.dec.Done() {
		_, n, err := d.dec.Next(d.ex.in[d.pos:d.end])
		d.pos += n
		if err != nil {
			return false
		}
	}
	return true
}

// part closes the connection after the last answer, and sees to it that the client can read that.
func (c *client) part() {
	d := &c.ex.line
	if d.dec.Done() && d.pos == d.end && c.ex.reason == "" && c.wire.peek() == quiet {
		return // nothing that the close would trip over
	}
	c.wire.closeWrite()
	clk := c.srv.proxy.clk
	for began, now := clk.now(), clk.now(); now-began < int64(lingerTime); now = clk.now() {
		c.wire.limitRead(now, lingerTime-time.Duration(now-began))
		if _, err := c.wire.read(c.ex.up); err != nil && !timedOut(err) {
			return
		}
	}
}
