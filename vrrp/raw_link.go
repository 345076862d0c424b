package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
)

// rawLink is the link of one router on a [Raw]. It lives on the engine of its
// session: its port hands over what is received.
type rawLink struct {
	raw    *Raw
	key    rawKey
	mac    [6]byte // to send from; all zero: that of the interface
	claim  any
	s      *session
	port   *rawPort
	source netip.Addr // of WithUnicast, or invalid

	overflows uint64 // of the port, when the link began

	// What follows belongs to the engine's goroutine, once it is attached.
	peers      []netip.AddrPort // none: the group
	local      netip.AddrPort   // invalid without a source
	down       bool             // what the router was told
	sourceless bool             // likewise
	running    bool             // the interface was
	parentMAC  [6]byte          // of the interface

	closed atomic.Bool
}

var (
	_ hosted     = (*rawLink)(nil)
	_ peerSetter = (*rawLink)(nil)
	_ vipKeeper  = (*rawLink)(nil)
)

func newRawLink(r *Raw, key rawKey, vr VirtualRouter, claim any) *rawLink {
	l := &rawLink{raw: r, key: key, claim: claim, source: vr.Source.WithZone("")}
	if vr.VirtualMAC && !r.config.fromParent {
		l.mac = [6]byte(vr.MAC())
	}
	l.SetPeers(vr.Peers)
	return l
}

func (l *rawLink) Local() netip.AddrPort { return l.local }

func (l *rawLink) Peers() []netip.AddrPort {
	if len(l.peers) > 0 {
		return l.peers
	}
	return l.raw.config.groups[l.key.family]
}

// SetPeers changes the unicast peers.
func (l *rawLink) SetPeers(peers []Peer) {
	l.peers = nil
	for _, p := range peers {
		l.peers = append(l.peers, netip.AddrPortFrom(p.Addr, 0))
	}
}

// setVIPs tells which addresses never to send from.
func (l *rawLink) setVIPs(vips []netip.Prefix) {
	l.avoid(vips)
	l.port.poke()
}

// avoid keeps all links of the interface from sending from addresses that move.
// Those of an owner do not.
func (l *rawLink) avoid(vips []netip.Prefix) {
	if l.s.owner {
		vips = nil
	}
	l.raw.vips.set(l, slices.Clip(vips))
}

// host opens the port, in the goroutine of Run, if the engine has none yet.
func (l *rawLink) host(s *session, vips []netip.Prefix) error {
	r := l.raw
	r.mu.Lock()
	defer r.mu.Unlock()
	place := rawPlace{s.engine, l.key.family}
	p := r.ports[place]
	if p == nil {
		p = newRawPort(r, place, r.watcher)
		if err := p.first(); err != nil {
			return err
		}
		r.ports[place] = p
	}
	p.users++
	l.s, l.port, l.overflows = s, p, p.overflows()
	l.avoid(vips)
	s.log = s.log.With("iface", r.iface)
	l.local = identity(netip.AddrPortFrom(p.glance().source(l), 0))
	return nil
}

// attach begins to receive.
func (l *rawLink) attach() error { return l.port.attach(l) }

// detach ends that.
func (l *rawLink) detach() { l.port.detach(l) }

// see tells the router what has changed of the interface. When both go, the
// link goes first: without it not even a resignation can be sent. When both
// come, it comes last.
func (l *rawLink) see(v *rawView) {
	tell := l.s.tell
	if v.down && !l.down {
		l.down = true
		tell(event{kind: evFault, fault: faultLink}, v.why)
	}
	source := v.source(l)
	if at := netip.AddrPortFrom(source, 0); source.IsValid() && at != l.local {
		l.local = at
		l.s.identify(at)
	}
	switch {
	case !source.IsValid() && !l.sourceless:
		l.sourceless = true
		tell(event{kind: evFault, fault: faultSource}, errNoSource)
	case source.IsValid() && l.sourceless:
		l.sourceless = false
		tell(event{kind: evClear, fault: faultSource}, nil)
	}
	again := v.link.Running && !l.running || v.link.Running && v.mac() != l.parentMAC
	l.running, l.parentMAC = v.link.Running, v.mac()
	switch {
	case !v.down && l.down:
		l.down = false
		tell(event{kind: evClear, fault: faultLink}, nil)
	case again:
		tell(event{kind: evNeighbors}, nil)
	}
}

var (
	errNoSource = errors.New("no address to send from")
	errNoSocket = errors.New("the interface is missing")
	errAlone    = errors.New("a link of RawTransport is for a Router only")
)

// Send sends every packet, from the engine's goroutine.
func (l *rawLink) Send(packets []Packet) error {
	if l.port == nil || l.port.socket == nil {
		return fmt.Errorf("interface %q: %w", l.raw.iface, errNoSocket)
	}
	p := l.port
	p.out = p.out[:0]
	for i := range packets {
		d := rawip.Datagram{Data: packets[i].Data, Src: l.local.Addr(), Dst: packets[i].To.Addr().WithZone("")}
		if l.mac != [6]byte{} && d.Dst.IsMulticast() {
			d.MAC = l.mac[:]
		}
		p.out = append(p.out, d)
	}
	return p.socket.Send(p.out)
}

// Receive has nothing to say: the port delivers.
func (l *rawLink) Receive([]Packet) (int, error) {
	if l.port == nil {
		return 0, errAlone
	}
	return 0, nil
}

// Ready never has a value.
func (l *rawLink) Ready() <-chan struct{} { return nil }

// Dropped counts what never reached the router; see [Link].
func (l *rawLink) Dropped(d DropReason) uint64 {
	if d != DropOverflow || l.port == nil {
		return 0
	}
	return l.port.overflows() - l.overflows
}

// Close leaves, and closes the port with the last router on its engine.
// Idempotent.
func (l *rawLink) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	r := l.raw
	r.vips.set(l, nil)
	claims.release(l.claim)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, l.key)
	p := l.port
	if p == nil {
		return r.lockedRest()
	}
	if p.users--; p.users > 0 {
		p.poke() // an address less to avoid
		return r.lockedRest()
	}
	delete(r.ports, p.place)
	r.mu.Unlock()
	err := p.retire()
	r.mu.Lock()
	return errors.Join(err, r.lockedRest())
}
