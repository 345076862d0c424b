package vrrp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Figures of RFC 9568 section 5.
const (
	protocol   = 112 // IP protocol number
	version2   = 2
	version3   = 3
	typeAdvert = 1
	headerLen  = 8
	maxAddrs   = 255 // what the count of 8 bits can say
)

// The interval travels as 12 bits of centiseconds.
const (
	centisecond = 10 * time.Millisecond
	minInterval = centisecond
	maxInterval = 4095 * centisecond
)

// Advert is a VRRPv3 advertisement (RFC 9568 section 5.2).
type Advert struct {
	VRID     uint8         // 1..255
	Priority uint8         // 255 owner, 1..254 others, 0 resigning
	Interval time.Duration // Max Advertise Interval: 10 ms to 40.95 s, whole centiseconds
	Addrs    []netip.Addr  // virtual addresses, in the order sent
	Checksum Checksum      // the form that was right, or is to be sent
}

// Parse reads b, the VRRP message of one packet with nothing after it, which
// travelled from src to dst. The family of src decides how the addresses are
// read; dst must be of the same, and IPv4 addresses not mapped into IPv6.
// Parse reuses a.Addrs and keeps no reference to b. The error is a [DropReason],
// and a is undefined then.
func (a *Advert) Parse(b []byte, src, dst netip.Addr) error {
	f := familyOf(src)
	if d := checkHeader(b); d != 0 {
		return d
	}
	if !f.has(src) || !f.has(dst) {
		return DropPeer
	}
	if b[1] == 0 {
		return DropVRID
	}
	if len(b) != messageLen(b, f) {
		return DropLength
	}
	if d := a.parseBody(b, f, src, dst); d != 0 {
		return d
	}
	return a.checkFields(f, false).err()
}

// checkHeader makes the checks that come before the VRID is known.
func checkHeader(b []byte) DropReason {
	switch {
	case len(b) < headerLen:
		return DropLength
	case b[0]>>4 != version3:
		return DropVersion
	case b[0]&0xf != typeAdvert:
		return DropType
	}
	return 0
}

// messageLen is how long the message is that begins with the header b.
func messageLen(b []byte, f Family) int { return headerLen + int(b[3])*f.addrLen() }

// parseBody reads a message whose header and length are right.
func (a *Advert) parseBody(b []byte, f Family, src, dst netip.Addr) DropReason {
	own := sum16(0, b)
	switch {
	case fold(own+pseudoSum(f, src, dst, len(b))) == 0xffff:
		a.Checksum = PseudoHeader
	case f == IPv4 && fold(own) == 0xffff:
		a.Checksum = MessageOnly
	default:
		return DropChecksum
	}
	a.VRID, a.Priority = b[1], b[2]
	a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&0xfff) * centisecond // the upper 4 bits are reserved
	a.Addrs = a.Addrs[:0]
	for rest := b[headerLen:]; len(rest) > 0; rest = rest[f.addrLen():] {
		if f == IPv4 {
			a.Addrs = append(a.Addrs, netip.AddrFrom4([4]byte(rest)))
		} else {
			a.Addrs = append(a.Addrs, netip.AddrFrom16([16]byte(rest)))
		}
	}
	return 0
}

// checkFields makes the checks on what a sound message says.
func (a *Advert) checkFields(f Family, emptyOK bool) DropReason {
	switch {
	case len(a.Addrs) == 0 && !emptyOK:
		return DropCount
	case a.Interval == 0:
		return DropInterval
	case f == IPv6 && len(a.Addrs) > 0 && !a.Addrs[0].IsLinkLocalUnicast():
		return DropLinkLocal
	}
	return 0
}

// AppendTo appends the message that is to travel from src to dst, or returns b
// and an error where a breaks a rule of its fields, or mixes families. It does
// not refuse an empty address list, which [Advert.Parse] drops: a router
// without addresses sends one, see [New].
func (a *Advert) AppendTo(b []byte, src, dst netip.Addr) ([]byte, error) {
	if err := a.validate(src, dst); err != nil {
		return b, err
	}
	return a.appendTo(b, familyOf(src), src, dst), nil
}

// appendTo is AppendTo without the checks.
func (a *Advert) appendTo(b []byte, f Family, src, dst netip.Addr) []byte {
	start := len(b)
	b = append(b, version3<<4|typeAdvert, a.VRID, a.Priority, uint8(len(a.Addrs)))
	b = binary.BigEndian.AppendUint16(b, uint16(a.Interval/centisecond))
	b = append(b, 0, 0)
	for _, addr := range a.Addrs {
		if f == IPv4 {
			v := addr.As4()
			b = append(b, v[:]...)
		} else {
			v := addr.As16()
			b = append(b, v[:]...)
		}
	}
	acc := sum16(0, b[start:])
	if f == IPv6 || a.Checksum == PseudoHeader {
		acc += pseudoSum(f, src, dst, len(b)-start)
	}
	binary.BigEndian.PutUint16(b[start+6:], ^fold(acc))
	return b
}

func (a *Advert) validate(src, dst netip.Addr) error {
	f := familyOf(src)
	if !f.has(src) || !f.has(dst) {
		return fmt.Errorf("vrrp: advert from %v to %v: not two addresses of one family", src, dst)
	}
	if a.VRID == 0 {
		return errors.New("vrrp: advert: VRID 0 is outside 1..255")
	}
	return errors.Join(checkInterval(a.Interval), checkAddrs(f, a.Addrs))
}

// checkInterval refuses what 12 bits of centiseconds cannot carry.
func checkInterval(d time.Duration) error {
	switch {
	case d < minInterval || d > maxInterval:
		return fmt.Errorf("vrrp: interval %v is outside %v..%v", d, minInterval, maxInterval)
	case d%centisecond != 0:
		return fmt.Errorf("vrrp: interval %v is not in whole centiseconds (10ms)", d)
	}
	return nil
}

// checkAddrs refuses lists that an advert of the family cannot carry.
func checkAddrs(f Family, addrs []netip.Addr) error {
	if len(addrs) > maxAddrs {
		return fmt.Errorf("vrrp: %d virtual addresses, an advert carries %d", len(addrs), maxAddrs)
	}
	var errs []error
	for _, a := range addrs {
		switch {
		case !f.has(a):
			errs = append(errs, fmt.Errorf("vrrp: virtual address %v is not an %v address", a, f))
		case a.IsUnspecified() || a.IsMulticast():
			errs = append(errs, fmt.Errorf("vrrp: virtual address %v is not the address of a host", a))
		}
	}
	if f == IPv6 && len(addrs) > 0 && f.has(addrs[0]) && !addrs[0].IsLinkLocalUnicast() {
		errs = append(errs, fmt.Errorf("vrrp: the first IPv6 virtual address is %v, RFC 9568 wants a link-local one there", addrs[0]))
	}
	return errors.Join(errs...)
}

// familyOf returns the family that an address has on the wire.
func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// has reports whether a can be written in the family's form.
func (f Family) has(a netip.Addr) bool {
	if f == IPv4 {
		return a.Is4()
	}
	return a.Is6() && !a.Is4In6()
}

// addrLen is the length of one address of the family.
func (f Family) addrLen() int {
	if f == IPv4 {
		return 4
	}
	return 16
}
