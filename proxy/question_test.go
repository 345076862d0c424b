package proxy

import (
	"net/netip"
	"testing"
)

func TestClaims(t *testing.T) {
	for name, want := range map[string]bool{
		"X-Forwarded-For": true, "x-forwarded-anything": true, "X_Forwarded_For": true, "X-Forwarded_Proto": true,
		"X_Real_IP": true, "x_real-ip": true, "X-Real-IP": true,
		"X-Forwarded": false, "X-Real-IPs": false, "X-Request-ID": false, "Accept": false, "X": false, "XXForwarded-For": false,
		"X-Forward-For-Me": false,
	} {
		if got := claims([]byte(name)); got != want {
			t.Errorf("claims(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		name, proto, want string
		ip                netip.Addr
	}{
		{"IPv4", "http", "X-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n", netip.MustParseAddr("192.0.2.1")},
		{"IPv6", "https", "X-Forwarded-For: 2001:db8::1\r\nX-Real-IP: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n", netip.MustParseAddr("2001:db8::1")},
		{"no address", "http", "X-Forwarded-Proto: http\r\n", netip.Addr{}},
	} {
		if got := string(identify(nil, c.ip, c.proto)); got != c.want {
			t.Errorf("%s: identify() = %q, want %q", c.name, got, c.want)
		}
	}
}
