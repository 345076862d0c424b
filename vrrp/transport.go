package vrrp

import (
	"context"
	"net"
	"net/netip"
)

// Transport carries advertisements between the speakers of a virtual router.
// [UDPTransport] makes one; a program may bring its own.
type Transport interface {
	// Open joins one virtual router. [Router.Run] calls it in its own
	// goroutine, before it starts others, and closes the link before it returns.
	// Open may be called again after that.
	Open(ctx context.Context, vr VirtualRouter) (Link, error)
}

// VirtualRouter names a virtual router on its network.
type VirtualRouter struct {
	VRID    uint8  // 1..255
	Family  Family // 0: that of the transport
	Version int    // 2 or 3

	// Source is where adverts come from, of WithUnicast; invalid: the transport
	// chooses. Peers are its speakers; none: multicast, or those of the transport.
	Source netip.Addr
	Peers  []Peer

	Owner      bool // its priority is 255: the addresses are the host's own
	VirtualMAC bool // of WithVirtualMAC; see MAC
	Dynamic    bool // of WithDynamicInterface: the interface may not exist yet

	tag uint8 // how the addresses are marked that its Netlink installs; 0: not at all
}

// MAC returns the virtual MAC of the router (RFC 9568 section 7.3).
func (vr VirtualRouter) MAC() net.HardwareAddr {
	block := byte(1)
	if vr.Family == IPv6 {
		block = 2
	}
	return net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, block, vr.VRID}
}

// Peer is a speaker that is reached by unicast, for [WithUnicast].
type Peer struct {
	Addr netip.Addr

	// MinTTL and MaxTTL are what the TTL or hop limit of its adverts must be
	// between. Default: 255 and 255 where both are 0, so that nobody from
	// another network can speak for it; a MaxTTL of 0 beside a MinTTL is 255.
	// keepalived sends IPv6 unicast with the system's hop limit, mostly 64.
	MinTTL, MaxTTL uint8
}

// Link is an open transport. The router calls its methods from one goroutine.
// They must not call the router.
//
// A link that refuses packets itself should count them, and have a method
// Dropped(DropReason) uint64 that tells how many; any goroutine may call it,
// also after Close, and [Router.Snapshot] adds what it returns. A link to the
// peers of [WithUnicast] should have a method SetPeers([]Peer), for
// [Router.Update]: Peers returns others from then on.
type Link interface {
	// Local is this speaker's identity, which breaks ties between equal
	// priorities: its address, and port 0 where the carrier has no ports. It
	// is never unspecified, and does not change.
	Local() netip.AddrPort

	// Peers lists where an advert goes: the unicast peers, or one group. It
	// does not change, and the router does not modify it.
	Peers() []netip.AddrPort

	// Send sends every packet to its To, and returns an error for those that
	// could not be sent. It does not wait, and keeps no reference to packets.
	Send(packets []Packet) error

	// Receive takes packets that have arrived, and never waits: it returns 0
	// when there is none. It exchanges the Data of each packet it fills, and
	// owns the slice that was there before. An error means that nothing will
	// ever arrive again. What arrived before the call must be found by it, also
	// when Ready has not said so yet: the router calls Receive before it
	// believes that a speaker was silent.
	Receive(packets []Packet) (int, error)

	// Ready has a value when Receive may find something. Its capacity is 1,
	// and it is never closed.
	Ready() <-chan struct{}

	// Close ends the link, and returns when its goroutines have ended.
	Close() error
}

// Packet is a VRRP message with its envelope.
type Packet struct {
	Data []byte         // from the version on, with the HMAC trailer
	From netip.AddrPort // the sender's identity
	To   netip.AddrPort // where it was sent
	TTL  uint8          // as received, hop limit for IPv6; 0: the carrier hides it
	AH   bool           // received behind an IP authentication header, which is not in Data
}
