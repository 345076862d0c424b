package relay

import (
	"golang.org/x/sys/unix"
)

const (
	// spliceFrom is how much one read must yield before the next one is a splice: a pipe pays where buffers are filled.
	spliceFrom = bufferSize

	// spliceUntil is how little one splice may move before the next one is a read again.
	spliceUntil = 4 << 10

	spliceMost  = 1 << 20 // in one call; the pipe's size is the tighter bound
	spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
)

// A rawPump carries one direction between two descriptors. While it waits for data it holds neither a buffer nor a pipe.
type rawPump struct {
	splice bool // the next read is a splice
	never  bool // src cannot be spliced
	piped  bool // what is held is in pipe, otherwise in buf
	pipe   pipe
	buf    *[bufferSize]byte
	off, n int // what is held and not yet handed over
	err    error
}

// pumpRaw is pumpCopy on descriptors.
func (p *pump) pumpRaw() {
	fill, drain := p.fill, p.drain // bound once
	for {
		if err := p.src.raw.Read(fill); err != nil {
			p.lost(p.src, err)
			return
		}
		if p.err != nil {
			p.release()
			p.lost(p.src, p.err)
			return
		}
		if p.n == 0 {
			p.release()
			p.eof()
			return
		}
		p.moved()
		err := p.dst.raw.Write(drain)
		if err == nil {
			err = p.err
		}
		p.release()
		if err != nil {
			p.lost(p.dst, err)
			return
		}
	}
}

// fill takes what src has. It returns false to be called again when src has something.
func (p *pump) fill(fd uintptr) bool {
	p.off, p.n = 0, 0
	if p.splice && !p.never {
		if done, waits := p.fillPipe(int(fd)); done {
			return !waits
		}
	}
	p.buf = buffers.Get().(*[bufferSize]byte)
	p.n, p.err = ignoreEINTR(func() (int, error) { return unix.Read(int(fd), p.buf[:]) })
	if p.err == unix.EAGAIN {
		p.release()
		p.err = nil
		return false
	}
	p.n = max(p.n, 0)
	p.splice = p.n >= spliceFrom
	return true
}

// fillPipe is fill with a pipe. It is not done when a buffer must do.
func (p *pump) fillPipe(fd int) (done, waits bool) {
	p.pipe, p.piped = p.conn.r.pipes.get()
	if !p.piped {
		return false, false
	}
	n, err := ignoreEINTR(func() (int, error) { return splice(fd, p.pipe.w, spliceMost) })
	switch {
	case err == unix.EAGAIN:
		p.release()
		return true, true
	case err == unix.EINVAL: // not this kind of descriptor; nothing was taken
		p.release()
		p.never = true
		return false, false
	}
	p.n, p.err = max(n, 0), err
	p.splice = p.n >= spliceUntil
	return true, false
}

// drain hands to dst what fill took. It returns false to be called again when dst has room.
func (p *pump) drain(fd uintptr) bool {
	for p.n > 0 {
		var n int
		if p.piped {
			n, p.err = ignoreEINTR(func() (int, error) { return splice(p.pipe.r, int(fd), p.n) })
		} else {
			n, p.err = ignoreEINTR(func() (int, error) { return unix.Write(int(fd), p.buf[p.off:p.off+p.n]) })
		}
		if p.err == unix.EAGAIN {
			p.err = nil
			return false
		}
		if p.err != nil {
			return true
		}
		p.off += n
		p.n -= n
		p.moved()
		p.count(n)
		if p.piped {
			p.conn.r.stats.spliced.Add(uint64(n))
		}
	}
	return true
}

// release gives back the buffer or the pipe.
func (p *pump) release() {
	if p.piped {
		p.conn.r.pipes.put(p.pipe, p.n == 0)
		p.piped = false
	}
	if p.buf != nil {
		buffers.Put(p.buf)
		p.buf = nil
	}
}

func splice(from, to, most int) (int, error) {
	n, err := unix.Splice(from, nil, to, nil, most, spliceFlags)
	return int(n), err
}

func ignoreEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
