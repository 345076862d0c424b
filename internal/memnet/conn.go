package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a stream: a TCP connection as seen through [net.Conn].
// Any number of goroutines may call its methods; writes do not interleave.
type Conn struct {
	local, remote *net.TCPAddr
	peer          *Conn

	// All below, in both ends, is guarded by one lock, which is in.wake.L.
	in, out *flow // the peer's out and in
	abort   bool  // Close resets: SetLinger(0)
	closed  bool  // by Close
	reset   bool  // the peer said so
}

var _ net.Conn = (*Conn)(nil)

// flow is one direction of a connection.
type flow struct {
	wake    sync.Cond // anything below changed, or an end closed
	data    ring      // written and not yet read
	fin     bool      // the writer is done: end of file after data
	deaf    bool      // the reader is done: what is written vanishes
	writing bool      // a Write is under way
	readBy  deadline
	writeBy deadline
}

// newConns returns the two ends of a connection: the caller's, the listener's.
func newConns(caller, listener *net.TCPAddr, buffer int) (*Conn, *Conn) {
	mu := new(sync.Mutex)
	up, down := newFlow(mu, buffer), newFlow(mu, buffer)
	a := &Conn{local: caller, remote: listener, in: down, out: up}
	b := &Conn{local: listener, remote: caller, in: up, out: down}
	a.peer, b.peer = b, a
	return a, b
}

func newFlow(mu *sync.Mutex, buffer int) *flow {
	f := &flow{data: ring{limit: buffer}}
	f.wake.L = mu
	return f
}

func (c *Conn) lock()   { c.in.wake.L.Lock() }
func (c *Conn) unlock() { c.in.wake.L.Unlock() }

// Read waits for data and takes what is there, at most len(p). It returns
// [io.EOF] once the peer has closed or shut its side, or CloseRead was called,
// and ECONNRESET after a reset, in both cases after the data written before.
func (c *Conn) Read(p []byte) (int, error) {
	c.lock()
	defer c.unlock()
	for f := c.in; ; f.wake.Wait() {
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case len(p) == 0:
			return 0, nil
		case f.readBy.passed():
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case f.data.n > 0:
			n := f.data.read(p)
			f.wake.Broadcast()
			return n, nil
		case f.deaf, f.fin:
			return 0, io.EOF
		case c.reset:
			return 0, c.opError("read", os.NewSyscallError("read", syscall.ECONNRESET))
		}
	}
}

// Write hands over all of p, waiting while the peer's buffer is full. A
// deadline or a reset in between leaves the count of what was handed over. The
// first write to a peer that has closed succeeds and is answered by a reset.
func (c *Conn) Write(p []byte) (int, error) {
	c.lock()
	defer c.unlock()
	f := c.out
	for f.writing { // not a lock: a bubble must see that this waits
		if err := c.lockedWriteErr(); err != nil {
			return 0, err
		}
		f.wake.Wait()
	}
	f.writing = true
	defer func() {
		f.writing = false
		f.wake.Broadcast()
	}()
	for n := 0; ; f.wake.Wait() {
		if err := c.lockedWriteErr(); err != nil {
			return n, err
		}
		switch {
		case len(p) == 0:
		case c.peer.closed:
			c.lockedReset()
			n = len(p)
		case f.deaf:
			n = len(p)
		default:
			if put := f.data.write(p[n:]); put > 0 {
				n += put
				f.wake.Broadcast()
			}
		}
		if n == len(p) {
			return n, nil
		}
	}
}

// lockedWriteErr returns why nothing can be written now; the lock is held.
func (c *Conn) lockedWriteErr() error {
	switch {
	case c.closed:
		return c.opError("write", net.ErrClosed)
	case c.out.writeBy.passed():
		return c.opError("write", os.ErrDeadlineExceeded)
	case c.reset && !c.in.fin && !c.out.fin:
		return c.opError("write", os.NewSyscallError("write", syscall.ECONNRESET))
	case c.reset, c.out.fin:
		return c.opError("write", os.NewSyscallError("write", syscall.EPIPE))
	}
	return nil
}

// Close ends both directions. The peer reads what was written and then the end
// of file; or ECONNRESET, if SetLinger(0) was called or data waited unread here.
// A second call fails with [net.ErrClosed], as that of a TCP connection does.
func (c *Conn) Close() error {
	c.lock()
	defer c.unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.in.readBy.stop()
	c.out.writeBy.stop()
	if c.abort || c.in.data.n > 0 {
		c.peer.lockedReset()
	} else {
		c.out.fin = true
	}
	c.in.data.drop()
	c.lockedWake()
	return nil
}

// lockedReset makes c learn of a reset; the lock is held.
func (c *Conn) lockedReset() {
	c.reset = true
	c.lockedWake()
}

func (c *Conn) lockedWake() {
	c.in.wake.Broadcast()
	c.out.wake.Broadcast()
}

// CloseWrite ends the direction to the peer, which reads the end of file after
// the data. Further writes fail with EPIPE.
func (c *Conn) CloseWrite() error {
	return c.shut(func() { c.out.fin = true })
}

// CloseRead makes reads return [io.EOF]. What was not read, and what comes
// later, is thrown away without blocking the peer.
func (c *Conn) CloseRead() error {
	return c.shut(func() {
		c.in.deaf = true
		c.in.data.drop()
	})
}

func (c *Conn) shut(side func()) error {
	c.lock()
	defer c.unlock()
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.reset:
		return c.opError("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	side()
	c.lockedWake()
	return nil
}

// SetLinger with 0 makes Close reset the connection; any other value makes it
// end normally, which is the default. Close never waits.
func (c *Conn) SetLinger(sec int) error {
	c.lock()
	defer c.unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.abort = sec == 0
	return nil
}

// LocalAddr returns a [*net.TCPAddr].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns a [*net.TCPAddr].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.deadlines(func() { c.in.readBy.set(&c.in.wake, t); c.out.writeBy.set(&c.out.wake, t) })
}

// SetReadDeadline bounds reads, those that block now included; zero is none.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.deadlines(func() { c.in.readBy.set(&c.in.wake, t) })
}

// SetWriteDeadline bounds writes, those that block now included; zero is none.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.deadlines(func() { c.out.writeBy.set(&c.out.wake, t) })
}

func (c *Conn) deadlines(set func()) error {
	c.lock()
	defer c.unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	set()
	return nil
}

// opError names the operation and both ends, as package net does.
func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
