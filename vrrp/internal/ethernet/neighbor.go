package ethernet

import (
	"encoding/binary"
	"net/netip"
)

// Figures of neighbour discovery (RFC 4861).
const (
	icmpv6       = 58 // next header
	typeNS       = 135
	typeNA       = 136
	flagRouter   = 0x80
	flagOverride = 0x20
	optTargetMAC = 2 // target link-layer address
	neighborLen  = 24
	targetAt     = 8 // where the target is in the ICMPv6 message
	optionUnit   = 8 // options are as long as a multiple of it
	linkLayerOpt = 8 // length of the option for Ethernet
)

var allNodes = netip.IPv6LinkLocalAllNodes() // ff02::1

// AppendUnsolicitedNA appends a frame to all nodes that says addr is at mac, and
// that caches must believe it: the source is addr itself, the override flag is
// set, and the router flag where router says so (RFC 4861 section 4.4, RFC 9568
// section 6.4.1).
func AppendUnsolicitedNA(b []byte, mac MAC, addr netip.Addr, router bool) []byte {
	b = AppendHeader(b, GroupMAC(allNodes), mac, TypeIPv6)
	b = IP{Src: addr, Dst: allNodes, Protocol: icmpv6, Payload: neighborLen + linkLayerOpt}.AppendTo(b)
	flags := byte(flagOverride)
	if router {
		flags |= flagRouter
	}
	start := len(b)
	b = appendNeighbor(b, typeNA, flags, addr)
	b = append(b, optTargetMAC, linkLayerOpt/optionUnit)
	b = append(b, mac[:]...)
	return finishICMPv6(b, start, addr, allNodes)
}

// AppendNSProbe appends a frame that asks, from mac, who has addr, with no
// source address, as in duplicate address detection (RFC 4862 section 5.4.2):
// the answer goes to all nodes.
func AppendNSProbe(b []byte, mac MAC, addr netip.Addr) []byte {
	group := solicitedNode(addr)
	b = AppendHeader(b, GroupMAC(group), mac, TypeIPv6)
	src := netip.IPv6Unspecified()
	b = IP{Src: src, Dst: group, Protocol: icmpv6, Payload: neighborLen}.AppendTo(b)
	start := len(b)
	b = appendNeighbor(b, typeNS, 0, addr)
	return finishICMPv6(b, start, src, group)
}

// solicitedNode is the group of the neighbours whose addresses end like addr
// (RFC 4291 section 2.7.1).
func solicitedNode(addr netip.Addr) netip.Addr {
	a := addr.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
}

// appendNeighbor appends an NS or NA without options and checksum.
func appendNeighbor(b []byte, kind, flags byte, target netip.Addr) []byte {
	t := target.As16()
	b = append(b, kind, 0, 0, 0, flags, 0, 0, 0)
	return append(b, t[:]...)
}

// finishICMPv6 sets the checksum of the message at start (RFC 4443 section 2.3).
func finishICMPv6(b []byte, start int, src, dst netip.Addr) []byte {
	m := b[start:]
	from, to := src.As16(), dst.As16()
	acc := sum(sum(sum(icmpv6+uint32(len(m)), from[:]), to[:]), m)
	binary.BigEndian.PutUint16(m[2:], ^fold(acc))
	return b
}

// ParseNA reads the ICMPv6 message of a neighbour advertisement, whose checksum
// the kernel has verified: who says that it has which address. mac is zero where
// the message does not tell (RFC 4861 section 4.4 lets an answer leave it out).
func ParseNA(b []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(b) < neighborLen || b[0] != typeNA || b[1] != 0 {
		return addr, mac, false
	}
	addr = netip.AddrFrom16([16]byte(b[targetAt:]))
	for opt := b[neighborLen:]; len(opt) > 0; {
		if len(opt) < 2 || opt[1] == 0 || len(opt) < int(opt[1])*optionUnit {
			return addr, mac, false // RFC 4861 section 7.1.2
		}
		if opt[0] == optTargetMAC && opt[1] == linkLayerOpt/optionUnit {
			mac = MAC(opt[2:])
		}
		opt = opt[int(opt[1])*optionUnit:]
	}
	return addr, mac, !addr.IsMulticast()
}
