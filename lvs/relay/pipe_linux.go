package relay

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// pipeSize is what each pipe is asked to hold. The kernel gives an unprivileged user 64 MiB of them in all
	// (fs.pipe-user-pages-soft) and smaller ones from then on.
	pipeSize = 256 << 10

	// keepPipes is how many unused pipes a relay keeps open.
	keepPipes = 32
)

// A pipe is what splice(2) moves data through. It is never a goroutine's own for longer than data is in it.
type pipe struct{ r, w int }

// pipes are a relay's pipes: at most max at a time.
type pipes struct {
	max int

	mu     sync.Mutex // guards what follows
	free   []pipe
	open   int // in use and free
	closed bool
}

// get returns an empty pipe, or false when there are enough, or none to be had.
func (p *pipes) get() (pipe, bool) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		got := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return got, true
	}
	if p.open >= p.max {
		p.mu.Unlock()
		return pipe{}, false
	}
	p.open++
	p.mu.Unlock()

	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
		return pipe{}, false
	}
	unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize) // a smaller one works too
	return pipe{fds[0], fds[1]}, true
}

// put takes a pipe back. One that still holds data is closed, which throws the data away.
func (p *pipes) put(got pipe, empty bool) {
	p.mu.Lock()
	if empty && !p.closed && len(p.free) < keepPipes {
		p.free = append(p.free, got)
		p.mu.Unlock()
		return
	}
	p.open--
	p.mu.Unlock()
	got.close()
}

// close closes the unused pipes, and has those in use closed when they come back.
func (p *pipes) close() {
	p.mu.Lock()
	free := p.free
	p.free, p.closed = nil, true
	p.open -= len(free)
	p.mu.Unlock()
	for _, f := range free {
		f.close()
	}
}

// counts returns how many pipes are open and how many of those are unused.
func (p *pipes) counts() (open, free int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, len(p.free)
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}
