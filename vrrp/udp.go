package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// UDP is a [Transport] for programs without privilege: advertisements travel
// to a list of peers in UDP datagrams, each with an HMAC trailer. Both ends must
// be this package. It carries one router at a time.
type UDP struct {
	key   HMACKey
	local netip.AddrPort
	peers []netip.AddrPort
}

var _ Transport = (*UDP)(nil)

// UDPTransport returns a transport that sends from local to peers, and hears
// peers only. local is an address of this host and a port, both given: together
// they are the speaker's identity, and of two speakers with one priority the
// higher wins. peers are the identities of the others, at least one, each of
// the family of local. key signs every advert and is the same on all speakers.
//
// The pseudo-header of the checksum contains the addresses of the datagram, and
// the HMAC its source and port, so no address translation may lie between speakers. Their clocks
// may differ by three advertisement intervals, or 5 s if that is more. [WithHMAC]
// replaces key, to change it without a gap.
//
// Nothing is opened before [Router.Run]. An address in use, one that is not
// local, and the like are its errors.
func UDPTransport(local netip.AddrPort, key HMACKey, peers ...netip.AddrPort) (*UDP, error) {
	var errs []error
	if err := checkEndpoint("local", local); err != nil {
		errs = append(errs, err)
	}
	if key.id == 0 {
		errs = append(errs, errors.New("vrrp: UDP transport without an HMAC key: anybody could take the addresses"))
	}
	if len(peers) == 0 {
		errs = append(errs, errors.New("vrrp: UDP transport without peers"))
	}
	seen := map[netip.AddrPort]bool{identity(local): true}
	for _, p := range peers {
		switch err := checkEndpoint("peer", p); {
		case err != nil:
			errs = append(errs, err)
		case p.Addr().Unmap().Is4() != local.Addr().Unmap().Is4():
			errs = append(errs, fmt.Errorf("vrrp: UDP peer %v is not of the family of %v", p, local))
		case seen[identity(p)]:
			errs = append(errs, fmt.Errorf("vrrp: UDP peer %v is listed twice, or is the local address", p))
		}
		seen[identity(p)] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	u := &UDP{key: key, local: unmap(local)}
	for _, p := range peers {
		u.peers = append(u.peers, unmap(p))
	}
	return u, nil
}

// checkEndpoint refuses what cannot name one speaker.
func checkEndpoint(what string, a netip.AddrPort) error {
	switch ip := a.Addr(); {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip == broadcast4:
		return fmt.Errorf("vrrp: UDP %s address %v is not the address of one host", what, a)
	case a.Port() == 0:
		return fmt.Errorf("vrrp: UDP %s address %v has no port", what, a)
	}
	return nil
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// unmap undoes the IPv6 form of an IPv4 address.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// identity is unmap without the zone, which is this host's own matter.
func identity(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// hmacKey tells the router what to sign with.
func (u *UDP) hmacKey() HMACKey { return u.key }

// family tells the router what it can carry.
func (u *UDP) family() Family { return familyOf(u.local.Addr()) }

// descriptors tells that the kernel can wait for its links.
func (u *UDP) descriptors() bool { return hasPollWaiter }

// Open binds the socket; see [Transport]. Its errors are those of package net.
func (u *UDP) Open(ctx context.Context, vr VirtualRouter) (Link, error) {
	if vr.Family != 0 && vr.Family != u.family() {
		return nil, fmt.Errorf("the UDP transport at %v carries no %v virtual router", u.local, vr.Family)
	}
	network := "udp4"
	if u.family() == IPv6 {
		network = "udp6"
	}
	var config net.ListenConfig
	conn, err := config.ListenPacket(ctx, network, u.local.String())
	if err != nil {
		return nil, err
	}
	return openUDP(u, conn.(*net.UDPConn))
}

// udpLink is an open UDP.
type udpLink struct {
	*inbox
	udp   *UDP
	conn  *net.UDPConn
	local netip.AddrPort
	known []netip.AddrPort // identities of the peers

	reader  udpReader
	running sync.WaitGroup
	done    chan struct{} // closed: Close was called
	closing sync.Once
	dropped [dropReasons]atomic.Uint64
}

func newUDPLink(u *UDP, conn *net.UDPConn) *udpLink {
	l := &udpLink{inbox: newInbox(), udp: u, conn: conn, local: identity(u.local), done: make(chan struct{})}
	for _, p := range u.peers {
		l.known = append(l.known, identity(p))
	}
	return l
}

func (l *udpLink) Local() netip.AddrPort   { return l.local }
func (l *udpLink) Peers() []netip.AddrPort { return l.udp.peers }

// errFull: the network does not take what was sent before.
var errFull = fmt.Errorf("the send buffer is full: %w", syscall.ENOBUFS)

// Send tries every packet: a peer that is down, or a route that is missing,
// must not keep the others from hearing us. Package net would wait for room, and
// the router with it.
func (l *udpLink) Send(packets []Packet) error {
	var errs []error
	for i := range packets {
		if !l.writable() {
			return errors.Join(append(errs, errFull)...)
		}
		if _, err := l.conn.WriteToUDPAddrPort(packets[i].Data, packets[i].To); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// admit puts a datagram in the inbox if it comes from a peer. It reports
// whether there was room.
func (l *udpLink) admit(data []byte, from netip.AddrPort) bool {
	from = identity(from)
	switch {
	case from == l.local:
		l.dropped[DropSelf].Add(1)
	case !slices.Contains(l.known, from):
		l.dropped[DropPeer].Add(1)
	default:
		return l.put(data, from, l.local)
	}
	return true
}

// Dropped counts what never reached the router; see [Link].
func (l *udpLink) Dropped(d DropReason) uint64 {
	if d == DropOverflow {
		l.countOverflow()
	}
	return l.dropped[d].Load()
}

// Close closes the socket and waits for the reader. Idempotent.
func (l *udpLink) Close() error {
	err := net.ErrClosed
	l.closing.Do(func() {
		l.countOverflow()
		close(l.done)
		err = l.conn.Close()
	})
	l.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
