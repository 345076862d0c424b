package rawip

import (
	"encoding/binary"
	"net/netip"
)

// ParsePacket reads an IP packet that carries a VRRP message, perhaps behind an
// authentication header. Data of the result is a part of b. It is not ok where
// the headers make no sense, or say that this is something else. What comes after
// the packet, to fill a frame, is cut off; a packet that is cut short has what is
// left of its message.
func ParsePacket(b []byte) (d Datagram, ok bool) {
	if len(b) == 0 {
		return d, false
	}
	switch b[0] >> 4 {
	case 4:
		return parse4(b)
	case 6:
		return parse6(b)
	}
	return d, false
}

// parse4 is ParsePacket for IPv4.
func parse4(b []byte) (d Datagram, ok bool) {
	if len(b) < 20 {
		return d, false
	}
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	total = min(total, len(b))
	if header < 20 || total < header {
		return d, false
	}
	d = Datagram{
		Data: b[header:total], TTL: b[8],
		Src: netip.AddrFrom4([4]byte(b[12:])), Dst: netip.AddrFrom4([4]byte(b[16:])),
	}
	return d, d.strip(b[9])
}

// parse6 is ParsePacket for IPv6. An extension header other than that of
// authentication is not expected.
func parse6(b []byte) (d Datagram, ok bool) {
	const header = 40
	if len(b) < header {
		return d, false
	}
	total := min(header+int(binary.BigEndian.Uint16(b[4:])), len(b))
	d = Datagram{
		Data: b[header:total], TTL: b[7],
		Src: netip.AddrFrom16([16]byte(b[8:])), Dst: netip.AddrFrom16([16]byte(b[24:])),
	}
	return d, d.strip(b[6])
}

// strip takes an authentication header off (RFC 4302 section 2). It reports
// whether Data is a VRRP message then.
func (d *Datagram) strip(protocol uint8) bool {
	if protocol == protoVRRP {
		return true
	}
	if protocol != protoAH || len(d.Data) < minAH || d.Data[0] != protoVRRP {
		return false
	}
	n := (int(d.Data[1]) + 2) * 4
	if n < minAH || n > len(d.Data) {
		return false
	}
	d.Data, d.AH = d.Data[n:], true
	return true
}
