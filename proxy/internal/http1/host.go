package http1

// ValidHost reports whether s is a host with an optional port (RFC 3986 sections 3.2.2 and 3.2.3), not empty: a
// registered name, an IPv4 address or an IPv6 address in brackets, without zone; a port of 1 to 65535. User
// information, an empty port and future address forms are refused.
func ValidHost[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 {
		return false
	}
	i := 0
	if s[0] == '[' {
		for i < len(s) && s[i] != ']' {
			i++
		}
		if i == len(s) || !validIPv6(s[1:i]) {
			return false
		}
		i++
	} else {
		for i < len(s) && class[s[i]]&isHost != 0 {
			i++
		}
		if i < len(s) && s[i] == '%' {
			for i < len(s) && s[i] != ':' {
				if class[s[i]]&(isHost|isPercent) == 0 {
					return false
				}
				i++
			}
			if !percents(s[:i], true) {
				return false
			}
		}
		if i == 0 {
			return false
		}
	}
	return i == len(s) || s[i] == ':' && validPort(s[i+1:])
}

func validPort[T ~string | ~[]byte](s T) bool {
	if len(s) == 0 || len(s) > 5 {
		return false
	}
	n := 0
	for i := range len(s) {
		if class[s[i]]&isDigit == 0 {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return 1 <= n && n <= 65535
}

// validIPv6 reports whether s is an IPv6 address (RFC 3986: IPv6address).
func validIPv6[T ~string | ~[]byte](s T) bool {
	groups, gap := 0, false
	i := 0
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		gap, i = true, 2
	}
	for i < len(s) {
		start := i
		for i < len(s) && class[s[i]]&isHex != 0 {
			i++
		}
		if i < len(s) && s[i] == '.' {
			if !validIPv4(s[start:]) {
				return false
			}
			groups += 2
			return groups == 8 && !gap || groups < 8 && gap
		}
		if i == start || i-start > 4 {
			return false
		}
		groups++
		if i == len(s) {
			break
		}
		if s[i] != ':' || i+1 == len(s) {
			return false
		}
		i++
		if s[i] == ':' {
			if gap {
				return false
			}
			gap = true
			i++
		}
	}
	return groups == 8 && !gap || groups < 8 && gap
}

// validIPv4 reports whether s is four decimal octets without leading zeros.
func validIPv4[T ~string | ~[]byte](s T) bool {
	i := 0
	for octet := range 4 {
		if octet > 0 {
			if i == len(s) || s[i] != '.' {
				return false
			}
			i++
		}
		start, n := i, 0
		for i < len(s) && i-start < 3 && class[s[i]]&isDigit != 0 {
			n = n*10 + int(s[i]-'0')
			i++
		}
		if i == start || n > 255 || i-start > 1 && s[start] == '0' {
			return false
		}
	}
	return i == len(s)
}
