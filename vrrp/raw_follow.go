package vrrp

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// reopen is the pause after a socket could not be opened.
const reopen = time.Second

var errDown = fmt.Errorf("the interface is down, or has no carrier: %w", syscall.ENETDOWN)

// refresh makes the socket and the routers follow the interface.
func (p *rawPort) refresh() {
	if p.retired {
		return
	}
	v := p.look()
	if p.socket != nil && v.link.Index != p.index {
		p.drop()
		v = p.look()
	}
	if p.socket == nil && v.link.Index != 0 && !p.opening {
		p.reopen(v.link.Index)
	}
	for _, l := range p.links {
		if l != nil {
			l.see(v)
		}
	}
}

// reopen has a goroutine that called Run open a socket for the interface that
// has come.
func (p *rawPort) reopen(index int) {
	p.opening = true
	errand := func() {
		s, err := p.open()
		if !p.place.engine.do(func() { p.adopt(s, index, err) }) && err == nil {
			_ = s.Close()
		}
	}
	for _, l := range p.links {
		if l != nil && l.s.unit.errand(errand) {
			return
		}
	}
	p.opening = false
	p.again()
}

// adopt takes the socket that was opened.
func (p *rawPort) adopt(s rawSocket, index int, err error) {
	p.opening = false
	switch {
	case err != nil:
		p.broken(err)
	case p.retired:
		_ = s.Close()
	default:
		p.counting.Lock()
		p.socket, p.index = s, index
		p.counting.Unlock()
		if err := errors.Join(p.use(), p.filter()); err != nil {
			p.drop()
			p.broken(err)
			return
		}
		p.failed = nil
		p.refresh()
	}
}

// broken tells that there is no socket, and tries again later.
func (p *rawPort) broken(err error) {
	told := p.failed != nil && p.failed.Error() == err.Error()
	p.failed = err
	p.again()
	v := p.look()
	for _, l := range p.links {
		if l == nil {
			continue
		}
		if !told {
			l.s.log.Warn("opening the socket", "err", err)
			told = true
		}
		l.see(v)
	}
}

func (p *rawPort) again() {
	e := p.place.engine
	e.set(&p.retry, e.now()+int64(reopen))
}

// drop closes the socket.
func (p *rawPort) drop() {
	s := p.socket
	if s == nil {
		return
	}
	if p.attached {
		p.place.engine.waiter.remove(p)
		p.attached = false
	}
	p.counting.Lock()
	p.lost += s.Overflows()
	p.socket, p.index = nil, 0
	p.counting.Unlock()
	_ = s.Close()
}
