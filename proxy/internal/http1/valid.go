package http1

// ValidMethod reports whether s is a method the engine accepts: a token (RFC 9110 section 5.6.2) of at most 32
// bytes, and not CONNECT.
func ValidMethod[T ~string | ~[]byte](s T) bool {
	return len(s) <= maxMethod && ValidFieldName(s) && string(s) != "CONNECT"
}

// ValidTarget reports whether s is an origin-form target that the engine accepts, or "*" (which only OPTIONS may
// have): printable ASCII without '#', every '%' followed by two hexadecimal digits, no "%00" and no backslash
// in the path.
func ValidTarget[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || s[0] != '/' {
		return len(s) == 1 && s[0] == '*'
	}
	path := -1
	for i := range len(s) {
		c := class[s[i]]
		switch {
		case c&isTarget == 0, c&isSlash != 0 && path < 0:
			return false
		case c&isQuestion != 0 && path < 0:
			path = i
		}
	}
	if path < 0 {
		path = len(s)
	}
	return percents(s[:path], true) && percents(s[path:], false)
}

// ValidFieldName reports whether s is a field name: a token of at least one character.
func ValidFieldName[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if class[s[i]]&isToken == 0 {
			return false
		}
	}
	return len(s) > 0
}

// ValidFieldValue reports whether s may stand as a field value (RFC 9110 section 5.5): no control characters but
// HTAB, and no white space around it. An empty value is valid.
func ValidFieldValue[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 {
		return true
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return !blankByte(s[0]) && !blankByte(s[len(s)-1])
}

func blankByte(c byte) bool { return c == ' ' || c == '\t' }
