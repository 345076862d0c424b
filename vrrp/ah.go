package vrrp

import "encoding/binary"

// ahLen is the length of the IP authentication header that RFC 2338 puts before
// a VRRP message: HMAC-MD5-96, so 12 bytes of proof.
const ahLen = 24

// authHeader is an IP authentication header (RFC 4302 section 2). Nobody here
// verifies it: it is read to be shown.
type authHeader struct {
	spi      uint32 // keepalived: the sender's IPv4 address
	sequence uint32
}

// parseAH reads the authentication header that b begins with, and returns what
// follows it. It returns false if that is not VRRP, or not as long as a header
// of RFC 2338.
func parseAH(b []byte) (h authHeader, rest []byte, ok bool) {
	// The length counts words of 4 bytes, less 2.
	if len(b) < ahLen || b[0] != protocol || b[1] != ahLen/4-2 {
		return h, nil, false
	}
	h.spi, h.sequence = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	return h, b[ahLen:], true
}
