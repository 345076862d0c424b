package memnet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Listener accepts the connections made to one address of [Streams].
type Listener struct {
	streams *Streams
	local   netip.AddrPort

	mu       sync.Mutex // guards everything below
	wake     sync.Cond
	waiting  []*Conn // established and not yet accepted
	acceptBy deadline
	closed   bool
}

var _ net.Listener = (*Listener)(nil)

func newListener(s *Streams, local netip.AddrPort) *Listener {
	l := &Listener{streams: s, local: local}
	l.wake.L = &l.mu
	return l
}

// Accept waits for a connection, which is a [*Conn]. It fails with
// [net.ErrClosed] and [os.ErrDeadlineExceeded].
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, l.opError("accept", net.ErrClosed)
		case l.acceptBy.passed():
			return nil, l.opError("accept", os.ErrDeadlineExceeded)
		case len(l.waiting) > 0:
			c := l.waiting[0]
			l.waiting[0] = nil
			l.waiting = l.waiting[1:]
			l.wake.Broadcast()
			return c, nil
		}
		l.wake.Wait()
	}
}

// queue adds the listener's end of a new connection, waiting for room.
func (l *Listener) queue(ctx context.Context, c *Conn) error {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wake.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return os.NewSyscallError("connect", syscall.ECONNREFUSED)
		case ctx.Err() != nil:
			return ctx.Err()
		case len(l.waiting) < l.streams.backlog:
			l.waiting = append(l.waiting, c)
			l.wake.Broadcast()
			return nil
		}
		l.wake.Wait()
	}
}

// SetDeadline bounds Accept, those that block now included; zero is none.
func (l *Listener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.opError("set", net.ErrClosed)
	}
	l.acceptBy.set(&l.wake, t)
	return nil
}

// Close frees the address, resets the connections that nobody accepted and
// unblocks Accept. A second call fails with [net.ErrClosed], as that of a TCP
// listener does.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return l.opError("close", net.ErrClosed)
	}
	l.closed = true
	l.acceptBy.stop()
	waiting := l.waiting
	l.waiting = nil
	l.wake.Broadcast()
	l.mu.Unlock()

	l.streams.mu.Lock()
	delete(l.streams.listeners, l.local)
	l.streams.mu.Unlock()
	for _, c := range waiting {
		c.lock()
		c.abort = true
		c.unlock()
		c.Close()
	}
	return nil
}

// Addr returns a [*net.TCPAddr].
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: err}
}
