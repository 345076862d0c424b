package proxy

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// client is a connection to the engine. While it is idle this and the stack of a goroutine that has done nothing yet
// is all it costs: the buffers belong to the exchange, which is taken when bytes have come.
type client struct {
	srv    *Server
	wire   wire
	ex     *exchange // while a request is served
	remote netip.AddrPort
	ident  []byte        // see identity; nil while idle for long
	state  atomic.Uint32 // idle, busy or closed
	served int           // requests begun
	fate   fate          // after the last answer
	grown  bool          // the goroutine has served
	since  int64         // when it was accepted or became idle

	next, prev *client // in the server's list, guarded by its mu
}

// The states of a client.
const (
	idle   uint32 = iota
	busy          // a request is read or served
	closed        // by the server, while it was idle
)

// parkAfter is how long the goroutine that has served waits for the next request itself. Then a fresh one takes over
// the wait, whose stack is as small as it was born.
const parkAfter = 100 * time.Millisecond

// lingerTime is how long input is thrown away after the last answer on a connection, so that the client can read it:
// closing a socket with unread input would destroy it on the way.
const lingerTime = 2 * time.Second

// tlsConn is what tells a TLS connection.
type tlsConn interface{ ConnectionState() tls.ConnectionState }

func newClient(s *Server, conn net.Conn, now int64) *client {
	c := &client{srv: s, wire: newWire(conn, s.proxy.clk), since: now}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		c.remote = netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	} else if a := conn.RemoteAddr(); a != nil {
		c.remote, _ = netip.ParseAddrPort(a.String()) // streams in memory; unix sockets have none
	}
	return c
}

// identity is what peers are told about the connection.
func (c *client) identity() []byte {
	if c.ident == nil {
		proto := "http"
		if _, ok := c.wire.conn().(tlsConn); ok {
			proto = "https"
		}
		c.ident = identify(make([]byte, 0, 96), c.remote.Addr(), proto)
	}
	return c.ident
}

// lend takes an exchange for what is about to be read.
func (c *client) lend() []byte {
	ex := c.srv.proxy.acquire()
	ex.down, ex.remote = &ex.line, c.remote
	ex.line.c = c
	c.ex = ex
	return ex.in
}

// giveBack returns the exchange.
func (c *client) giveBack() {
	c.ex.release()
	c.ex = nil
}

// run serves the connection until it ends, or until this goroutine has served and nothing more has come for a
// moment: then a fresh one takes over the wait.
func (c *client) run() {
	defer c.rescue()
	for now := c.since; ; now = c.srv.proxy.clk.now() {
		left := c.patience() - time.Duration(now-c.since)
		if left <= 0 {
			break
		}
		if c.grown {
			left = min(left, parkAfter)
		}
		c.wire.limitRead(now, left)
		switch err := c.wire.serve(c, !c.grown); {
		case err == nil:
			if !c.requests() {
				c.end()
				return
			}
			c.rest()
		case !timedOut(err):
			c.end()
			return
		case c.grown:
			c.grown, c.ident = false, nil
			go c.run() // ends with the connection, which the server waits for
			return
		}
	}
	c.end()
}

// take serves a plain request that has come whole, inside the wait that brought it: no byte of it is to be read any
// more. Everything else it leaves to requests.
func (c *client) take(n int) bool {
	ex := c.ex
	d := &ex.line
	d.pos, d.end = 0, n
	c.grown = true
	if !c.state.CompareAndSwap(idle, busy) {
		c.fate = drop
		return false
	}
	ex.pol = c.srv.proxy.pol.Load()
	size, err := ex.req.Parse(ex.in[:n], &ex.pol.limits)
	if err != nil || size != n || ex.req.Framing != http1.None || n == len(ex.in) {
		ex.req.Reset()
		return false
	}
	if c.fate = c.answer(size); c.fate != keep {
		return false
	}
	c.rest()
	c.wire.limitRead(c.since, min(c.patience(), parkAfter))
	return true
}

// rest makes the connection idle.
func (c *client) rest() {
	c.since = c.ex.lately
	c.giveBack()
	c.state.Store(idle)
}

// patience is how long the connection may be idle now.
func (c *client) patience() time.Duration {
	pol := c.srv.proxy.pol.Load()
	switch {
	case c.srv.draining.Load():
		return c.srv.linger
	case c.served == 0:
		return pol.headerTimeout
	}
	return pol.keepAlive
}

// fate is what becomes of a connection after an answer.
type fate uint8

const (
	keep fate = iota
	part      // closed, once the client has read what it was sent
	drop      // closed, and what it was sent is not to look whole
)

// requests serves what has come: ex.in up to line.end. It reports whether the connection is to be kept.
func (c *client) requests() bool {
	ex := c.ex
	d := &ex.line
	for {
		if c.fate == keep {
			c.fate = c.request()
		}
		switch c.fate {
		case part:
			c.part()
			return false
		case drop:
			c.wire.reset()
			return false
		}
		rest := ex.in[d.pos:d.end]
		if len(rest) == 0 {
			return true
		}
		d.pos, d.end = 0, copy(ex.in, rest) // pipelined
		ex.reset()
	}
}

// request serves the request at the start of ex.in.
func (c *client) request() fate {
	ex := c.ex
	ex.pol = c.srv.proxy.pol.Load()
	n, err := ex.req.Parse(ex.in[:ex.line.end], &ex.pol.limits)
	if err == http1.ErrIncomplete {
		n, err = c.head()
	}
	switch e := err.(type) {
	case nil:
		return c.answer(n)
	case *http1.Error:
		return c.reject(e.Status, "bad_request", e)
	case *headError:
		return c.reject(e.status, e.reason, e)
	}
	return drop
}

// answer serves the request in ex.req, whose head has n bytes.
func (c *client) answer(n int) fate {
	ex := c.ex
	d := &ex.line
	ex.start = ex.now()
	ex.ident = c.identity()
	c.served++
	d.begin(n)
	ex.run()
	switch {
	case d.broken:
		return drop
	case d.keep && d.skip():
		return keep
	}
	return part
}

// end closes the connection and takes it off the server's list.
func (c *client) end() {
	c.wire.close()
	if c.ex != nil {
		c.giveBack()
	}
	c.srv.remove(c)
}

// rescue ends the connection after a panic of a gate or of the access log.
func (c *client) rescue() {
	v := recover()
	if v == nil {
		return
	}
	if ex := c.ex; ex != nil {
		ex.proxy.stats.add(ex, statPanics)
		ex.pol.log.Error("panic in a hook", slog.Any("err", v), slog.String("stack", string(debug.Stack())))
		ex.rescue()
		c.ex = nil // its state is anybody's guess
	}
	c.wire.reset()
	c.end()
}
