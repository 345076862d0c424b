package vrrp

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// codecPairs are pairs of routers that understand each other.
var codecPairs = []codecPair{
	{"version 3", "192.0.2.1:0", "192.0.2.2:0", vips4, nil},
	{"version 3, HMAC", "192.0.2.1:0", "192.0.2.2:0", vips4, []Option{WithHMAC(testKey(7), HMACAlso(testKey(8)))}},
	{"version 3, HMAC, ports", "192.0.2.1:1985", "192.0.2.2:1985", vips4, []Option{WithHMAC(testKey(7))}},
	{"version 2, password", "192.0.2.1:0", "192.0.2.2:0", vips4, []Option{WithVersion(2), WithPassword("secret12")}},
	{"version 2, HMAC", "192.0.2.1:0", "192.0.2.2:0", vips4, []Option{WithVersion(2), WithHMAC(testKey(7))}},
	{"IPv6", "[fe80::1]:0", "[fe80::2]:0", vips6, nil},
	{"IPv6, HMAC", "[fe80::1]:0", "[fe80::2]:0", vips6, []Option{WithHMAC(testKey(7))}},
}

type codecPair struct {
	name, a, b string
	vips       []netip.Prefix
	opts       []Option
}

// pair returns the codecs of a, and of b, which have each other as unicast peer.
func (w codecPair) pair(t testing.TB) (a, b *codec) {
	a = testCodec(t, w.a, w.vips, []string{w.b}, w.opts...)
	b = testCodec(t, w.b, w.vips, []string{w.a}, w.opts...)
	return a, b
}

// peersOnly is a link for newCodec.
type peersOnly struct {
	Link
	to []netip.AddrPort
}

func (p peersOnly) Peers() []netip.AddrPort { return p.to }

// testCodec is the codec of router 51 at self, which sends to the addresses to.
func testCodec(t testing.TB, self string, vips []netip.Prefix, to []string, opts ...Option) *codec {
	t.Helper()
	c := defaults()
	if err := option.Apply(&c, opts); err != nil {
		t.Fatal(err)
	}
	me := netip.MustParseAddrPort(self)
	if err := errors.Join(c.checkDialect(familyOf(me.Addr())), errors.Join(c.settings.validate()...)); err != nil {
		t.Fatal(err)
	}
	var link peersOnly
	for _, a := range to {
		link.to = append(link.to, netip.MustParseAddrPort(a))
	}
	return newCodec(&c, 51, familyOf(me.Addr()), me, addrsOf(vips), link, new(scratch))
}

func TestAllocationsOfCodec(t *testing.T) {
	for _, g := range golden {
		var a Advert
		b, src, dst := g.bytes(), g.src(), g.dst()
		var out []byte
		var err error
		gate(t, g.name, 1000, func() {
			if err = a.Parse(b, src, dst); err != nil {
				return
			}
			out, err = a.AppendTo(out[:0], src, dst)
		})
		if err != nil {
			t.Error(err)
		}
	}
	var a Advert
	g := golden[goldenV3]
	b, stranger, dst := g.bytes(), netip.MustParseAddr("10.77.0.9"), g.dst()
	gate(t, "drop", 1000, func() {
		if a.Parse(b, stranger, dst) != DropChecksum {
			t.Fatal("not dropped")
		}
	})
}

// The whole way of an advert, but for the system calls: in both versions, with a
// password, and with a trailer, and what is dropped for one.
func TestAllocationsOfAdverts(t *testing.T) {
	for _, c := range codecPairs {
		out, in := c.pair(t)
		wall := wall0
		var replayed DropReason
		gate(t, c.name, 1000, func() {
			wall = wall.Add(time.Second)
			for _, p := range out.out.build(150, time.Second, wall) {
				if why := in.in.inspect(&p, wall); why != 0 {
					t.Fatal(why)
				}
				replayed = in.in.inspect(&p, wall)
			}
			if in.in.strangers() || !in.in.sameAddrs() {
				t.Fatal("other addresses")
			}
		})
		if want := map[bool]DropReason{true: DropHMACReplay}[in.signed()]; replayed != want {
			t.Errorf("%s: sent again: %v, want %v", c.name, replayed, want)
		}
	}
}

func BenchmarkAdvertParse(b *testing.B) {
	for _, i := range []int{goldenV3, goldenV6, goldenPassword} {
		g := golden[i]
		b.Run(g.name, func(b *testing.B) {
			var a Advert
			data, src, dst := g.bytes(), g.src(), g.dst()
			b.ReportAllocs()
			for b.Loop() {
				if err := a.Parse(data, src, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAdvertAppend(b *testing.B) {
	for _, i := range []int{goldenV3, goldenV6, goldenPassword} {
		g := golden[i]
		b.Run(g.name, func(b *testing.B) {
			a, src, dst := g.advert, g.src(), g.dst()
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out = a.appendTo(out[:0], familyOf(src), src, dst)
			}
		})
	}
}

// Building and inspecting an advert, the way there and back but for the system
// calls.
func BenchmarkAdvert(b *testing.B) {
	for _, c := range codecPairs {
		b.Run(c.name, func(b *testing.B) {
			out, in := c.pair(b)
			wall := wall0
			b.ReportAllocs()
			for b.Loop() {
				wall = wall.Add(time.Second)
				for _, p := range out.out.build(150, time.Second, wall) {
					if why := in.in.inspect(&p, wall); why != 0 {
						b.Fatal(why)
					}
				}
			}
		})
	}
}

// What a stranger's packet costs before it is dropped.
func BenchmarkDrop(b *testing.B) {
	out, in := codecPairs[1].pair(b)
	good := out.out.build(150, time.Second, wall0)[0]
	for name, edit := range map[string]func(p *Packet){
		"vrid": func(p *Packet) { p.Data[1]++ }, "hmac": func(p *Packet) { p.Data[len(p.Data)-1]++ },
		"hmac-stale": func(p *Packet) { p.Data[len(p.Data)-macLen-8]++ },
	} {
		p := good
		p.Data = append([]byte(nil), good.Data...)
		edit(&p)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if why := in.in.inspect(&p, wall0); why.String() != name {
					b.Fatal(why)
				}
			}
		})
	}
}
