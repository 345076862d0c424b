package vrrp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// Any bytes: no panic, and what is read is written back as it was, but for what a
// reader ignores.
func FuzzAdvert(f *testing.F) {
	for _, g := range golden {
		f.Add(g.bytes(), g.src().Is6(), !g.dst().IsMulticast())
	}
	f.Add([]byte{0x31, 1, 100, 0, 0, 100, 0, 0}, false, false)
	f.Add([]byte{0x21, 1, 100, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false, true)
	f.Fuzz(func(t *testing.T, b []byte, six, unicast bool) {
		src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("224.0.0.18")
		if unicast {
			dst = netip.MustParseAddr("192.0.2.2")
		}
		if six {
			src, dst = netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::12")
		}
		fix(b, src, dst) // or a fuzzer would never get past the checksum
		decoded := decode(b, src, dst, 255, false)
		_ = decoded.String()
		var a, again Advert
		if err := a.Parse(b, src, dst); err != nil {
			if d, ok := err.(DropReason); !ok || decoded.Drop != d && decoded.Trailer == nil {
				t.Fatalf("Parse() = %v, decode() = %v", err, decoded)
			}
			return
		}
		if decoded.Drop != 0 || !decoded.Advert.equal(a) {
			t.Fatalf("decode() = %v, Parse() read %+v", decoded, a)
		}
		out, err := a.AppendTo(nil, src, dst)
		if err != nil {
			// What we would not send is read all the same.
			if checkAddrs(familyOf(src), a.Addrs) == nil && a.Auth != AuthHeader {
				t.Fatalf("AppendTo() = %v", err)
			}
			return
		}
		if err := again.Parse(out, src, dst); err != nil {
			t.Fatalf("Parse(AppendTo()) = %v", err)
		}
		if !a.equal(again) {
			t.Errorf("got %+v after a round trip, want %+v", again, a)
		}
		ignored := b[4]&0xf0 != 0
		if a.Version == version2 {
			ignored = a.Auth == AuthNone && !bytes.Equal(b[len(b)-authLen:], make([]byte, authLen))
		}
		if !ignored && !sameImage(b, out) {
			t.Errorf("wrote %x, read %x", out, b)
		}
	})
}

// sameImage compares messages. A checksum of 0xffff, which nobody computes, is
// as right as 0.
func sameImage(a, b []byte) bool {
	a, b = bytes.Clone(a), bytes.Clone(b)
	for _, m := range [][]byte{a, b} {
		if m[6] == 0xff && m[7] == 0xff {
			m[6], m[7] = 0, 0
		}
	}
	return bytes.Equal(a, b)
}

// fix gives b a right checksum unless its last byte is odd.
func fix(b []byte, src, dst netip.Addr) {
	if len(b) < headerLen || b[len(b)-1]&1 == 1 {
		return
	}
	resum(b, src, dst)
}

// Any bytes as a packet, signed or not: no panic; what is heard once is not heard
// again where everybody signs; and what is heard is an advert that Parse reads.
func FuzzInspect(f *testing.F) {
	for _, g := range golden {
		f.Add(g.bytes(), uint8(0), uint8(255), int64(0))
		f.Add(g.bytes(), uint8(1), uint8(255), int64(1000))
		f.Add(append(g.bytes(), make([]byte, trailerLen)...), uint8(2), uint8(0), int64(-1))
	}
	f.Fuzz(func(t *testing.T, b []byte, how, ttl uint8, late int64) {
		sign, six, two := how&1 != 0, how&2 != 0, how&4 != 0
		self, from, to, vips := "192.0.2.2:0", netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("224.0.0.18:0"), vips4
		if six {
			self, from, to, vips = "[fe80::2]:0", netip.MustParseAddrPort("[fe80::1]:0"), netip.MustParseAddrPort("[ff02::12]:0"), vips6
		}
		var opts []Option
		if two && !six {
			opts = append(opts, WithVersion(2))
		}
		mode := how >> 3 & 3
		var refine []HMACOption
		switch mode {
		case 1:
			refine = append(refine, HMACPermissive())
		case 2:
			refine = append(refine, HMACMonotonic())
		}
		if mode != 3 {
			opts = append(opts, WithHMAC(testKey(7), refine...))
		}
		k := testCodec(t, self, vips, []string{to.String()}, opts...)
		fix(b, from.Addr(), to.Addr())
		if sign && len(b) >= headerLen {
			b = newAuthenticator(testKey(7), k.family, 51, time.Second, 1).sign(b, b, from, wall0)
		}
		wall := wall0.Add(time.Duration(late))
		p := Packet{Data: b, From: from, To: to, TTL: ttl, AH: how>>7 == 1}
		if why := k.in.inspect(&p, wall); why != 0 {
			if len(k.in.heard.list()) != 0 {
				t.Errorf("%v, and it was heard", why)
			}
			return
		}
		n := messageLen(b, k.family)
		var a Advert
		if err := a.Parse(b[:n], from.Addr(), to.Addr()); err != nil || !a.equal(*k.in.advert) || p.AH || ttl != 0 && ttl != 255 {
			t.Errorf("heard %+v, Parse() = %+v, %v", k.in.advert, a, err)
		}
		if why := k.in.inspect(&p, wall); why == 0 && len(b) > n {
			t.Error("heard twice")
		}
		if mode == 0 && len(b) == n {
			t.Error("heard without a trailer")
		}
	})
}

// Any bytes as an IP authentication header, and what is behind it.
func FuzzAH(f *testing.F) {
	f.Add([]byte{112, 4, 0, 0, 10, 77, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x21, 51, 150, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rest, ok := parseAH(b)
		if !ok {
			return
		}
		if len(rest) != len(b)-ahLen || b[0] != protocol || uint32(b[4])<<24|uint32(b[5])<<16|uint32(b[6])<<8|uint32(b[7]) != h.spi {
			t.Errorf("parseAH(%x) = %+v, %x", b, h, rest)
		}
		if heard := decode(rest, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("224.0.0.18"), 255, true); heard.Drop == 0 || heard.String() == "" {
			t.Errorf("shown as %v", heard)
		}
	})
}

// Any events at any time: the machine keeps what its driver relies on, which
// world.step checks, and ends when told.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 200, 4, 0, 50, 8, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{9, 40, 1, 0, 0, 255, 255, 3, 0, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 255, 0, 255, 0, 255, 0, 255, 10, 11, 200, 0, 1, 12, 9, 0, 13, 2, 14, 2, 7, 2, 6, 8, 2, 0, 9, 1, 1, 1, 3, 5})
	f.Fuzz(func(t *testing.T, script []byte) {
		set := testSettings()
		w := newWorld(1)
		n := w.add("n", self, set)
		n.running = true
		next := func() byte {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return b
		}
		for len(script) > 0 {
			kind := eventKind(next()) % (evIdentity + 1)
			ev := event{kind: kind}
			switch kind {
			case evTick:
				if n.deadline() != never {
					w.now = max(w.now, n.deadline())
				}
			case evAdvert:
				ev.priority = next()
				ev.from = []netip.AddrPort{lowPeer, self, highPeer}[next()%3]
				ev.interval = centisecond * time.Duration(1+int(next())<<4)
			case evFault:
				ev.fault = faultSet(next()%31 + 1)
				ev.retry = ev.fault&faultAddresses != 0 && next()%2 == 0
			case evClear:
				ev.fault = faultSet(next()%31 + 1)
			case evInstalled: // only of what is held, which the world sees to
				ev.kind = evNeighbors
			case evTrack:
				ev.delta, ev.down = 4*(int(next())-128), next()%4 == 0
			case evIdentity:
				ev.from = []netip.AddrPort{lowPeer, self, highPeer}[next()%3]
			case evSettings:
				ev.settings = settings{
					priority: max(1, next()), interval: centisecond * time.Duration(1+int(next())<<4), preempt: next()%2 == 0,
					preemptDelay: time.Duration(next()) * time.Second, adverts: 1 + int(next()%100), version: 2 + int(next()%2),
					plan: AnnouncePlan{Burst: int(next()) - 1, Repeat: int(next()) - 1, Spacing: time.Duration(next()) * time.Millisecond},
				}
				q := next()
				ev.settings.quirks = quirks{q&1 != 0, q&2 != 0, q&4 != 0, q&8 != 0}
			}
			w.now = after(w.now, time.Duration(next())*time.Millisecond)
			w.step(n, ev)
		}
		w.step(n, event{kind: evShutdown})
		if at := n.deadline(); n.state == Active {
			w.now = at
			w.step(n, event{kind: evTick})
		}
		n.expect(n.state == Initialize && n.deadline() == never, "%v after a shutdown", n.state)
		if p := w.problems(); p != "" {
			t.Error(p)
		}
	})
}
