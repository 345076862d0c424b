package relay

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-ha/mainstay/lvs"
)

// A conn is one relayed connection. Two goroutines serve it, one for each direction; the last to leave ends it.
type conn struct {
	r     *Relay
	addr  netip.AddrPort // the client's
	start int64          // on the relay's clock, like all times here
	bound lvs.Binding
	tries int

	client end
	up     pump // client to destination
	down   pump // destination to client

	last    atomic.Int64 // when something moved last
	running atomic.Int32 // directions under way

	connected int64 // when a destination answered, or none did

	mu     sync.Mutex // guards what follows, and that closing and replacing the ends do not meet
	server end
	fin    bool // one side ended its stream
	over   bool // both ends are closed, or about to be
	reason Reason
	err    error
	idle   *time.Timer // nil without an idle timeout

	prev, next *conn // in Relay.conns, guarded by Relay.mu
}

// serve is the life of an accepted connection; the caller tracks it.
func (c *conn) serve() {
	if !c.connect() {
		c.finish()
		return
	}
	c.last.Store(c.r.now())
	c.watchIdle()
	c.up.start(c, &c.client, &c.server)
	c.down.start(c, &c.server, &c.client)
	c.running.Store(2)
	go c.run(&c.down) // joined by running: the last one calls finish, which Shutdown and Close wait for
	c.run(&c.up)
}

// run relays one direction to its end.
func (c *conn) run(p *pump) {
	p.run()
	if c.running.Add(-1) == 0 {
		c.finish()
	}
}

// watchIdle starts the idle timer.
func (c *conn) watchIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.r.cfg.idleTimeout; d > 0 && !c.over {
		c.idle = time.AfterFunc(d, c.checkIdle)
	}
}

// checkIdle runs when the connection may have been idle for long enough. It moves its own timer instead of having every
// read and write move one.
func (c *conn) checkIdle() {
	left := c.r.cfg.idleTimeout - time.Duration(c.r.now()-c.last.Load())
	if left <= 0 {
		c.cut(Idle, nil)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.idle.Reset(left)
	}
}

// attach makes e the destination's end, unless the connection was cut meanwhile: then it resets e and returns false.
func (c *conn) attach(e end) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		e.reset()
		return false
	}
	c.server = e
	return true
}

// detach takes back an end that did not connect.
func (c *conn) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server.rwc.Close()
	c.server = end{}
}

// halfClose notes that one side ended its stream: no longer an active connection to the kernel, FIN_WAIT or CLOSE_WAIT.
func (c *conn) halfClose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fin {
		c.fin = true
		c.bound.SetActive(false)
	}
}

// cut ends the connection at once by resetting both sides, which also unblocks whoever waits for them. Only the first call counts.
func (c *conn) cut(why Reason, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over, c.reason, c.err = true, why, err
	for _, e := range [...]*end{&c.client, &c.server} {
		switch {
		case e.rwc == nil:
		case why == Finished, why == ClientLost && e == &c.client, why == ServerLost && e == &c.server:
			e.rwc.Close() // a side that is lost needs no reset
		default:
			e.reset()
		}
	}
}

// finish runs once, when no direction is under way any more.
func (c *conn) finish() {
	c.cut(Finished, nil)
	if c.idle != nil {
		c.idle.Stop()
	}
	r := c.r
	r.stats.ended[c.reason].Add(1)
	if r.cfg.access != nil || r.debug() {
		c.report()
	}
	c.bound.Unbind()
	r.untrack(c)
}

// report tells the access log and the debug log about a finished connection. It is apart from finish so that connections
// that nobody asks about do with a small stack.
//
//go:noinline
func (c *conn) report() {
	rec := c.record()
	c.bound.Unbind() // whoever reads the log finds the books closed
	if c.r.debug() {
		c.r.cfg.log.Debug("connection ended", "group", rec.Group, "client", rec.Client, "backend", rec.Backend,
			"reason", rec.Reason, "in", rec.In, "out", rec.Out, "total", rec.Total, "err", rec.Err)
	}
	if c.r.cfg.access != nil {
		c.r.cfg.access(&rec)
	}
}

func (c *conn) record() Record {
	rec := Record{
		Client: c.addr, Group: c.r.svc.Name(), Tries: c.tries,
		Start: c.r.base.Add(time.Duration(c.start)), Connect: time.Duration(c.connected - c.start), Total: time.Duration(c.r.now() - c.start),
		In: c.up.bytes, Out: c.down.bytes, Reason: c.reason, Err: c.err,
	}
	if d := c.bound.Dest(); d != nil {
		rec.Backend, rec.Addr = d.ID(), d.Addr()
	}
	return rec
}
