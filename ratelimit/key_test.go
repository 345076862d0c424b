package ratelimit

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
)

func TestKeyPrefix(t *testing.T) {
	for _, test := range []struct {
		name    string
		prefix4 int
		prefix6 int
		a, b    string
		same    bool
	}{
		{"IPv4", 32, 64, "192.0.2.1", "192.0.2.1", true},
		{"other IPv4", 32, 64, "192.0.2.1", "192.0.2.2", false},
		{"IPv4 mapped", 32, 64, "192.0.2.1", "::ffff:192.0.2.1", true},
		{"IPv4 mapped of another", 32, 64, "192.0.2.1", "::ffff:192.0.2.2", false},
		{"IPv4 is not the IPv6 of that number", 32, 128, "192.0.2.1", "::192.0.2.1", false},
		{"IPv4 /24", 24, 64, "192.0.2.1", "192.0.2.254", true},
		{"IPv4 /24 mapped", 24, 64, "::ffff:192.0.2.1", "192.0.2.254", true},
		{"other IPv4 /24", 24, 64, "192.0.2.1", "192.0.3.1", false},
		{"IPv4 /0", 0, 64, "192.0.2.1", "203.0.113.1", true},
		{"IPv4 /0 is not IPv6", 0, 0, "192.0.2.1", "2001:db8::1", false},
		{"IPv6 /64", 32, 64, "2001:db8::1", "2001:db8::ffff:2", true},
		{"other IPv6 /64", 32, 64, "2001:db8::1", "2001:db8:0:1::1", false},
		{"IPv6 /48", 32, 48, "2001:db8::1", "2001:db8:0:ffff::1", true},
		{"other IPv6 /48", 32, 48, "2001:db8::1", "2001:db8:1::1", false},
		{"IPv6 /128", 32, 128, "2001:db8::1", "2001:db8::2", false},
		{"IPv6 /96", 32, 96, "2001:db8::1:1", "2001:db8::1:2", true},
		{"other IPv6 /96", 32, 96, "2001:db8::1:0:1", "2001:db8::2:0:1", false},
		{"IPv6 /0", 32, 0, "2001:db8::1", "2001:db9::1", true},
		{"link-local stands alone", 32, 64, "fe80::1", "fe80::2", false},
		{"the zone of an address does not count", 32, 64, "fe80::1%eth0", "fe80::1%eth1", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHasher(test.prefix4, test.prefix6)
			a, okA := h.addr(netip.MustParseAddr(test.a))
			b, okB := h.addr(netip.MustParseAddr(test.b))
			if !okA || !okB || (a == b) != test.same {
				t.Errorf("fingerprints of %s and %s: equal is %v, want %v", test.a, test.b, a == b, test.same)
			}
		})
	}
}

func TestKeyEmpty(t *testing.T) {
	h := newHasher(32, 64)
	if _, ok := fingerprint(&h, netip.Addr{}); ok {
		t.Error("the zero address is a key")
	}
	if _, ok := fingerprint(&h, ""); ok {
		t.Error("an empty text is a key")
	}
	if _, ok := fingerprint(&h, []byte{}); ok {
		t.Error("no bytes are a key")
	}
	if p, ok := fingerprint(&h, uint64(0)); !ok || p == 0 {
		t.Error("0 is no key")
	}
	if p, ok := fingerprint(&h, netip.IPv6Unspecified()); !ok || p == 0 {
		t.Error(":: is no key")
	}
}

// TestKeyBind: the hash of a key function is that of its keys.
func TestKeyBind(t *testing.T) {
	h := newHasher(32, 64)
	checkBind(t, &h, netip.MustParseAddr("192.0.2.1"), netip.Addr{})
	checkBind(t, &h, "text", "")
	checkBind(t, &h, []byte("bytes"), nil)
	checkBind(t, &h, uint64(42), uint64(43))
}

func checkBind[K Key](t *testing.T, h *hasher, key, other K) {
	t.Helper()
	f := bind(h, func(which int) (K, bool) {
		if which == 1 {
			return other, true
		}
		return key, which == 0
	})
	for i, k := range []K{key, other} {
		want, wantOK := fingerprint(h, k)
		if got, ok := f(i); got != want || ok != wantOK {
			t.Errorf("%T %v: %x, %v, want %x, %v", k, k, got, ok, want, wantOK)
		}
	}
	if _, ok := f(2); ok {
		t.Errorf("%T: a key where there is none", key)
	}
}

// TestKeySpread: fingerprints of a million neighbours are all different, and evenly spread by their top and their low
// bits, which choose the buckets.
func TestKeySpread(t *testing.T) {
	n := 1 << 20
	if race.Enabled {
		n = 1 << 17
	}
	h := newHasher(32, 128)
	rng := rand.New(rand.NewPCG(4, 4))
	for name, print := range map[string]func(i int) uint64{
		"IPv4": func(i int) uint64 {
			p, _ := h.addr(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
			return p
		},
		"IPv6 networks": func(i int) uint64 {
			p, _ := h.addr(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i)}))
			return p
		},
		"IPv6 hosts": func(i int) uint64 {
			p, _ := h.addr(netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}))
			return p
		},
		"numbers": func(i int) uint64 { p, _ := h.number(uint64(i)); return p },
		"shifted": func(i int) uint64 { p, _ := h.number(uint64(i) << 44); return p },
		"random":  func(int) uint64 { p, _ := h.number(rng.Uint64()); return p },
	} {
		seen := make(map[uint64]bool, n)
		var top, low [256]int
		for i := range n {
			p := print(i)
			seen[p] = true
			top[p>>56]++
			low[uint32(p)>>24]++
		}
		if len(seen) != n {
			t.Errorf("%s: %d of %d fingerprints collide", name, n-len(seen), n)
		}
		for i := range top {
			if top[i] < n/256*3/4 || top[i] > n/256*5/4 || low[i] < n/256*3/4 || low[i] > n/256*5/4 {
				t.Errorf("%s: %d and %d of %d keys begin with %x, want about %d", name, top[i], low[i], n, i, n/256)
			}
		}
	}
}
