package vrrp

import (
	"encoding/binary"
	"net/netip"
)

// Checksum is a form of the checksum of version 3 over IPv4. RFC 5798 could be
// read either way: keepalived and FRR include a pseudo-header, others and RFC
// 9568 do not. Version 2, and version 3 over IPv6, have one form each.
type Checksum uint8

const (
	ChecksumAuto      Checksum = iota // to send: the form heard last from another speaker, PseudoHeader until then
	PseudoHeader                      // source, destination, protocol 112, length, and the message
	MessageOnly                       // the message (RFC 9568)
	GroupPseudoHeader                 // as PseudoHeader, with the destination 224.0.0.18 in unicast too: keepalived up to 1.3.6 (old_unicast_checksum)
	checksums
)

var checksumNames = [checksums]string{
	ChecksumAuto: "auto", PseudoHeader: "pseudo-header", MessageOnly: "message-only", GroupPseudoHeader: "group-pseudo-header",
}

// String returns "auto", "pseudo-header", "message-only" or "group-pseudo-header".
func (c Checksum) String() string { return name(checksumNames[:], uint8(c), "Checksum") }

// MarshalText returns [Checksum.String].
func (c Checksum) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// group4 is where multicast adverts go.
var group4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})

// checksumOf returns the form in which the checksum of message b is right, or
// false for none. Where there is one form only, it is ChecksumAuto.
func checksumOf(b []byte, f Family, src, dst netip.Addr) (Checksum, bool) {
	own := sum16(0, b)
	switch {
	case b[0]>>4 == version2:
		return ChecksumAuto, fold(own) == 0xffff
	case f == IPv6:
		return ChecksumAuto, fold(own+pseudoSum(f, src, dst, len(b))) == 0xffff
	case fold(own+pseudoSum(f, src, dst, len(b))) == 0xffff:
		return PseudoHeader, true
	case fold(own) == 0xffff:
		return MessageOnly, true
	case !dst.IsMulticast() && fold(own+pseudoSum(f, src, group4, len(b))) == 0xffff:
		return GroupPseudoHeader, true
	}
	return 0, false
}

// checksum computes the field of message b, which is zero in it.
func (c Checksum) checksum(b []byte, f Family, src, dst netip.Addr) uint16 {
	acc := sum16(0, b)
	switch {
	case b[0]>>4 == version2 || f == IPv4 && c == MessageOnly:
	case f == IPv4 && c == GroupPseudoHeader:
		acc += pseudoSum(f, src, group4, len(b))
	default:
		acc += pseudoSum(f, src, dst, len(b))
	}
	return ^fold(acc)
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
