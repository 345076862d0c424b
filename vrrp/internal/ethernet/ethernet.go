// Package ethernet builds and reads the frames that tell neighbours where an
// address is, gratuitous ARP and unsolicited neighbour advertisements, and
// sends them on one interface while it listens for other hosts that hold the
// same addresses (Linux).
//
// Frames, filters and the judgement of what is a conflict are pure; [Port] is
// the edge. A Port has one AF_PACKET socket that sends, and for each family one
// socket with a goroutine that listens: AF_PACKET for ARP alone, and ICMPv6 for
// neighbour advertisements alone, so that no other traffic passes a filter of
// ours.
package ethernet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// MAC is a 48-bit address. It is comparable.
type MAC [6]byte

// String writes six bytes in hexadecimal, joined by colons.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Broadcast is every host of a network.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// GroupMAC returns where a multicast packet is sent (RFC 1112 section 6.4,
// RFC 2464 section 7).
func GroupMAC(group netip.Addr) MAC {
	if group.Is4() {
		a := group.As4()
		return MAC{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
	}
	a := group.As16()
	return MAC{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// Values of EtherType.
const (
	TypeIPv4 = 0x0800
	TypeARP  = 0x0806
	TypeIPv6 = 0x86dd
)

// HeaderLen is the length of an Ethernet header without a VLAN tag.
const HeaderLen = 14

// AppendHeader appends an Ethernet header.
func AppendHeader(b []byte, dst, src MAC, etherType uint16) []byte {
	b = append(b, dst[:]...)
	b = append(b, src[:]...)
	return binary.BigEndian.AppendUint16(b, etherType)
}

// IP is what the two header formats have in common.
type IP struct {
	Src, Dst netip.Addr // of one family
	Protocol uint8      // or next header
	Class    uint8      // TOS or traffic class
	ID       uint16     // IPv4
	Payload  int        // bytes that follow
}

// hops is the TTL or hop limit of all that is sent here: receivers take nothing
// that a router has forwarded.
const hops = 255

// AppendTo appends the header, of IPv4 without options, or of IPv6. Fragments
// are allowed, as they are in what keepalived sends.
func (h IP) AppendTo(b []byte) []byte {
	if !h.Src.Is4() {
		b = append(b, 0x60|h.Class>>4, h.Class<<4, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(h.Payload))
		b = append(b, h.Protocol, hops)
		src, dst := h.Src.As16(), h.Dst.As16()
		b = append(b, src[:]...)
		return append(b, dst[:]...)
	}
	start := len(b)
	b = append(b, 0x45, h.Class)
	b = binary.BigEndian.AppendUint16(b, uint16(20+h.Payload))
	b = binary.BigEndian.AppendUint16(b, h.ID)
	b = append(b, 0, 0, hops, h.Protocol, 0, 0)
	src, dst := h.Src.As4(), h.Dst.As4()
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	binary.BigEndian.PutUint16(b[start+10:], ^fold(sum(0, b[start:])))
	return b
}

// sum adds up 16-bit words (RFC 1071). A last odd byte is the upper half of one.
func sum(acc uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		acc += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		acc += uint32(b[0]) << 8
	}
	return acc
}

// fold makes a one's complement sum of 16 bits.
func fold(acc uint32) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}
