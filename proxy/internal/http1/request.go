package http1

import "bytes"

// A Request is a parsed request head. Its slices alias the buffer given to [Request.Parse] and are valid as long
// as that buffer is. The zero value is ready; a Request must not be copied.
type Request struct {
	Method []byte
	Target []byte // what to send on: origin-form, or "*" for OPTIONS; of an absolute-form target the part after the authority
	Path   []byte // Target up to '?', as received (not decoded)
	Query  []byte // Target after '?', nil without one

	Host      []byte // the Host field, or the authority of an absolute-form target in HTTP/1.0; empty only in HTTP/1.0
	Minor     uint8  // HTTP/1.Minor: 0 or 1
	Framing   Framing
	Length    int64  // the Content-Length, -1 without one
	KeepAlive bool   // the client wants the connection to stay open
	Expect    bool   // the client waits for 100 (Continue) before it sends the body
	Upgrade   []byte // the protocol asked for, only if Connection names upgrade and there is no body; never h2c
	Absolute  bool   // the target came in absolute-form

	Fields []Field // in order of arrival

	scan  int // bytes known to hold no end of the head; 0 before the first look
	first [16]Field
}

// Reset forgets the message and keeps the memory.
func (r *Request) Reset() {
	r.Method, r.Target, r.Path, r.Query, r.Host, r.Upgrade = nil, nil, nil, nil, nil, nil
	r.Minor, r.Framing, r.Length = 0, None, -1
	r.KeepAlive, r.Expect, r.Absolute = false, false, false
	r.Fields = r.Fields[:0]
	r.scan = 0
}

// Parse reads one request head from the start of b and returns its length. It returns [ErrIncomplete] as long as
// the blank line is not in b; the next call must give the same bytes and more, at any address. Any other error is
// an [*Error], after which the connection has to be closed.
//
// One CRLF before the request line is skipped (RFC 9112 section 2.2). A nil lim means the defaults.
func (r *Request) Parse(b []byte, lim *Limits) (n int, err error) {
	head, fields, target := lim.values()
	cut := b
	if len(cut) > head {
		cut = cut[:head]
	}
	n, f := 0, fine
	if r.scan > 0 {
		f = blank(cut, r.scan)
	}
	if f == fine {
		n, f = r.parse(cut, fields, target)
	}
	if f == short {
		r.scan = len(cut) // nothing up to here ends a head
		if f = overlong(cut, head, target); f == fine {
			return 0, ErrIncomplete
		}
	}
	r.scan = 0
	if f != fine {
		return 0, requestErrors[f]
	}
	return n, nil
}

// overlong judges an incomplete request head by its size.
func overlong(b []byte, head, target int) fault {
	if len(b) < head && len(b) <= target {
		return fine
	}
	line := b
	if len(line) >= 2 && line[0] == '\r' && line[1] == '\n' {
		line = line[2:]
	}
	switch whole := bytes.IndexByte(line, '\n') >= 0; {
	case !whole && (len(b) >= head || len(line) > maxMethod+1+target+len(" HTTP/1.1\r\n")):
		return faultTargetLong
	case len(b) >= head:
		return faultHead
	}
	return fine
}

// parse reads a whole head and returns its length.
func (r *Request) parse(b []byte, fields, target int) (int, fault) {
	p, f := r.line(b, target)
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
	return p, r.judge(&s)
}

// judge draws the conclusions from the fields of a whole head.
func (r *Request) judge(s *section) fault {
	r.Length, r.Expect, r.Upgrade = -1, false, nil
	switch {
	case s.twice.Has(Host):
		return faultManyHosts
	case s.seen.Has(Host):
		host := s.value(Host)
		if !ValidHost(host) {
			return faultHost
		}
		if r.Absolute && !sameFold(host, r.Host) {
			return faultHostDiffers
		}
		r.Host = host
	case r.Minor > 0:
		return faultNoHost
	}
	var f fault
	if r.Framing, r.Length, f = s.body(r.Minor); f != fine {
		return f
	}
	o, ok := s.connection()
	if !ok {
		return faultConnection
	}
	r.KeepAlive = !o.close && (r.Minor > 0 || o.keepAlive)
	if s.seen.Has(Expect) {
		if s.twice.Has(Expect) || !fold(s.value(Expect), "100-continue") {
			return faultExpect
		}
		// RFC 9110 section 10.1.1: ignored in HTTP/1.0 and where no body follows.
		r.Expect = r.Minor > 0 && (r.Framing == Chunked || r.Length > 0)
	}
	if o.upgrade && r.Minor > 0 && r.Framing == None {
		r.Upgrade = s.protocol()
	}
	return fine
}

// Field returns the first field with the given ID, nil without one.
func (r *Request) Field(id ID) *Field { return find(r.Fields, id) }

// Lookup returns the value of the first field of that name, in any case, and whether there is one.
func (r *Request) Lookup(name string) ([]byte, bool) { return lookup(r.Fields, name) }
