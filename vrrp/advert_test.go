package vrrp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// golden are adverts captured from keepalived 2.2.7 (Debian 12), unless the
// name says otherwise.
var golden = []sample{
	{"multicast", "10.77.0.1", "224.0.0.18", "31339601006442d90a4d0064", Advert{51, 150, time.Second, addrs("10.77.0.100"), PseudoHeader}},
	{"resigning", "10.77.0.1", "224.0.0.18", "313300010064d8d90a4d0064", Advert{51, 0, time.Second, addrs("10.77.0.100"), PseudoHeader}},
	{"heir", "10.77.0.2", "224.0.0.18", "31336401006474d80a4d0064", Advert{51, 100, time.Second, addrs("10.77.0.100"), PseudoHeader}},
	{"100 ms", "10.77.0.1", "224.0.0.18", "31339601000a43330a4d0064", Advert{51, 150, 100 * time.Millisecond, addrs("10.77.0.100"), PseudoHeader}},
	{"10 ms", "10.77.0.1", "224.0.0.18", "313396010001433c0a4d0064", Advert{51, 150, 10 * time.Millisecond, addrs("10.77.0.100"), PseudoHeader}},
	{"2 s", "10.77.0.2", "224.0.0.18", "3133640100c874740a4d0064", Advert{51, 100, 2 * time.Second, addrs("10.77.0.100"), PseudoHeader}},
	{"owner", "10.77.0.1", "224.0.0.18", "3133ff010064d9d80a4d0064", Advert{51, 255, time.Second, addrs("10.77.0.100"), PseudoHeader}},
	{
		"three addresses", "10.77.0.1", "224.0.0.18", "3133960300642d6a0a4d00640a4d00650a4d0066",
		Advert{51, 150, time.Second, addrs("10.77.0.100", "10.77.0.101", "10.77.0.102"), PseudoHeader},
	},
	{"unicast", "10.77.0.1", "10.77.0.2", "313396010064189d0a4d0064", Advert{51, 150, time.Second, addrs("10.77.0.100"), PseudoHeader}},
	{
		"IPv6", "fe80::77:ff:fe00:1", "ff02::12", "3133960200643cc7fe800000000000000000000001000000fd770000000000000000000001000000",
		Advert{51, 150, time.Second, addrs("fe80::100:0", "fd77::100:0"), PseudoHeader},
	},
	{
		"IPv6 unicast", "fd77::1", "fd77::2", "3133960200643ee2fe800000000000000000000001000000fd770000000000000000000001000000",
		Advert{51, 150, time.Second, addrs("fe80::100:0", "fd77::100:0"), PseudoHeader},
	},
	// 0x3133 + 0x9601 + 0x0064 + 0x0a4d + 0x0064 = 0xd249
	{"made by hand: message only", "10.77.0.1", "224.0.0.18", "3133960100642db60a4d0064", Advert{51, 150, time.Second, addrs("10.77.0.100"), MessageOnly}},
}

type sample struct {
	name, from, to, hex string
	advert              Advert
}

func (s sample) bytes() []byte {
	b, err := hex.DecodeString(s.hex)
	if err != nil {
		panic(err)
	}
	return b
}

func (s sample) src() netip.Addr { return netip.MustParseAddr(s.from) }
func (s sample) dst() netip.Addr { return netip.MustParseAddr(s.to) }

func addrs(list ...string) (out []netip.Addr) {
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func (a Advert) equal(b Advert) bool {
	return a.VRID == b.VRID && a.Priority == b.Priority && a.Interval == b.Interval && a.Checksum == b.Checksum && slices.Equal(a.Addrs, b.Addrs)
}

func TestAdvertGolden(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			var a Advert
			if err := a.Parse(g.bytes(), g.src(), g.dst()); err != nil {
				t.Fatalf("Parse() = %v", err)
			}
			if !a.equal(g.advert) {
				t.Errorf("Parse() read %+v, want %+v", a, g.advert)
			}
			out, err := a.AppendTo([]byte("before"), g.src(), g.dst())
			if want := append([]byte("before"), g.bytes()...); err != nil || !bytes.Equal(out, want) {
				t.Errorf("AppendTo() = %x, %v, want %x", out, err, want)
			}
		})
	}
}

func TestAdvertCarries255Addresses(t *testing.T) {
	for _, c := range []struct{ src, dst, first string }{
		{"192.0.2.1", "224.0.0.18", "198.51.100.0"}, {"fe80::1", "ff02::12", "fe80::100:0"},
	} {
		want := Advert{VRID: 255, Priority: 1, Interval: maxInterval}
		for a := netip.MustParseAddr(c.first); len(want.Addrs) < maxAddrs; a = a.Next() {
			want.Addrs = append(want.Addrs, a)
		}
		src, dst := netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst)
		b, err := want.AppendTo(nil, src, dst)
		if err != nil {
			t.Fatal(err)
		}
		var got Advert
		if err := got.Parse(b, src, dst); err != nil || !got.equal(want) {
			t.Errorf("Parse(AppendTo()) = %+v, %v", got, err)
		}
		want.Addrs = append(want.Addrs, want.Addrs[254].Next())
		if _, err := want.AppendTo(nil, src, dst); err == nil {
			t.Error("AppendTo() took 256 addresses")
		}
	}
}

// Every byte changed to every value, every truncation and every byte too many.
func TestAdvertMutations(t *testing.T) {
	for _, g := range golden {
		var a Advert
		whole := g.bytes()
		for i := range whole {
			for v := range 256 {
				b := bytes.Clone(whole)
				if b[i] = byte(v); v == int(whole[i]) {
					continue
				}
				want := DropChecksum
				switch {
				case i == 0 && v>>4 != 3:
					want = DropVersion
				case i == 0:
					want = DropType
				case i == 1 && v == 0:
					want = DropVRID
				case i == 3:
					want = DropLength
				}
				if err := a.Parse(b, g.src(), g.dst()); err != want {
					t.Errorf("%s: byte %d = %#x: Parse() = %v, want %v", g.name, i, v, err, want)
				}
			}
			if err := a.Parse(whole[:i], g.src(), g.dst()); err != DropLength {
				t.Errorf("%s: %d bytes: Parse() = %v, want %v", g.name, i, err, DropLength)
			}
		}
		if err := a.Parse(append(whole, 0), g.src(), g.dst()); err != DropLength {
			t.Errorf("%s: a byte too many: Parse() = %v, want %v", g.name, err, DropLength)
		}
	}
}

// resum writes the right checksum.
func resum(b []byte, src, dst netip.Addr) []byte {
	b[6], b[7] = 0, 0
	sum := ^fold(sum16(0, b) + pseudoSum(familyOf(src), src, dst, len(b)))
	b[6], b[7] = byte(sum>>8), byte(sum)
	return b
}

func TestRFC9568_7_1_FieldChecks(t *testing.T) {
	four, six := golden[0], golden[9]
	for _, c := range []struct {
		name string
		s    sample
		edit func(b []byte) []byte
		want error
	}{
		{"reserved bits are ignored", four, func(b []byte) []byte { b[4] |= 0xf0; return b }, nil},
		{"no addresses", four, func(b []byte) []byte { b[3] = 0; return b[:8] }, DropCount},
		{"interval 0", four, func(b []byte) []byte { b[4], b[5] = 0xf0, 0; return b }, DropInterval},
		{"longest interval", four, func(b []byte) []byte { b[4], b[5] = 0xff, 0xff; return b }, nil},
		{"first IPv6 address is global", six, func(b []byte) []byte { b[8] = 0x20; return b }, DropLinkLocal},
		{"later IPv6 address is global", six, func(b []byte) []byte { b[24] = 0x20; return b }, nil},
	} {
		b := resum(c.edit(c.s.bytes()), c.s.src(), c.s.dst())
		var a Advert
		if err := a.Parse(b, c.s.src(), c.s.dst()); err != c.want {
			t.Errorf("%s: Parse() = %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRFC9568_5_2_8_ChecksumForms(t *testing.T) {
	src, dst, group := netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("224.0.0.18")
	a := Advert{VRID: 1, Priority: 1, Interval: time.Second, Addrs: addrs("10.77.0.100")}
	write := func(c Checksum, to netip.Addr) []byte {
		a.Checksum = c
		b, err := a.AppendTo(nil, src, to)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var got Advert
	if err := got.Parse(write(PseudoHeader, dst), src, dst); err != nil || got.Checksum != PseudoHeader {
		t.Errorf("pseudo-header: %v, %v", err, got.Checksum)
	}
	if err := got.Parse(write(MessageOnly, dst), src, dst); err != nil || got.Checksum != MessageOnly {
		t.Errorf("message only: %v, %v", err, got.Checksum)
	}
	if err := got.Parse(write(PseudoHeader, group), src, dst); err != DropChecksum {
		t.Errorf("for another destination: %v", err)
	}
	// Over IPv6 there is one form.
	src, dst = netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::12")
	a.Addrs = addrs("fe80::1")
	b := write(MessageOnly, dst)
	if err := got.Parse(b, src, dst); err != nil || got.Checksum != PseudoHeader {
		t.Errorf("IPv6: %v, %v", err, got.Checksum)
	}
	b[6], b[7] = 0, 0
	sum := ^fold(sum16(0, b))
	b[6], b[7] = byte(sum>>8), byte(sum)
	if err := got.Parse(b, src, dst); err != DropChecksum {
		t.Errorf("IPv6 message only: %v", err)
	}
}

// RFC 1071 by the book, 16 bits at a time.
func TestChecksumMatchesTheNaiveSum(t *testing.T) {
	b := make([]byte, 0, 70)
	for i := range 70 {
		b = append(b, byte(i*i*37+0xc3))
		var want uint32
		for j, v := range b {
			if want += uint32(v) << (8 * (1 - j&1)); want > 0xffff {
				want = want&0xffff + 1
			}
		}
		if got := fold(sum16(0, b)); uint32(got) != want {
			t.Errorf("%d bytes: %#x, want %#x", len(b), got, want)
		}
	}
}

func TestAdvertAppendRefuses(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1")
	good := Advert{VRID: 1, Priority: 1, Interval: time.Second, Addrs: addrs("192.0.2.9")}
	for _, c := range []struct {
		name string
		edit func(a *Advert)
		dst  netip.Addr
		want string
	}{
		{"no VRID", func(a *Advert) { a.VRID = 0 }, four, "VRID 0"},
		{"short interval", func(a *Advert) { a.Interval = 9 * time.Millisecond }, four, "outside 10ms..40.95s"},
		{"long interval", func(a *Advert) { a.Interval = 41 * time.Second }, four, "outside 10ms..40.95s"},
		{"uneven interval", func(a *Advert) { a.Interval = 15 * time.Millisecond }, four, "whole centiseconds"},
		{"other family", func(a *Advert) { a.Addrs = addrs("fe80::1") }, four, "not an ipv4 address"},
		{"mapped", func(a *Advert) { a.Addrs = addrs("::ffff:192.0.2.1") }, four, "not an ipv4 address"},
		{"no address", func(a *Advert) { a.Addrs = []netip.Addr{{}} }, four, "not an ipv4 address"},
		{"multicast", func(a *Advert) { a.Addrs = addrs("224.0.0.1") }, four, "not the address of a host"},
		{"two families", func(*Advert) {}, six, "not two addresses of one family"},
	} {
		a := good
		c.edit(&a)
		if _, err := a.AppendTo(nil, four, c.dst); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: AppendTo() = %v, want %q", c.name, err, c.want)
		}
	}
	var a Advert
	if err := a.Parse(golden[0].bytes(), four, six); err != DropPeer {
		t.Errorf("Parse() of two families = %v, want %v", err, DropPeer)
	}
	if err := a.Parse(golden[0].bytes(), netip.Addr{}, netip.Addr{}); !errors.Is(err, DropPeer) {
		t.Errorf("Parse() without addresses = %v, want %v", err, DropPeer)
	}
}
