package proxy

import (
	"io"
	"time"
)

// netWire is a wire over any net.Conn: TLS, in-memory streams, wrapped connections, other systems.
type netWire struct {
	limits
	ahead [1]byte // a byte that peek or an idle wait has read
	has   bool
}

var _ wire = (*netWire)(nil)

func (w *netWire) read(p []byte) (int, error) {
	if w.has {
		p[0], w.has = w.ahead[0], false
		return 1, nil
	}
	for {
		n, err := w.sock.Read(p)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if len(p) == 0 {
			return 0, io.ErrShortBuffer
		}
	}
}

// serve holds no buffer while it waits for long: it waits for a single byte.
func (w *netWire) serve(l lender, idle bool) error {
	for {
		if idle && !w.has {
			if _, err := w.read(w.ahead[:]); err != nil {
				return err
			}
			w.has, idle = true, false
		}
		n, err := w.read(l.lend())
		if err != nil {
			l.giveBack()
			return err
		}
		if !l.take(n) {
			return nil
		}
	}
}

func (w *netWire) write(p []byte) error {
	for len(p) > 0 {
		w.stalled = w.clk.now()
		w.waitUntil(w.stalled + int64(w.patience))
		n, err := w.sock.Write(p[:min(len(p), bufSize)])
		if p = p[n:]; err != nil && (!timedOut(err) || n == 0) {
			if timedOut(err) {
				err = errWriteTimeout
			}
			return err
		}
	}
	return nil
}

func (w *netWire) converse(out, p []byte) (int, error) {
	if w.peek() != quiet {
		return 0, errStale
	}
	if err := w.write(out); err != nil {
		return 0, err
	}
	return w.read(p)
}

func (w *netWire) glance() arrival {
	a, _ := peekConn(w.sock)
	return a
}

// peekWait is how long a peek waits where it cannot look without waiting.
const peekWait = 50 * time.Microsecond

func (w *netWire) peek() arrival {
	if w.has {
		return arrived
	}
	if a, ok := peekConn(w.sock); ok {
		return a
	}
	if err := w.sock.SetReadDeadline(time.Now().Add(peekWait)); err != nil {
		return ended
	}
	n, err := w.sock.Read(w.ahead[:])
	w.has = n > 0
	before := time.Time{}
	if w.rd != 0 {
		before = w.clk.at(w.rd)
	}
	_ = w.sock.SetReadDeadline(before)
	switch {
	case w.has:
		return arrived
	case err != nil && timedOut(err):
		return quiet
	}
	return ended
}
