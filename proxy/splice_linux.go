package proxy

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// pipe carries a body from one socket to another inside the kernel. It has the size that pipes are born with: larger
// ones measured no better, and the kernel limits what one user may have.
type pipe struct {
	r, w    int
	n       int // bytes in it
	want    int // to be moved into it, at most
	err     error
	in, out func(fd uintptr) bool
}

// newPipe returns nil where there are no pipes to be had.
func newPipe() *pipe {
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	p := &pipe{r: fds[0], w: fds[1]}
	p.in, p.out = p.fill, p.drain
	return p
}

func (p *pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

const spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK

// fill moves what a socket has into the pipe, which is empty.
func (p *pipe) fill(fd uintptr) bool {
	for {
		n, err := unix.Splice(int(fd), nil, p.w, nil, p.want, spliceFlags)
		switch err {
		case nil:
			p.n = int(n)
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		p.err = err
		return true
	}
}

// drain moves what is in the pipe into a socket.
func (p *pipe) drain(fd uintptr) bool {
	for p.n > 0 {
		n, err := unix.Splice(p.r, nil, int(fd), nil, p.n, spliceFlags)
		switch err {
		case nil:
			p.n -= int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			p.err = err
			return true
		}
	}
	return true
}

// carry reads up to want bytes into p.
func (w *rawWire) carry(p *pipe, want int64) (int, error) {
	p.want, p.err = int(min(want, spliceMax)), nil
	err := w.rc.Read(p.in)
	switch {
	case err != nil:
		return 0, err
	case p.err == unix.EINVAL:
		return 0, errNoSplice
	case p.err != nil:
		return 0, p.err
	case p.n == 0:
		return 0, io.EOF
	}
	return p.n, nil
}

// deliver writes what is in p.
func (w *rawWire) deliver(p *pipe) error {
	p.err, w.stalled = nil, 0
	for left := p.n; ; left = p.n {
		err := w.rc.Write(p.out)
		if err == nil {
			return p.err
		}
		if !timedOut(err) {
			return err
		}
		if p.n < left {
			w.stalled = 0 // it has moved
		}
		if !w.patient() {
			return errWriteTimeout
		}
	}
}

// pipes are kept while they are empty. They are the proxy's, so that its Close ends them.
type pipes struct {
	mu     sync.Mutex // guards idle and closed
	idle   []*pipe
	closed bool
}

// maxPipes is how many idle pipes are kept.
const maxPipes = 64

func (s *pipes) get() *pipe {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		p := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return p
	}
	s.mu.Unlock()
	return newPipe()
}

func (s *pipes) put(p *pipe) {
	s.mu.Lock()
	keep := p.n == 0 && !s.closed && len(s.idle) < maxPipes
	if keep {
		s.idle = append(s.idle, p)
	}
	s.mu.Unlock()
	if !keep {
		p.close()
	}
}

func (s *pipes) close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, p := range idle {
		p.close()
	}
}

// splice moves up to left bytes of the answer from its peer to the client. It moves none, without an error, where
// that is not possible.
func (ex *exchange) splice(c *peerConn, left int64) (moved int64, err error) {
	src, ok := c.wire.(*rawWire)
	if !ok {
		return 0, nil
	}
	dst, ok := ex.down.sink().(*rawWire)
	if !ok {
		return 0, nil
	}
	p := ex.proxy.pipes.get()
	if p == nil {
		return 0, nil
	}
	defer ex.proxy.pipes.put(p)
	dst.limitWrite(ex.pol.writeTimeout)
	for moved < left {
		now := ex.now()
		began := now
		c.limitRead(now, min(firstSlice, ex.pol.readTimeout))
		n, err := src.carry(p, left-moved)
		for err != nil && timedOut(err) {
			if err = ex.longer(c, &began); err == nil {
				n, err = src.carry(p, left-moved)
			}
		}
		if err == errNoSplice {
			return moved, nil
		}
		if err != nil {
			return moved, err
		}
		if dst.deliver(p) != nil {
			return moved, errGone
		}
		moved += int64(n)
	}
	return moved, nil
}

// splice moves the body from the client to the peer as long as much of it is to come. It moves nothing where that is
// not possible. An error of the peer's connection is apart from one of the client's.
func (p *pump) splice() (client, peer error) {
	d, ok := p.ex.down.(*engineDoor)
	if !ok {
		return nil, nil
	}
	src, ok := d.c.wire.(*rawWire)
	if !ok {
		return nil, nil
	}
	dst, ok := p.c.wire.(*rawWire)
	if !ok {
		return nil, nil
	}
	t := p.ex.proxy.pipes.get()
	if t == nil {
		return nil, nil
	}
	defer p.ex.proxy.pipes.put(t)
	for d.pos == d.end && d.dec.Left() >= spliceMin {
		n, err := d.patiently(func() (int, error) { return src.carry(t, d.dec.Left()) })
		if err == errNoSplice {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
		d.skipped(int64(n))
		if d.dec.Done() {
			p.drained.Store(true) // before the peer can answer
		}
		if err := dst.deliver(t); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// skipped notes that n bytes of the body went past ex.in.
func (d *engineDoor) skipped(n int64) {
	d.intact = false
	d.dec.Skip(n)
	d.ex.received += n
}
