package vrrp

import (
	"encoding/binary"
	"net/netip"
)

// Checksum is one of the two forms of the checksum of VRRPv3 over IPv4. RFC
// 5798 could be read either way: keepalived and FRR include a pseudo-header,
// others and RFC 9568 do not. Over IPv6 there is always one.
type Checksum uint8

const (
	PseudoHeader Checksum = iota // source, destination, protocol 112, length, and the message
	MessageOnly                  // the message
)

// String returns "pseudo-header" or "message-only".
func (c Checksum) String() string {
	return name([]string{PseudoHeader: "pseudo-header", MessageOnly: "message-only"}, uint8(c), "Checksum")
}

// sum16 adds the 16-bit words of b to acc, not yet folded. The last byte of an
// odd number counts as the high half of a word (RFC 1071).
func sum16(acc uint64, b []byte) uint64 {
	for len(b) >= 4 {
		acc += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		acc += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		acc += uint64(b[0]) << 8
	}
	return acc
}

// fold makes a 16-bit one's complement sum of acc.
func fold(acc uint64) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc)
}

// pseudoSum is the sum of the pseudo-header: RFC 8200 section 8.1 for IPv6, and
// its likeness of RFC 768 for IPv4.
func pseudoSum(f Family, src, dst netip.Addr, length int) uint64 {
	acc := uint64(protocol) + uint64(length)
	if f == IPv4 {
		s, d := src.As4(), dst.As4()
		return sum16(sum16(acc, s[:]), d[:])
	}
	s, d := src.As16(), dst.As16()
	return sum16(sum16(acc, s[:]), d[:])
}
