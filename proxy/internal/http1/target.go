package http1

import "bytes"

var (
	slash    = []byte("/")
	asterisk = []byte("*")
)

// target splits a request target whose bytes are all of class isTarget; marks is the union of their classes. It
// sets Target, Path, Query and Absolute, and returns the authority of an absolute-form target.
func (r *Request) target(t []byte, marks uint8) (authority []byte, f fault) {
	r.Absolute = false
	switch {
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*' && string(r.Method) == "OPTIONS":
		r.Target, r.Path, r.Query = t, t, nil
		return nil, fine
	default:
		authority, t = absolute(t)
		if len(authority) == 0 || !ValidHost(authority) {
			return nil, faultTargetForm
		}
		r.Absolute = true
		switch {
		case len(t) > 0 && t[0] == '/':
		case len(t) > 0: // "http://host?query": nothing that could be sent on without rewriting it
			return nil, faultTargetForm
		case string(r.Method) == "OPTIONS":
			r.Target, r.Path, r.Query = asterisk, asterisk, nil // RFC 9112 section 3.2.4
			return authority, fine
		default:
			t = slash
		}
	}
	r.Target, r.Path, r.Query = t, t, nil
	if marks&isQuestion != 0 {
		if i := bytes.IndexByte(t, '?'); i >= 0 {
			r.Path, r.Query = t[:i], t[i+1:]
		}
	}
	if marks&isSlash != 0 && bytes.IndexByte(r.Path, '\\') >= 0 {
		return nil, faultBackslash
	}
	if marks&isPercent != 0 && (!percents(r.Path, true) || !percents(r.Query, false)) {
		return nil, faultPercent
	}
	return authority, fine
}

// absolute cuts scheme and authority off an absolute-form target. The authority is empty if it is not one.
func absolute(t []byte) (authority, rest []byte) {
	switch {
	case len(t) > 7 && sameFold(t[:7], []byte("http://")):
		t = t[7:]
	case len(t) > 8 && sameFold(t[:8], []byte("https://")):
		t = t[8:]
	default:
		return nil, nil
	}
	for i, c := range t {
		if c == '/' || c == '?' {
			return t[:i], t[i:]
		}
	}
	return t, nil
}

// percents reports whether every '%' in s starts an encoded byte, and, in a path, none of them is NUL.
func percents[T ~string | ~[]byte](s T, path bool) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || class[s[i+1]]&isHex == 0 || class[s[i+2]]&isHex == 0 {
			return false
		}
		if path && s[i+1] == '0' && s[i+2] == '0' {
			return false
		}
		i += 2
	}
	return true
}
