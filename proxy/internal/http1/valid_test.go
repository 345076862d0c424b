package http1

import (
	"net/netip"
	"strings"
	"testing"
)

func TestValid(t *testing.T) {
	type row struct {
		s  string
		ok bool
	}
	for name, c := range map[string]struct {
		valid func(string) bool
		bytes func([]byte) bool
		rows  []row
	}{
		"method": {ValidMethod[string], ValidMethod[[]byte], []row{
			{"GET", true}, {"M-SEARCH", true}, {strings.Repeat("M", 32), true},
			{"", false}, {"CONNECT", false}, {"G T", false}, {"GET\r", false}, {strings.Repeat("M", 33), false},
		}},
		"target": {ValidTarget[string], ValidTarget[[]byte], []row{
			{"/", true}, {"*", true}, {"/a?b\\c", true}, {"/%41?%42", true}, {"/?%00", true}, {"//x", true},
			{"", false}, {"a", false}, {"**", false}, {"*a", false}, {"?a", false}, {"/a b", false}, {"/#", false}, {"/?#", false}, {"/\\", false},
			{"/%", false}, {"/%4", false}, {"/%4?1", false}, {"/%zz", false}, {"/%00", false}, {"/?%", false}, {"/\xe9", false}, {"/\x7f", false}, {"/\r\n", false}, {"http://a.example/", false},
		}},
		"host": {ValidHost[string], ValidHost[[]byte], []row{
			{"a.example", true}, {"A.EXAMPLE.", true}, {"a_b-c", true}, {"a.example:1", true}, {"a.example:65535", true}, {"192.0.2.1:80", true},
			{"[::1]", true}, {"[2001:db8::192.0.2.1]:80", true}, {"%61.example", true}, {"a%C3%A9:80", true}, {"a!$&'()*+,;=", true},
			{"", false}, {":80", false}, {"a:", false}, {"a:0", false}, {"a:65536", false}, {"a:080808", false}, {"a:1x", false}, {"a b", false},
			{"u@a", false}, {"a/b", false}, {"a\\b", false}, {"a%", false}, {"a%4", false}, {"a%00", false}, {"a%41@b", false}, {"\xe9", false}, {"[::1", false}, {"::1", false}, {"[::1]a", false}, {"[]", false}, {"[::1%25eth0]", false}, {"[v1.a]", false},
		}},
		"name": {ValidFieldName[string], ValidFieldName[[]byte], []row{
			{"X", true}, {"x-y_z.!#$%&'*+^`|~09", true}, {"", false}, {"x y", false}, {"x:", false}, {"x\x00", false}, {"\xe9", false}, {"(x)", false},
		}},
		"value": {ValidFieldValue[string], ValidFieldValue[[]byte], []row{
			{"", true}, {"a b\tc", true}, {"\xe9\xff", true}, {"\"q\"", true}, {" a", false}, {"a ", false}, {"\ta", false}, {"a\r\nb", false}, {"a\nb", false}, {"a\x00", false}, {"\x7f", false}, {" ", false},
		}},
	} {
		for _, r := range c.rows {
			if c.valid(r.s) != r.ok || c.bytes([]byte(r.s)) != r.ok {
				t.Errorf("%s %q: %v, want %v", name, r.s, c.valid(r.s), r.ok)
			}
		}
	}
}

// The address checks agree with net/netip on everything that can be written with a few characters.
func TestValidAddressesAsNetip(t *testing.T) {
	var walk func(s string, alphabet string, left int, check func(string))
	walk = func(s, alphabet string, left int, check func(string)) {
		check(s)
		if left == 0 {
			return
		}
		for _, c := range alphabet {
			walk(s+string(c), alphabet, left-1, check)
		}
	}
	walk("", "1:f", 8, func(s string) {
		for _, s := range []string{s, "1:2:3:4:" + s, s + "5:6:7:8", "1:2:3:" + s + ":192.0.2.1"} {
			a, err := netip.ParseAddr(s)
			if want := err == nil && a.Is6(); validIPv6(s) != want {
				t.Fatalf("validIPv6(%q) = %v, want %v", s, !want, want)
			}
		}
	})
	walk("", "02.", 7, func(s string) {
		for _, s := range []string{s, "192.0." + s, "25" + s + ".0.0"} {
			a, err := netip.ParseAddr(s)
			if want := err == nil && a.Is4(); validIPv4(s) != want {
				t.Fatalf("validIPv4(%q) = %v, want %v", s, !want, want)
			}
		}
	})
}

func TestLookup(t *testing.T) {
	for id := Other + 1; id < numIDs; id++ {
		name := names[id]
		if name == "" {
			t.Fatalf("ID %d has no name", id)
		}
		for _, s := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got := Lookup([]byte(s)); got != id {
				t.Errorf("Lookup(%q) = %d, want %d", s, got, id)
			}
		}
		for i := range len(name) { // every byte counts
			b := []byte(name)
			b[i] ^= 2
			if class[b[i]]&isToken != 0 && Lookup(b) == id {
				t.Errorf("Lookup(%q) = %d", b, id)
			}
			if got := Lookup([]byte(name[:i] + "x" + name[i:])); got == id {
				t.Errorf("Lookup with a byte more = %d", id)
			}
		}
	}
	if numIDs > 64 {
		t.Errorf("%d IDs do not fit in a Set", numIDs)
	}
	if s := SetOf(Host, Allow); !s.Has(Host) || !s.Has(Allow) || s.Has(Via) || s.Has(Other) {
		t.Error("Set is wrong")
	}
}

// stop agrees with a byte-by-byte model on every position of every byte.
func TestStop(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := []byte(strings.Repeat("a", at) + string([]byte{byte(c)}) + "\t~ \xff bcdefghij\r")
			want := at
			if c >= 0x20 && c != 0x7f || c == '\t' {
				want = len(b) - 1
			}
			if got := stop(b, 0); got != want {
				t.Fatalf("byte %#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}
