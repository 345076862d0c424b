package vrrp

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Figures of RFC 9568 and RFC 3768, sections 5.
const (
	protocol   = 112 // IP protocol number
	version2   = 2
	version3   = 3
	typeAdvert = 1
	headerLen  = 8
	authLen    = 8   // after the addresses of version 2
	maxAddrs   = 255 // what the count of 8 bits can say
)

// Advert is an advertisement: of version 3 (RFC 9568 section 5.2), or of
// version 2 (RFC 3768 section 5.3), which is for IPv4 only.
type Advert struct {
	Version  uint8         // 2 or 3; 0 means 3
	VRID     uint8         // 1..255
	Priority uint8         // 255 owner, 1..254 others, 0 resigning
	Interval time.Duration // version 3: 10 ms to 40.95 s, whole centiseconds; version 2: 1 s to 255 s, whole seconds
	Addrs    []netip.Addr  // virtual addresses, in the order sent
	Checksum Checksum      // version 3 over IPv4: the form that was right, or is to be sent
	Auth     AuthType      // version 2 only
	Password Password      // of AuthPassword
}

// Parse reads b, the VRRP message of one packet with nothing after it, which
// travelled from src to dst. The family of src decides how the addresses are
// read; dst must be of the same, and IPv4 addresses not mapped into IPv6.
// Parse reuses a.Addrs and keeps no reference to b. The error is a [DropReason],
// and a is undefined then. What a router would want of an advert beyond that,
// such as its own VRID, version and password, is for the caller to compare.
func (a *Advert) Parse(b []byte, src, dst netip.Addr) error {
	f := familyOf(src)
	switch {
	case len(b) < headerLen:
		return DropLength
	case !f.has(src) || !f.has(dst):
		return DropFamily
	case !f.speaks(b[0] >> 4):
		return DropVersion
	case b[0]&0xf != typeAdvert:
		return DropType
	case b[1] == 0:
		return DropVRID
	case len(b) != messageLen(b, f):
		return DropLength
	case b[0]>>4 == version2 && AuthType(b[4]) > AuthHeader:
		return DropAuthType
	}
	form, ok := checksumOf(b, f, src, dst)
	if !ok {
		return DropChecksum
	}
	a.read(b, f)
	a.Checksum = form
	return a.checkFields(f, false).err()
}

// speaks reports whether there is such a version for the family.
func (f Family) speaks(version uint8) bool {
	return version == version3 || version == version2 && f == IPv4
}

// messageLen is how long the message is that begins with the header b.
func messageLen(b []byte, f Family) int {
	n := headerLen + int(b[3])*f.addrLen()
	if b[0]>>4 == version2 {
		n += authLen
	}
	return n
}

// read takes the fields of a message whose length is right.
func (a *Advert) read(b []byte, f Family) {
	a.Version, a.VRID, a.Priority, a.Checksum = b[0]>>4, b[1], b[2], ChecksumAuto
	a.Auth, a.Password = AuthNone, Password{}
	rest := b[headerLen:]
	if a.Version == version2 {
		a.Interval, a.Auth = time.Duration(b[5])*time.Second, AuthType(b[4])
		tail := len(rest) - authLen
		if a.Auth == AuthPassword {
			a.Password = Password(rest[tail:])
		}
		rest = rest[:tail]
	} else {
		a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&0xfff) * centisecond // the upper 4 bits are reserved
	}
	a.Addrs = a.Addrs[:0]
	for ; len(rest) > 0; rest = rest[f.addrLen():] {
		if f == IPv4 {
			a.Addrs = append(a.Addrs, netip.AddrFrom4([4]byte(rest)))
		} else {
			a.Addrs = append(a.Addrs, netip.AddrFrom16([16]byte(rest)))
		}
	}
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
	version := a.version()
	b = append(b, version<<4|typeAdvert, a.VRID, a.Priority, uint8(len(a.Addrs)))
	if version == version2 {
		b = append(b, uint8(a.Auth), uint8(a.Interval/time.Second))
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(a.Interval/centisecond))
	}
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
	switch {
	case version == version2 && a.Auth == AuthPassword:
		b = append(b, a.Password[:]...)
	case version == version2:
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	binary.BigEndian.PutUint16(b[start+6:], a.Checksum.checksum(b[start:], f, src, dst))
	return b
}

// version is Version with its default.
func (a *Advert) version() uint8 {
	if a.Version == 0 {
		return version3
	}
	return a.Version
}
