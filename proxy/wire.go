package proxy

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// wire is a connection as both directions of an exchange use it: to a client or to a peer. One goroutine reads and
// one writes at a time; only interrupt and close may come from anywhere.
//
// There are two: rawWire over [syscall.Conn] on Linux, which makes the system calls itself, and netWire over any
// [net.Conn].
type wire interface {
	// read waits for bytes and reads what fits in p; never 0, nil. The end of the stream is io.EOF.
	read(p []byte) (int, error)
	// serve reads for l, into a buffer that it asks for when there is something to read, until l does not take what
	// has come: then it returns nil, and the buffer stays lent. After an error nothing is lent.
	// idle says that the first wait may be long, so that nothing should be held meanwhile.
	serve(l lender, idle bool) error
	// write writes all of p.
	write(p []byte) error
	// converse writes out and reads the first bytes of the answer. It first makes sure that nothing came before the
	// question: if so, or if the peer has closed, it fails with errStale and has written nothing.
	converse(out, p []byte) (int, error)
	// peek tells without waiting what a read would find.
	peek() arrival
	// glance is a peek that takes nothing, and may be made beside a read. Where there is no such thing it finds nothing.
	glance() arrival
	// limitRead bounds the waits of reads to d, or up to a quarter less, from now on.
	limitRead(now int64, d time.Duration)
	// limitWrite lets writes fail with errWriteTimeout when nothing could be written for d.
	limitWrite(d time.Duration)
	// interrupt ends the wait of a read, which a limit set later lifts, or the writes that follow.
	interrupt(read, write bool)
	// resume lifts an interrupt. Nobody may be waiting.
	resume()
	// closeWrite sends the end of the stream and keeps reading.
	closeWrite()
	// close closes; reset closes so that the other side sees an error and never a proper end.
	close()
	reset()
	// conn is the connection itself, for its addresses.
	conn() net.Conn
}

// lender is what serve reads for.
type lender interface {
	lend() []byte
	giveBack()
	// take deals with the n bytes in the buffer lent, gives it back, and sets the limit of the next wait. Or it
	// reports false and does none of that. It must not read.
	take(n int) bool
}

// arrival is what a peek finds.
type arrival uint8

const (
	quiet   arrival = iota // nothing yet
	arrived                // bytes
	ended                  // the other side has closed, or the connection broke
)

// errStale: a kept connection was closed by the peer, or has bytes nobody asked for. Nothing was written.
var errStale = errors.New("proxy: kept connection is stale")

// newWire wraps a connection in the faster implementation it supports.
func newWire(conn net.Conn, clk *clock) wire {
	if w := newRawWire(conn, clk); w != nil {
		return w
	}
	return &netWire{limits: limits{sock: conn, clk: clk}}
}

// limits keeps the deadlines of a connection. Setting one costs a timer, so they are set coarsely: a deadline that
// lies within the last quarter of what is asked for stays as it is. Whoever needs the exact moment looks at the
// clock when a wait ends, and waits again.
type limits struct {
	sock     net.Conn
	clk      *clock
	rd, wd   int64         // the deadlines in force, 0 for none
	patience time.Duration // of writes
	stalled  int64         // since when the write in progress has not moved; 0 before it first waits
	stopped  atomic.Bool   // writes were interrupted
}

func (l *limits) limitRead(now int64, d time.Duration) {
	if left := l.rd - now; left <= int64(d) && left >= int64(d-d/4) {
		return
	}
	l.rd = now + int64(d)
	_ = l.sock.SetReadDeadline(l.clk.at(l.rd)) // fails on a closed connection only: so will the read
}

func (l *limits) limitWrite(d time.Duration) { l.patience = d }

func (l *limits) waitUntil(end int64) {
	l.wd = end
	_ = l.sock.SetWriteDeadline(l.clk.at(end)) // fails on a closed connection only: so will the write
	if l.stopped.Load() {                      // looked at afterwards, or the deadline would lift the interrupt
		_ = l.sock.SetWriteDeadline(longAgo)
	}
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

func (l *limits) interrupt(read, write bool) {
	if read {
		_ = l.sock.SetReadDeadline(longAgo)
	}
	if write {
		l.stopped.Store(true)
		_ = l.sock.SetWriteDeadline(longAgo)
	}
}

func (l *limits) resume() {
	l.rd, l.wd = 0, 0
	l.stopped.Store(false)
}

func (l *limits) conn() net.Conn { return l.sock }

func (l *limits) closeWrite() {
	if c, ok := l.sock.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // the close that follows tells the rest
	}
}

func (l *limits) close() { _ = l.sock.Close() }

func (l *limits) reset() {
	if c, ok := l.sock.(interface{ SetLinger(sec int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = l.sock.Close()
}

// timedOut reports whether a read ended at its deadline.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// errWriteTimeout is what a write returns that has not moved for its limit, or was interrupted.
var errWriteTimeout = errors.New("proxy: write timed out")
