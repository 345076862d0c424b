package http1

// length parses a Content-Length (RFC 9110 section 8.6): 1 to 19 digits that fit in an int64, nothing else. Lists
// of equal values, which the RFC lets a recipient repair, are refused.
func length(v []byte) (int64, bool) {
	if len(v) == 0 || len(v) > 19 {
		return 0, false
	}
	var n uint64 // 19 digits stay below 2^64
	for _, c := range v {
		c -= '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return int64(n), int64(n) >= 0
}

// coding judges the value of the only Transfer-Encoding: fine for exactly "chunked", in any case.
// RFC 9112 section 6.3: a request whose last coding is not chunked is a 400; section 6.1: a coding that is not
// understood is a 501.
func coding(v []byte) fault {
	if fold(v, "chunked") {
		return fine
	}
	last := true
	for end := len(v); end >= 0; {
		start := end
		for start > 0 && v[start-1] != ',' {
			start--
		}
		chunked := fold(trim(v[start:end]), "chunked")
		if chunked != last {
			return faultCodingOrder
		}
		last = false
		end = start - 1
	}
	return faultCoding
}

// body finds how the body is delimited. The caller has the last word about messages that have none whatever
// their fields say. n is -1 without Content-Length, fr is None without either field.
func (s *section) body(minor uint8) (fr Framing, n int64, f fault) {
	const framing = 1<<ContentLength | 1<<TransferEncoding
	if s.seen&framing == 0 {
		return None, -1, fine
	}
	switch {
	case s.seen&framing == framing:
		return None, -1, faultLengthAndCoding
	case s.twice.Has(ContentLength):
		return None, -1, faultManyLengths
	case s.twice.Has(TransferEncoding):
		return None, -1, faultManyCodings
	case s.seen.Has(ContentLength):
		n, ok := length(s.value(ContentLength))
		if !ok {
			return None, -1, faultLength
		}
		return Length, n, fine
	case minor == 0:
		// RFC 9112 section 6.1: the framing of such a message is faulty.
		return None, -1, faultCodingOld
	}
	if f := coding(s.value(TransferEncoding)); f != fine {
		return None, -1, f
	}
	return Chunked, -1, fine
}
