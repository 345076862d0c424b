package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Heard is a packet that somebody sent, as [Listen] shows it.
type Heard struct {
	Time     time.Time
	Iface    string // name of the interface
	Src, Dst netip.Addr
	TTL      uint8    // or hop limit; 0: not known
	Length   int      // of the message in bytes, with a trailer
	Advert   Advert   // as far as it could be read
	Trailer  *Trailer // nil: without; nothing is verified
	AH       bool     // behind an IP authentication header

	// Drop is why every router would drop the packet, whatever its
	// configuration; 0: some router may use it.
	Drop DropReason
}

// decode reads a message without the eyes of one router: any VRID, version and
// authentication. It never fails; what cannot be read is left out.
func decode(b []byte, src, dst netip.Addr, ttl uint8, ah bool) Heard {
	h := Heard{Src: src, Dst: dst, TTL: ttl, Length: len(b), AH: ah}
	h.Drop = h.read(b)
	return h
}

// read fills in Advert and Trailer, and returns why the packet is dropped. The
// checks are in the order of a router's.
func (h *Heard) read(b []byte) DropReason {
	if len(b) < headerLen {
		return DropLength
	}
	f, a := familyOf(h.Src), &h.Advert
	a.Version, a.VRID, a.Priority = b[0]>>4, b[1], b[2]
	readable := f.speaks(a.Version) && b[0]&0xf == typeAdvert && f.has(h.Src) && f.has(h.Dst)
	n := messageLen(b, f)
	if readable = readable && (len(b) == n || len(b) == n+trailerLen); readable {
		a.read(b[:n], f)
		if len(b) > n {
			t := parseTrailer(b[n:])
			h.Trailer = &t
		}
	}
	switch {
	case !f.has(h.Src) || !f.has(h.Dst):
		return DropFamily
	case h.Dst.IsMulticast() && h.TTL != 0 && h.TTL != 255:
		return DropTTL
	case !f.speaks(a.Version):
		return DropVersion
	case b[0]&0xf != typeAdvert:
		return DropType
	case a.VRID == 0:
		return DropVRID
	case h.AH:
		return DropAH
	case !readable:
		return DropLength
	case h.Trailer != nil && h.Trailer.Type != trailerType:
		return DropHMACMalformed
	case a.Auth > AuthHeader:
		return DropAuthType
	}
	form, ok := checksumOf(b[:n], f, h.Src, h.Dst)
	if a.Checksum = form; !ok {
		return DropChecksum
	}
	return a.checkFields(f, false)
}

// String writes one line of keys and values, with what there is of
//
//	TIME iface= vrid= src= dst= ttl= version= priority= interval= addrs= checksum= auth= hmac-key= hmac-time= ah drop= length=
//
// "owner" follows priority 255, and "resigns" priority 0. "drop" is a
// [DropReason]. A password is not shown.
func (h Heard) String() string {
	var out strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&out, " "+format, args...) }
	if !h.Time.IsZero() {
		out.WriteString(h.Time.Format("2006-01-02T15:04:05.000000Z07:00"))
	}
	if h.Iface != "" {
		put("iface=%s", h.Iface)
	}
	a := &h.Advert
	header := h.Length >= headerLen
	if header {
		put("vrid=%d", a.VRID)
	}
	put("src=%v dst=%v", h.Src, h.Dst)
	if h.TTL != 0 {
		put("ttl=%d", h.TTL)
	}
	if header {
		put("version=%d priority=%d", a.Version, a.Priority)
		switch whole := h.Drop == 0 || h.Drop == DropAH; {
		case whole && a.Priority == 0:
			put("resigns")
		case whole && a.Priority == owner:
			put("owner")
		}
	}
	if a.Interval != 0 {
		put("interval=%v", a.Interval)
	}
	for i, addr := range a.Addrs {
		if i == 0 {
			put("addrs=%v", addr)
		} else {
			fmt.Fprintf(&out, ",%v", addr)
		}
	}
	if a.Checksum != ChecksumAuto {
		put("checksum=%v", a.Checksum)
	}
	if a.Auth != AuthNone {
		put("auth=%v", a.Auth)
	}
	if t := h.Trailer; t != nil {
		put("hmac-key=%d hmac-time=%s", t.KeyID, t.Time.Format("2006-01-02T15:04:05.000000Z07:00"))
	}
	if h.AH {
		put("ah")
	}
	if h.Drop != 0 {
		put("drop=%s length=%d", h.Drop.String(), h.Length)
	}
	return strings.TrimPrefix(out.String(), " ")
}
