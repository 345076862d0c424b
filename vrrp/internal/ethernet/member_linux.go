package ethernet

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Member is one router on a port.
type Member struct {
	port *Port
	mac  MAC // virtual, or zero

	hold4, hold6 *Holder // nil: not announced; guarded by port.mu
	left         bool    // likewise

	calling sync.Mutex // guards closed, and is held during report
	closed  bool
	report  func(Conflict)
}

// Join adds a router that announces addresses of f at mac, or where that is zero
// at the MAC of the interface. report is called by goroutines of the port, never
// after Close has returned; it must not block, nor call the port.
func (p *Port) Join(mac MAC, f Families, report func(Conflict)) (*Member, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &Member{port: p, mac: mac, report: report}
	if f.IPv4 && p.watch4 == nil {
		conn, err := listenARP()
		if err != nil {
			return nil, openError("packet socket", err)
		}
		p.watch4 = p.lockedStart(conn)
	}
	if f.IPv6 && p.watch6 == nil {
		conn, err := listenNA()
		if err != nil {
			return nil, openError("ICMPv6 socket", err)
		}
		p.watch6 = p.lockedStart(conn)
	}
	if f.IPv4 {
		m.hold4 = p.watch4.conflicts.Add(mac, m.tell)
	}
	if f.IPv6 {
		m.hold6 = p.watch6.conflicts.Add(mac, m.tell)
	}
	return m, nil
}

// tell passes a conflict on, unless m is closed.
func (m *Member) tell(c Conflict) {
	m.calling.Lock()
	defer m.calling.Unlock()
	if !m.closed {
		m.report(c)
	}
}

// Close ends the membership. Idempotent.
func (m *Member) Close() {
	m.calling.Lock()
	m.closed = true
	m.calling.Unlock()
	p := m.port
	p.mu.Lock()
	defer p.mu.Unlock()
	m.left = true
	if m.hold4 != nil {
		p.watch4.conflicts.Remove(m.hold4)
	}
	if m.hold6 != nil {
		p.watch6.conflicts.Remove(m.hold6)
	}
}

// Announce sends one round of frames for addrs, which are all that the router
// holds, and at times asks who else has them. With no addresses it says that the
// router holds none any more. It does not wait. It tries every address, and
// returns the first error.
func (m *Member) Announce(addrs []netip.Addr) error {
	p := m.port
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.left {
		return net.ErrClosed
	}
	now := time.Now()
	ask4 := p.watch4.lockedAnnounce(now, m.hold4, addrs, netip.Addr.Is4)
	ask6 := p.watch6.lockedAnnounce(now, m.hold6, addrs, netip.Addr.Is6)
	if len(addrs) == 0 {
		return nil
	}
	was := p.index
	if err := p.lockedRefresh(); err != nil {
		return err
	}
	if p.index != was {
		p.watch4.lockedWake(now)
		p.watch6.lockedWake(now)
	}
	mac := m.mac
	if mac == (MAC{}) {
		mac = p.mac
	}
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	if err := p.raw.Control(func(fd uintptr) {
		for _, a := range addrs {
			note(p.lockedSend(int(fd), a, mac, ask4 && a.Is4() || ask6 && a.Is6()))
		}
	}); err != nil {
		return err
	}
	return first
}

// lockedSend sends the frames for one address; p.mu is held.
func (p *Port) lockedSend(fd int, addr netip.Addr, mac MAC, ask bool) error {
	var first error
	send := func(frame []byte) {
		p.frame = frame
		p.dst = unix.SockaddrLinklayer{Ifindex: p.index, Protocol: binary.NativeEndian.Uint16(frame[HeaderLen-2:])}
		if err := unix.Sendto(fd, frame, unix.MSG_DONTWAIT, &p.dst); err != nil && first == nil {
			first = fmt.Errorf("announcing %v on %q: %w", addr, p.config.Interface, os.NewSyscallError("sendto", err))
		}
	}
	// A probe comes from the interface's own MAC, where the answer finds us.
	if addr.Is4() {
		send(AppendGratuitousARP(p.frame[:0], mac, addr))
		if p.config.Replies {
			send(AppendGratuitousReply(p.frame[:0], mac, addr))
		}
		if ask {
			send(AppendARPProbe(p.frame[:0], p.mac, addr))
		}
	} else {
		send(AppendUnsolicitedNA(p.frame[:0], mac, addr, p.router))
		if ask {
			send(AppendNSProbe(p.frame[:0], p.mac, addr))
		}
	}
	return first
}
