package ethernet

import (
	"encoding/binary"
	"net/netip"
)

// Operations of ARP (RFC 826).
const (
	arpRequest = 1
	arpReply   = 2
)

// arpLen is the length of an ARP packet for IPv4 over Ethernet.
const arpLen = 28

// AppendGratuitousARP appends a broadcast frame that says addr is at mac, in the
// form of a request as keepalived sends it (RFC 5944 section 4.6, RFC 9568
// section 6.4.1). The source of the frame is mac too, so that bridges learn.
func AppendGratuitousARP(b []byte, mac MAC, addr netip.Addr) []byte {
	b = AppendHeader(b, Broadcast, mac, TypeARP)
	return appendARP(b, arpRequest, mac, addr, Broadcast, addr)
}

// AppendGratuitousReply appends the same as a reply, for neighbours that learn
// from replies only. Its target is the sender.
func AppendGratuitousReply(b []byte, mac MAC, addr netip.Addr) []byte {
	b = AppendHeader(b, Broadcast, mac, TypeARP)
	return appendARP(b, arpReply, mac, addr, mac, addr)
}

// AppendARPProbe appends a broadcast frame that asks, from mac, who has addr,
// and says nothing about the one who asks (RFC 5227 section 2.1.1).
func AppendARPProbe(b []byte, mac MAC, addr netip.Addr) []byte {
	b = AppendHeader(b, Broadcast, mac, TypeARP)
	return appendARP(b, arpRequest, mac, netip.IPv4Unspecified(), MAC{}, addr)
}

func appendARP(b []byte, op uint16, senderMAC MAC, sender netip.Addr, targetMAC MAC, target netip.Addr) []byte {
	b = append(b, 0, 1, 0x08, 0x00, 6, 4) // Ethernet, IPv4, and the lengths of their addresses
	b = binary.BigEndian.AppendUint16(b, op)
	from, to := sender.As4(), target.As4()
	b = append(b, senderMAC[:]...)
	b = append(b, from[:]...)
	b = append(b, targetMAC[:]...)
	return append(b, to[:]...)
}

// ParseARP reads an ARP packet for IPv4 over Ethernet, after the Ethernet
// header: who says that it has which address. A probe says nothing.
func ParseARP(b []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(b) < arpLen || [6]byte(b) != [6]byte{0, 1, 0x08, 0x00, 6, 4} {
		return addr, mac, false
	}
	op := binary.BigEndian.Uint16(b[6:])
	addr = netip.AddrFrom4([4]byte(b[14:]))
	return addr, MAC(b[8:]), (op == arpRequest || op == arpReply) && !addr.IsUnspecified()
}
