package http1

// maxOptions bounds the names in the Connection fields of a message: each costs a walk over all fields.
const maxOptions = 32

// options is what the Connection fields of a message say.
type options struct {
	close, keepAlive, upgrade bool
}

// connection reads the Connection fields and marks the fields they name as hop-by-hop. Fields the proxy knows as
// end-to-end stay, and so do all that carry framing, caching or forwarding information: naming them must not make
// a proxy drop what it, or a peer in front of it, relies on (RFC 9110 section 7.6.1 forbids to name them).
func (s *section) connection() (o options, ok bool) {
	if !s.seen.Has(Connection) {
		return o, true
	}
	f := &s.fields[s.at[Connection]]
	if !s.twice.Has(Connection) {
		switch { // nearly all messages
		case fold(f.Value, "keep-alive"):
			o.keepAlive = true
			return o, true
		case fold(f.Value, "close"):
			o.close = true
			return o, true
		}
	}
	named := 0
	for i := int(s.at[Connection]); i < len(s.fields); i++ {
		if f := &s.fields[i]; f.ID == Connection && !s.list(f.Value, &o, &named) {
			return o, false
		}
	}
	return o, true
}

// list reads one Connection value: tokens between commas, empty elements allowed (RFC 9110 section 5.6.1).
func (s *section) list(v []byte, o *options, named *int) bool {
	for start := 0; start <= len(v); {
		end := start
		for end < len(v) && v[end] != ',' {
			end++
		}
		t := trim(v[start:end])
		start = end + 1
		for _, c := range t {
			if class[c]&isToken == 0 {
				return false
			}
		}
		switch {
		case len(t) == 0:
		case fold(t, "close"):
			o.close = true
		case fold(t, "keep-alive"):
			o.keepAlive = true
		case fold(t, "upgrade"):
			o.upgrade = true
		default:
			if *named++; *named > maxOptions {
				return false
			}
			s.hop(t)
		}
	}
	return true
}

// hop marks the fields of that name, unless it is protected.
func (s *section) hop(name []byte) {
	if Lookup(name) != Other || protected(name) {
		return
	}
	for i := range s.fields {
		if f := &s.fields[i]; sameFold(f.Name, name) {
			f.Hop = true
		}
	}
}

// protected reports whether a name without an ID may not be named in Connection all the same.
func protected(name []byte) bool {
	return hasPrefix(name, "x-forwarded-") || hasPrefix(name, "cache-") || hasPrefix(name, "content-") ||
		hasPrefix(name, "if-") || hasPrefix(name, "access-control-") || hasPrefix(name, "sec-")
}

func hasPrefix(name []byte, lower string) bool {
	return len(name) >= len(lower) && fold(name[:len(lower)], lower)
}

// value returns the value of the first field of an ID below firstFree that was seen.
func (s *section) value(id ID) []byte { return s.fields[s.at[id]].Value }

// protocol returns the one protocol an Upgrade field names, nil if there are several, none, or one that must
// not be passed on: h2c would open a second protocol behind every rule of the proxy.
func (s *section) protocol() []byte {
	if !s.seen.Has(Upgrade) || s.twice.Has(Upgrade) {
		return nil
	}
	v := s.value(Upgrade)
	if len(v) == 0 || fold(v, "h2c") || hasPrefix(v, "h2c/") {
		return nil
	}
	slash := false
	for i, c := range v {
		if c == '/' && !slash && i > 0 && i < len(v)-1 {
			slash = true
			continue
		}
		if class[c]&isToken == 0 {
			return nil
		}
	}
	return v
}
