package proxy

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawWire is a wire over a non-blocking descriptor of the runtime's poller. It makes the system calls in functions
// that are bound once per connection, which saves the hand-over between net's layers on every call.
//
// A read tries first and waits only when there is nothing: the poller forgets an edge that came before the wait was
// prepared, so the try cannot be left out. converse makes it pay: it is the check that the kept connection is quiet,
// done before the question is written and inside the same wait as the answer.
type rawWire struct {
	limits
	rc     syscall.RawConn
	reader func(fd uintptr) bool
	lender lender        // of serve
	end    syscall.Errno // of serve
	*rawOp               // nil while serve waits for long
}

// rawOp is what a connection needs that does something.
type rawOp struct {
	// The read in progress.
	in    []byte
	n     int
	errno syscall.Errno
	asked []byte // what converse has yet to write
	doubt bool   // converse: the first try must find nothing
	left  int    // converse: bytes of asked that the socket did not take

	fd   uintptr // while held
	held bool    // by a lender that takes

	// The write in progress.
	writer   func(fd uintptr) bool
	out      []byte
	outErrno syscall.Errno
}

func (w *rawWire) newOp() *rawOp { return &rawOp{writer: w.tryWrite} }

var _ wire = (*rawWire)(nil)

// newRawWire returns nil for a connection that it cannot serve.
func newRawWire(conn net.Conn, clk *clock) wire {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	blocking := true
	if err := rc.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		blocking = err != nil || flags&unix.O_NONBLOCK == 0
	}); err != nil || blocking {
		return nil
	}
	w := &rawWire{limits: limits{sock: conn, clk: clk}, rc: rc}
	w.reader, w.rawOp = w.tryRead, w.newOp()
	return w
}

func (w *rawWire) read(p []byte) (int, error) {
	w.in = p
	return w.wait()
}

// serve lets l take what comes inside the wait for it: as the poller keeps the edges that come meanwhile, the next
// wait needs no try before it.
func (w *rawWire) serve(l lender, idle bool) error {
	if idle {
		w.rawOp = nil
	}
	w.lender = l
	err := w.rc.Read(w.reader)
	w.lender = nil
	switch {
	case err != nil:
		return err
	case w.end == errnoLent:
		return nil
	case w.end != 0:
		return w.end
	}
	return io.EOF
}

// hand reads once for the lender.
func (w *rawWire) hand(fd uintptr) bool {
	l := w.lender
	n, errno := rawRead(fd, l.lend())
	if n == 0 {
		l.giveBack()
		w.end = errno
		return errno != syscall.EAGAIN
	}
	if w.rawOp == nil {
		w.rawOp = w.newOp()
	}
	w.fd, w.held, w.end = fd, true, errnoLent
	more := l.take(n)
	w.held = false
	return !more
}

func (w *rawWire) converse(out, p []byte) (int, error) {
	if len(out) <= rawLimit {
		w.in, w.asked, w.doubt, w.left = p, out, true, 0
		n, err := w.wait()
		if !w.doubt {
			if left := w.left; left > 0 && err == nil {
				w.left = 0
				if err = w.write(out[len(out)-left:]); err == nil {
					n, err = w.read(p)
				}
			}
			return n, err
		}
		w.doubt = false
		if !timedOut(err) {
			return 0, errStale
		}
		// The limit passed before the first try: the next read says so, and its caller sets another.
	}
	if w.peek() != quiet {
		return 0, errStale
	}
	if err := w.write(out); err != nil {
		return 0, err
	}
	return w.read(p)
}

// wait runs one read through the poller.
func (w *rawWire) wait() (int, error) {
	w.n, w.errno = 0, 0
	err := w.rc.Read(w.reader)
	w.in, w.asked = nil, nil
	switch {
	case err != nil:
		return 0, err
	case w.errno == errnoStale:
		return 0, errStale
	case w.errno != 0:
		return 0, w.errno
	case w.n == 0 && w.left == 0:
		return 0, io.EOF
	}
	return w.n, nil
}

// Beside the errnos of the system: a read that found errStale, and one whose buffer stays lent.
const (
	errnoStale = syscall.Errno(1<<16 + iota)
	errnoLent
)

// tryRead reads once. It reports false to wait for more.
func (w *rawWire) tryRead(fd uintptr) bool {
	if w.lender != nil {
		return w.hand(fd)
	}
	w.n, w.errno = rawRead(fd, w.in)
	if w.doubt {
		w.doubt = false
		if w.errno != syscall.EAGAIN {
			w.errno = errnoStale
			return true
		}
		return w.ask(fd)
	}
	return w.errno != syscall.EAGAIN
}

// ask writes the question of converse. It reports true if that did not work out at once.
func (w *rawWire) ask(fd uintptr) bool {
	n, errno := rawWrite(fd, w.asked)
	switch {
	case errno == syscall.EAGAIN:
		n = 0
	case errno != 0: // not a byte of it was taken
		w.errno = errnoStale
		return true
	}
	w.left = len(w.asked) - n
	w.errno = 0
	return w.left != 0
}

func (w *rawWire) write(p []byte) error {
	if w.held { // inside a wait, which holds the descriptor
		n, errno := rawWrite(w.fd, p)
		switch {
		case n == len(p):
			return nil
		case errno != 0 && errno != syscall.EAGAIN:
			return errno
		}
		p = p[n:]
	}
	w.out, w.outErrno, w.stalled = p, 0, 0
	err := w.rc.Write(w.writer)
	for err != nil && timedOut(err) {
		if !w.patient() {
			return errWriteTimeout
		}
		err = w.rc.Write(w.writer)
	}
	w.out = nil
	if err == nil && w.outErrno != 0 {
		return w.outErrno
	}
	return err
}

// tryWrite writes until all is written or the socket is full.
func (w *rawWire) tryWrite(fd uintptr) bool {
	moved := w.stalled == 0
	for len(w.out) > 0 {
		n, errno := rawWrite(fd, w.out)
		switch {
		case errno == syscall.EAGAIN:
			if moved {
				w.stall()
			}
			return false
		case errno != 0:
			w.outErrno = errno
			return true
		}
		w.out = w.out[n:]
		moved = true
	}
	return true
}

// stall begins a wait of a write that has moved since the last, if there was one.
func (w *rawWire) stall() {
	w.stalled = w.clk.now()
	if left := w.wd - w.stalled; left > int64(w.patience) || left < int64(w.patience-w.patience/4) {
		w.waitUntil(w.stalled + int64(w.patience))
	}
}

// patient takes a write that has run into a deadline on, if its time is not up: the deadline may have been coarse, or
// one of long ago.
func (w *rawWire) patient() bool {
	now := w.clk.now()
	if w.stalled == 0 {
		w.stalled = now
	}
	end := w.stalled + int64(w.patience)
	if end <= now || w.stopped.Load() {
		return false
	}
	w.waitUntil(end)
	return true
}

func (w *rawWire) glance() arrival { return w.peek() }

func (w *rawWire) peek() arrival {
	a, ok := peekRaw(w.rc)
	if !ok {
		return ended
	}
	return a
}
