package http1

import "bytes"

// A section is what one pass over the field lines found.
type section struct {
	fields []Field
	seen   Set               // the known names that came
	twice  Set               // those that came more than once
	at     [firstFree]uint16 // index of the first field of each of the IDs below firstFree
}

// firstFree is the first ID that no rule of this package asks for by position.
const firstFree = HTTP2Settings + 1

// parse reads field lines from p to the blank line and returns the position after it. More than limit fields
// are refused.
func (s *section) parse(b []byte, p int, limit int) (int, fault) {
	fields := s.fields
	for {
		line := p
		if p >= len(b) {
			s.fields = fields
			return 0, short
		}
		for p < len(b) && class[b[p]]&isToken != 0 {
			p++
		}
		if p == len(b) {
			s.fields = fields
			return 0, short
		}
		if b[p] != ':' || p == line {
			s.fields = fields
			return s.end(b, line, p)
		}
		name := b[line:p]
		p++
		value := p
		for value < len(b) && (b[value] == ' ' || b[value] == '\t') {
			value++
		}
		after := stop(b, value)
		if after+1 >= len(b) || b[after] != '\r' || b[after+1] != '\n' {
			s.fields = fields
			return 0, broken(b, after)
		}
		end := after
		for end > value && (b[end-1] == ' ' || b[end-1] == '\t') {
			end--
		}
		n := len(fields)
		if n >= limit {
			s.fields = fields
			return 0, faultFields
		}
		id := Lookup(name)
		if id != Other {
			bit := Set(1) << id
			s.twice |= s.seen & bit
			if id < firstFree && s.seen&bit == 0 {
				s.at[id] = uint16(n)
			}
			s.seen |= bit
		}
		if n < cap(fields) {
			fields = fields[:n+1]
		} else {
			fields = append(fields, Field{})
		}
		f := &fields[n] // filled in place: a literal would be built elsewhere and copied
		f.Name, f.Value, f.ID = name, b[value:end], id
		f.Hop = hopFields.Has(id)
		f.Plain = value == p+1 && b[p] == ' ' && end == after
		p = after + 2
	}
}

// end judges a line, begun at line, that has no name and colon at its start: the blank line, or a refusal. The
// token at its start ends at p.
func (s *section) end(b []byte, line, p int) (int, fault) {
	switch c := b[p]; {
	case p > line && (c == ' ' || c == '\t'):
		return 0, faultNameSpace
	case p > line && c == '\n':
		return 0, faultBareLF
	case p > line:
		return 0, faultFieldName
	case c == ' ' || c == '\t':
		return 0, faultFold
	case c == '\r' || c == '\n':
		if f := broken(b, p); f != fine {
			return 0, f
		}
		return p + 2, fine
	}
	return 0, faultFieldName
}

// broken judges the bytes at p, where a line should end: fine if they are CRLF, short if there are too few.
func broken(b []byte, p int) fault {
	switch {
	case p >= len(b):
		return short
	case b[p] == '\n':
		return faultBareLF
	case b[p] != '\r':
		return faultControl
	case p+1 >= len(b):
		return short
	case b[p+1] != '\n':
		return faultBareCR
	}
	return fine
}

// blank looks for the blank line from position from on: fine if it is there, short if not. All lines before from
// are known to end in CRLF.
func blank(b []byte, from int) fault {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return short
		}
		i += from
		if i == 0 || b[i-1] != '\r' {
			return faultBareLF
		}
		if i >= 2 && b[i-2] == '\n' {
			return fine
		}
		from = i + 1
	}
}
