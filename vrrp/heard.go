package vrrp

import "net/netip"

// Heard is an advertisement that [Listen] has heard.
type Heard struct {
	Src, Dst netip.Addr
	TTL      uint8 // or hop limit
	AH       bool  // it came behind an authentication header, which was not verified
	Message  []byte
}

// decode reads the VRRP message msg, which travelled from src to dst.
func decode(msg []byte, src, dst netip.Addr, ttl uint8, ah bool) Heard {
	return Heard{Src: src, Dst: dst, TTL: ttl, AH: ah, Message: msg}
}
