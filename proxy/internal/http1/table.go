package http1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of bytes.
const (
	isToken    = 1 << iota // RFC 9110 section 5.6.2: tchar
	isTarget               // printable ASCII but '#'
	isPercent              // '%'
	isQuestion             // '?'
	isSlash                // '\'
	isHost                 // RFC 3986: unreserved and sub-delims
	isDigit
	isHex
)

var class = func() (t [256]uint8) {
	for c := range t {
		digit := '0' <= c && c <= '9'
		alpha := 'a' <= c|0x20 && c|0x20 <= 'z'
		if digit {
			t[c] |= isDigit
		}
		if digit || 'a' <= c|0x20 && c|0x20 <= 'f' {
			t[c] |= isHex
		}
		if digit || alpha {
			t[c] |= isToken | isHost
		}
		if 0x21 <= c && c <= 0x7e && c != '#' {
			t[c] |= isTarget
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= isToken
	}
	for _, c := range "-._~!$&'()*+,;=" {
		t[c] |= isHost
	}
	t['%'] |= isPercent
	t['?'] |= isQuestion
	t['\\'] |= isSlash
	return t
}()

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stop returns the index of the first byte at or after p that ends a run of field value bytes: a control byte
// other than HTAB. It is len(b) if there is none.
func stop(b []byte, p int) int {
	for p+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[p:])
		del := x ^ 0x7f*ones
		// A borrow can flag bytes above the first hit wrongly, never below: the lowest flag is exact.
		m := ((x-0x20*ones)&^x | (del-ones)&^del) & highs
		if m == 0 {
			p += 8
			continue
		}
		p += bits.TrailingZeros64(m) >> 3
		if b[p] != '\t' {
			return p
		}
		p++
	}
	for p < len(b) && (b[p] >= 0x20 && b[p] != 0x7f || b[p] == '\t') {
		p++
	}
	return p
}

// fold reports whether b is lower in any case; lower has lower-case letters, digits and '-' only, and b is
// known to hold no control bytes (which the fold would map onto '-' and digits).
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(lower) {
		if b[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// sameFold reports whether a and b are equal but for the case of ASCII letters.
func sameFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		d := b[i]
		if c == d {
			continue
		}
		if c^d != 0x20 || c|0x20 < 'a' || 'z' < c|0x20 {
			return false
		}
	}
	return true
}

// trim removes white space (SP and HTAB) from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
