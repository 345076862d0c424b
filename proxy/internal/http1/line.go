package http1

import "encoding/binary"

// maxMethod bounds a method, in bytes. Registered methods have at most 17.
const maxMethod = 32

const (
	version11 = "HTTP/1.1"
	word11    = 0x312e312f50545448 // version11 as a little-endian word
	word10    = 0x302e312f50545448
)

// line reads the request line and returns the position after it.
func (r *Request) line(b []byte, limit int) (int, fault) {
	p := 0
	if len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		if f := broken(b, 0); f != fine {
			return 0, f
		}
		p = 2
	}
	start := p
	for p < len(b) && class[b[p]]&isToken != 0 {
		p++
	}
	switch {
	case p-start > maxMethod:
		return 0, faultMethodLong
	case p == len(b):
		return 0, short
	case b[p] != ' ' || p == start:
		return 0, badLine(b, start, p)
	}
	r.Method = b[start:p]
	p++
	t := p
	var marks uint8
	for p < len(b) {
		c := class[b[p]]
		if c&isTarget == 0 {
			break
		}
		marks |= c
		p++
	}
	switch {
	case p-t > limit:
		return 0, faultTargetLong
	case p == len(b):
		return 0, short
	case p == t:
		return 0, faultLine
	case b[p] != ' ':
		return 0, badTarget(b, p)
	}
	uri := b[t:p]
	p++
	n, f := r.version(b[p:])
	if f != fine {
		return 0, f
	}
	if string(r.Method) == "CONNECT" {
		return 0, faultConnect
	}
	r.Host, f = r.target(uri, marks)
	return p + n, f
}

// badLine judges a request line whose method, from start to p, is not followed by a space.
func badLine(b []byte, start, p int) fault {
	if p > start {
		if b[p] == '\r' || b[p] == '\n' {
			return faultLine
		}
		return faultMethod
	}
	switch b[p] {
	case ' ', '\t':
		return faultFold
	case '\r', '\n':
		return faultEmptyLine
	}
	return faultMethod
}

// badTarget judges the byte that ended a target too early.
func badTarget(b []byte, p int) fault {
	if b[p] == '\r' || b[p] == '\n' {
		return faultLine
	}
	return faultTargetByte
}

// version reads the protocol version and the end of the request line from the start of b.
func (r *Request) version(b []byte) (int, fault) {
	const size = len(version11) + 2
	if len(b) >= size && b[8] == '\r' && b[9] == '\n' {
		switch binary.LittleEndian.Uint64(b) {
		case word11:
			r.Minor = 1
			return size, fine
		case word10:
			r.Minor = 0
			return size, fine
		}
	}
	for i := range len(version11) {
		if i == len(b) {
			return 0, short
		}
		if digit := i == 5 || i == 7; digit && class[b[i]]&isDigit == 0 || !digit && b[i] != version11[i] {
			return 0, faultProtocol
		}
	}
	switch f := broken(b, len(version11)); {
	case f == faultControl:
		return 0, faultProtocol
	case f != fine:
		return 0, f
	}
	return 0, faultVersion
}
