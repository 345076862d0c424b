package vrrp

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
)

// rawPort is a socket of one family on one engine, and the routers that it
// receives for. It follows the interface.
type rawPort struct {
	raw     *Raw
	place   rawPlace
	watcher rawWatcher
	users   int // guarded by Raw.mu

	poked atomic.Bool // the engine is to look

	counting sync.Mutex // guards lost, and socket against those who count
	lost     uint64     // of sockets that are closed

	// What follows belongs to the engine's goroutine, once a link is attached.
	socket    rawSocket // nil while the interface is missing
	index     int       // of the interface that socket is bound to
	attached  bool      // socket is a source of the engine
	narrowing bool      // the filter is about to change
	opening   bool      // a socket is being opened
	retired   bool
	failed    error // the last attempt to open a socket
	retry     alarm
	links     [256]*rawLink
	batch     [64]rawip.Datagram
	out       []rawip.Datagram
}

func newRawPort(r *Raw, place rawPlace, w rawWatcher) *rawPort {
	p := &rawPort{raw: r, place: place, watcher: w}
	p.retry.owner = p
	return p
}

// first opens the socket in the goroutine of Run.
func (p *rawPort) first() error {
	link, ok := p.watcher.State().Link(p.raw.iface)
	if !ok {
		return nil // it is allowed to be missing
	}
	s, err := p.open()
	switch {
	case err == nil:
		p.socket, p.index = s, link.Index
	case errors.Is(err, syscall.ENODEV): // it has just gone
	default:
		return err
	}
	return nil
}

func (p *rawPort) open() (rawSocket, error) {
	family := p.place.family
	return p.raw.net.open(rawip.Config{
		Interface: p.raw.iface, Family: int(family), Group: p.raw.config.groups[family][0].Addr(), AH: family == IPv4,
	})
}

// attach begins to deliver to a link.
func (p *rawPort) attach(l *rawLink) error {
	p.links[l.key.vrid] = l
	// The filter opens before the router is a Backup: one that waits for silence
	// must not be deaf.
	if err := errors.Join(p.use(), p.filter()); err != nil {
		return err
	}
	v := p.look()
	l.running, l.parentMAC = v.link.Running, v.mac()
	l.see(v)
	if p.socket == nil {
		p.refresh()
	}
	return nil
}

// detach ends that.
func (p *rawPort) detach(l *rawLink) {
	if p.links[l.key.vrid] == l {
		p.links[l.key.vrid] = nil
		p.narrow()
	}
}

// use makes the socket a source of the engine.
func (p *rawPort) use() error {
	if p.socket == nil || p.attached {
		return nil
	}
	if err := p.place.engine.waiter.add(p, p.socket.FD(), p.ready); err != nil {
		return err
	}
	p.attached = true
	return nil
}

// narrow lets in only what is for the links, once for all that go together.
func (p *rawPort) narrow() {
	if p.narrowing {
		return
	}
	p.narrowing = p.place.engine.do(func() {
		p.narrowing = false
		if err := p.filter(); err != nil {
			p.drop()
			p.broken(err)
		}
	})
}

// ready is for sockets without descriptor.
func (p *rawPort) ready() <-chan struct{} {
	if r, ok := p.socket.(interface{ Ready() <-chan struct{} }); ok {
		return r.Ready()
	}
	return nil
}

func (p *rawPort) filter() error {
	if p.socket == nil {
		return nil
	}
	var vrids [4]uint64
	for v, l := range p.links {
		if l != nil {
			vrids[v/64] |= 1 << (v % 64)
		}
	}
	return p.socket.SetVRIDs(vrids)
}

// drain delivers what has been received; see source.
func (p *rawPort) drain() (more bool) {
	for range budget / len(p.batch) {
		s := p.socket
		if s == nil {
			return false
		}
		n, err := s.Receive(p.batch[:])
		if err != nil {
			p.drop()
			p.broken(err)
			return false
		}
		for i := range p.batch[:n] {
			p.deliver(&p.batch[i])
		}
		if n < len(p.batch) {
			return false
		}
	}
	return true
}

func (p *rawPort) deliver(d *rawip.Datagram) {
	if len(d.Data) < 2 {
		return // the filter lets no such packet in
	}
	if l := p.links[d.Data[1]]; l != nil {
		l.s.receive(&Packet{
			Data: d.Data, TTL: max(1, d.TTL), AH: d.AH, // 0 would say that it is not known
			From: netip.AddrPortFrom(d.Src, 0), To: netip.AddrPortFrom(d.Dst, 0),
		})
	}
}

// poke has the engine look at the interface soon. Any goroutine may call it.
func (p *rawPort) poke() {
	if p != nil && !p.poked.Swap(true) {
		p.place.engine.do(func() {
			p.poked.Store(false)
			p.refresh()
		})
	}
}

// honour looks again after a failure.
func (p *rawPort) honour(instant) { p.refresh() }

// overflows counts what the kernel could not keep. Any goroutine may call it.
func (p *rawPort) overflows() uint64 {
	p.counting.Lock()
	defer p.counting.Unlock()
	if p.socket == nil {
		return p.lost
	}
	return p.lost + p.socket.Overflows()
}

// retire closes the port, in the goroutine of Run: on its engine, or when that
// has ended.
func (p *rawPort) retire() error {
	e := p.place.engine
	end := func() {
		p.retired = true
		e.set(&p.retry, never)
		p.drop()
	}
	if !e.shared || !e.call(end) {
		p.attached = false // the engine has let go of everything
		end()
	}
	return nil
}
