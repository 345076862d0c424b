package rtnl

import (
	"net/netip"
	"testing"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// address is a permanent address of link 1.
func address(s string, change ...func(*Addr)) Addr {
	a := Addr{Index: 1, Prefix: prefix(s), Permanent: true}
	for _, f := range change {
		f(&a)
	}
	return a
}

func secondary(a *Addr)  { a.Secondary = true }
func tentative(a *Addr)  { a.Tentative = true }
func deprecated(a *Addr) { a.Deprecated = true }
func leased(a *Addr)     { a.Permanent = false }
func tagged(a *Addr)     { a.Protocol = 112 }
func elsewhere(a *Addr)  { a.Index = 2 }
func host(a *Addr)       { a.Scope = 254 }

func TestSource(t *testing.T) {
	for _, tt := range []struct {
		name   string
		family int
		addrs  []Addr
		want   string // empty: none
	}{
		{"none", 4, nil, ""},
		{"the first primary", 4, []Addr{address("192.0.2.1/24"), address("198.51.100.1/24")}, "192.0.2.1"},
		{"not of another link", 4, []Addr{address("192.0.2.1/24", elsewhere)}, ""},
		{"not a secondary", 4, []Addr{address("192.0.2.2/24", secondary), address("192.0.2.1/24")}, "192.0.2.1"},
		{"only a secondary", 4, []Addr{address("192.0.2.2/24", secondary)}, ""},
		{"never a skipped one", 4, []Addr{address("192.0.2.100/24", tagged)}, ""},
		{"a secondary behind a skipped primary", 4,
			[]Addr{address("192.0.2.100/24", tagged), address("192.0.2.1/24", secondary)}, "192.0.2.1"},
		{"a secondary of another subnet than the skipped primary", 4,
			[]Addr{address("192.0.2.100/24", tagged), address("198.51.100.1/24", secondary)}, ""},
		{"a skipped secondary behind a skipped primary", 4,
			[]Addr{address("192.0.2.100/24", tagged), address("192.0.2.101/24", secondary, tagged)}, ""},
		{"not tentative", 4, []Addr{address("192.0.2.1/24", tentative)}, ""},
		{"not deprecated", 4, []Addr{address("192.0.2.1/24", deprecated)}, ""},
		{"permanent before leased", 4, []Addr{address("192.0.2.1/24", leased), address("198.51.100.1/24")}, "198.51.100.1"},
		{"leased rather than none", 4, []Addr{address("192.0.2.1/24", leased)}, "192.0.2.1"},
		{"global before host scope", 4, []Addr{address("127.0.0.1/8", host), address("192.0.2.1/24")}, "192.0.2.1"},
		{"no IPv6 for IPv4", 4, []Addr{address("fe80::1/64")}, ""},
		{"link-local", 6, []Addr{address("2001:db8::1/64"), address("fe80::1/64")}, "fe80::1"},
		{"no global IPv6 address", 6, []Addr{address("2001:db8::1/64")}, ""},
		{"no tentative link-local", 6, []Addr{address("fe80::1/64", tentative)}, ""},
		{"no link-local VIP", 6, []Addr{address("fe80::100/64", tagged), address("fe80::1/64")}, "fe80::1"},
		{"no IPv4 for IPv6", 6, []Addr{address("169.254.0.1/16")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &State{Addrs: tt.addrs}
			got := s.Source(1, tt.family, func(a Addr) bool { return a.Protocol == 112 })
			want, _ := netip.ParseAddr(tt.want)
			if got != want {
				t.Errorf("Source() = %v, want %v", got, want)
			}
		})
	}
}

func TestSourceSkipsNothingWithoutSkip(t *testing.T) {
	s := &State{Addrs: []Addr{address("192.0.2.100/24", tagged), address("192.0.2.1/24", secondary)}}
	if got, want := s.Source(1, 4, nil), netip.MustParseAddr("192.0.2.100"); got != want {
		t.Errorf("Source() = %v, want %v", got, want)
	}
}

func TestStateLink(t *testing.T) {
	s := &State{Links: []Link{{Index: 1, Name: "lo"}, {Index: 7, Name: "eth0"}}}
	if l, ok := s.Link("eth0"); !ok || l.Index != 7 {
		t.Errorf("Link(eth0) = %+v, %v, want index 7", l, ok)
	}
	if l, ok := s.LinkByIndex(1); !ok || l.Name != "lo" {
		t.Errorf("LinkByIndex(1) = %+v, %v, want lo", l, ok)
	}
	if l, ok := s.Link("eth1"); ok {
		t.Errorf("Link(eth1) = %+v, want none", l)
	}
}
