package http1

import "encoding/binary"

// A Response is a parsed response head. Its slices alias the buffer given to [Response.Parse]. The zero value is
// ready; a Response must not be copied.
type Response struct {
	Minor     uint8 // HTTP/1.Minor: 0 or 1
	Status    int   // 100 to 599; below 200 it is an interim answer (101 excepted) and another head follows
	Reason    []byte
	Framing   Framing
	Length    int64  // the Content-Length, -1 without one; kept for answers to HEAD and 304, where Framing is None
	KeepAlive bool   // the connection may be used again once the body is read
	Upgrade   []byte // of a 101: the protocol switched to, nil unless Connection names upgrade

	Fields []Field // in order of arrival

	scan  int // as in Request
	first [16]Field
}

// Reset forgets the message and keeps the memory.
func (r *Response) Reset() {
	r.Minor, r.Status, r.Reason, r.Framing, r.Length = 0, 0, nil, None, -1
	r.KeepAlive, r.Upgrade = false, nil
	r.Fields = r.Fields[:0]
	r.scan = 0
}

// Parse reads one response head from the start of b and returns its length. head says that the request was a HEAD.
// It returns [ErrIncomplete] as [Request.Parse] does; any other error is an [*Error] with status 502.
//
// The space after the status may be missing along with the reason, as many servers have it.
func (r *Response) Parse(b []byte, head bool, lim *Limits) (n int, err error) {
	size, fields, _ := lim.values()
	cut := b
	if len(cut) > size {
		cut = cut[:size]
	}
	n, f := 0, fine
	if r.scan > 0 {
		f = blank(cut, r.scan)
	}
	if f == fine {
		n, f = r.parse(cut, head, fields)
	}
	if f == short {
		r.scan = len(cut)
		if len(cut) < size {
			return 0, ErrIncomplete
		}
		f = faultHead
	}
	r.scan = 0
	if f != fine {
		return 0, responseErrors[f]
	}
	return n, nil
}

// parse reads a whole head and returns its length.
func (r *Response) parse(b []byte, head bool, fields int) (int, fault) {
	p, f := r.line(b)
	if f != fine {
		return 0, f
	}
	if cap(r.Fields) == 0 {
		r.Fields = r.first[:0]
	}
	s := section{fields: r.Fields[:0]}
	p, f = s.parse(b, p, fields)
	r.Fields = s.fields
	if f != fine {
		return 0, f
	}
	return p, r.judge(&s, head)
}

// statusAt is where the status stands in a status line: behind the version and a space.
const statusAt = len(version11) + 1

// line reads the status line and returns the position after it.
func (r *Response) line(b []byte) (int, fault) {
	if len(b) < statusAt+4 {
		return 0, startsAnswer(b)
	}
	switch binary.LittleEndian.Uint64(b) {
	case word11:
		r.Minor = 1
	case word10:
		r.Minor = 0
	default:
		return 0, faultStatusLine
	}
	d0, d1, d2 := b[statusAt]-'0', b[statusAt+1]-'0', b[statusAt+2]-'0'
	if b[statusAt-1] != ' ' || d0 > 9 || d1 > 9 || d2 > 9 {
		return 0, faultStatusLine
	}
	r.Status = int(d0)*100 + int(d1)*10 + int(d2)
	if r.Status < 100 || r.Status > 599 {
		return 0, faultStatus
	}
	p := statusAt + 3
	if p < len(b) && b[p] == ' ' {
		p++
	} else if p < len(b) && b[p] != '\r' && b[p] != '\n' {
		return 0, faultStatusLine
	}
	end := stop(b, p)
	if f := broken(b, end); f != fine {
		return 0, f
	}
	r.Reason = b[p:end]
	return end + 2, fine
}

// startsAnswer judges fewer bytes than the shortest status line has: short if they may become one.
func startsAnswer(b []byte) fault {
	for i, c := range b {
		var ok bool
		switch {
		case i == 7:
			ok = c == '0' || c == '1'
		case i < len(version11):
			ok = c == version11[i]
		case i < statusAt:
			ok = c == ' '
		default:
			ok = class[c]&isDigit != 0
		}
		if !ok {
			return faultStatusLine
		}
	}
	return short
}

// judge draws the conclusions from the fields of a whole head (RFC 9112 section 6.3).
func (r *Response) judge(s *section, head bool) fault {
	r.Upgrade = nil
	var f fault
	if r.Framing, r.Length, f = s.body(r.Minor); f != fine {
		return f
	}
	o, ok := s.connection()
	if !ok {
		return faultConnection
	}
	r.KeepAlive = !o.close && (r.Minor > 0 || o.keepAlive)
	switch {
	case r.Status < 200 || r.Status == 204:
		if r.Status < 200 && r.Minor == 0 {
			return faultInterimOld
		}
		// A length here is against RFC 9112 section 6.1, and what this server sends after it is anybody's guess.
		if r.Framing == Chunked || r.Length > 0 {
			r.KeepAlive = false
		}
		r.Framing = None
	case head || r.Status == 304:
		r.Framing = None
	case r.Framing == None:
		r.Framing, r.KeepAlive = UntilClose, false
	}
	if r.Status == 101 && o.upgrade {
		r.Upgrade = s.protocol()
	}
	return fine
}

// Interim reports whether another head follows this one.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

// Field returns the first field with the given ID, nil without one.
func (r *Response) Field(id ID) *Field { return find(r.Fields, id) }

// Lookup returns the value of the first field of that name, in any case, and whether there is one.
func (r *Response) Lookup(name string) ([]byte, bool) { return lookup(r.Fields, name) }
