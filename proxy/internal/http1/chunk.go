package http1

// Limits of a chunked body. They are not options: nothing legitimate comes near them.
const (
	maxSizeDigits = 16       // hexadecimal digits of a chunk size
	maxExtension  = 256      // bytes of one chunk's extensions
	maxExcess     = 16 << 10 // bytes of framing that payload does not pay for, see Body.charge
	maxTrailers   = 64       // trailer fields
	maxTrailer    = 8 << 10  // bytes of all trailer fields
)

// The refusals of a body.
var (
	errChunkSize    = &Error{400, "malformed chunk size"}
	errChunkLine    = &Error{400, "malformed chunk line"}
	errChunkEnd     = &Error{400, "chunk data not followed by CRLF"}
	errChunkExt     = &Error{400, "chunk extensions too long"}
	errTrailer      = &Error{400, "malformed trailer"}
	errTrailerLarge = &Error{400, "trailers too large"}
)

// The places a chunked decoder can be in, between two bytes.
type place uint8

const (
	atSize place = iota // first digit of a chunk size
	inSize
	inExtension
	atSizeLF
	inData
	atDataCR
	atDataLF
	atTrailer // start of a line of the trailer section
	inTrailerName
	inTrailerValue
	atTrailerLF
	atLastLF
	atEnd
)

// chunked is Next for a chunked body.
func (d *Body) chunked(b []byte) (data []byte, n int, err error) {
	if d.err != nil {
		return nil, 0, d.err
	}
	for i := 0; i < len(b); {
		if d.place == inData {
			data = b[i:]
			if int64(len(data)) > d.left {
				data = data[:d.left]
			}
			d.left -= int64(len(data))
			if d.left == 0 {
				d.place = atDataCR
			}
			return data, i + len(data), nil
		}
		d.err = d.step(b[i])
		i++
		if d.err != nil {
			return nil, i, d.err
		}
		if d.place == atEnd {
			d.done = true
			return nil, i, nil
		}
	}
	return nil, len(b), ErrIncomplete
}

// step takes one byte of framing (RFC 9112 section 7.1).
func (d *Body) step(c byte) *Error {
	switch d.place {
	case atSize, inSize:
		return d.size(c)
	case inExtension:
		return d.extension(c)
	case atSizeLF:
		if c != '\n' {
			return errChunkLine
		}
		if d.left == 0 {
			d.place = atTrailer
			return nil
		}
		d.place = inData
		return d.charge()
	case atDataCR:
		if c != '\r' {
			return errChunkEnd
		}
		d.place = atDataLF
	case atDataLF:
		if c != '\n' {
			return errChunkEnd
		}
		d.place, d.digits, d.line = atSize, 0, 0
	default:
		return d.trailers(c)
	}
	return nil
}

// size takes one byte of a chunk size or the byte that ends it. White space is not accepted after the size.
func (d *Body) size(c byte) *Error {
	if class[c]&isHex != 0 {
		v := int64(c - '0')
		if c > '9' {
			v = int64(c|0x20-'a') + 10
		}
		if d.digits == maxSizeDigits || d.left>>59 != 0 {
			return errChunkSize
		}
		d.left = d.left<<4 | v
		d.digits++
		d.place = inSize
		return nil
	}
	switch {
	case d.place == atSize:
		return errChunkSize
	case c == '\r':
		d.place = atSizeLF
	case c == ';':
		d.place = inExtension
	default:
		return errChunkSize
	}
	return nil
}

// extension takes one byte of the chunk extensions, which nobody reads.
func (d *Body) extension(c byte) *Error {
	switch {
	case c == '\r':
		d.place = atSizeLF
	case c < 0x20 && c != '\t' || c == 0x7f:
		return errChunkLine
	default:
		if d.line++; d.line > maxExtension {
			return errChunkExt
		}
	}
	return nil
}

// charge books the framing of a chunk against its payload: two bytes of payload pay for one of framing, and a
// plain line is free. A sender that keeps the decoder busy with extensions on tiny chunks runs out of credit,
// one that signs large chunks never does.
func (d *Body) charge() *Error {
	cost := int64(d.digits) + int64(d.line)
	cost -= 16 + min(d.left, maxExtension)*2
	if d.excess = int32(max(int64(d.excess)+cost, 0)); d.excess > maxExcess {
		return errChunkExt
	}
	return nil
}

// trailers takes one byte of the trailer section. It knows enough of a field line to refuse what a field parser
// would; the fields themselves are dropped.
func (d *Body) trailers(c byte) *Error {
	if d.trailer++; d.trailer > maxTrailer {
		return errTrailerLarge
	}
	switch d.place {
	case atTrailer:
		if c == '\r' {
			d.place = atLastLF
			return nil
		}
		if class[c]&isToken == 0 {
			return errTrailer
		}
		if d.fields++; d.fields > maxTrailers {
			return errTrailerLarge
		}
		d.place = inTrailerName
	case inTrailerName:
		if c == ':' {
			d.place = inTrailerValue
		} else if class[c]&isToken == 0 {
			return errTrailer
		}
	case inTrailerValue:
		if c == '\r' {
			d.place = atTrailerLF
		} else if c < 0x20 && c != '\t' || c == 0x7f {
			return errTrailer
		}
	case atTrailerLF, atLastLF:
		switch {
		case c != '\n':
			return errTrailer
		case d.place == atTrailerLF:
			d.place = atTrailer
		default:
			d.place = atEnd
		}
	}
	return nil
}
