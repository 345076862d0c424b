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
	{"multicast", "10.77.0.1", "224.0.0.18", "31339601006442d90a4d0064", v3(150, time.Second, PseudoHeader, "10.77.0.100")},
	{"resigning", "10.77.0.1", "224.0.0.18", "313300010064d8d90a4d0064", v3(0, time.Second, PseudoHeader, "10.77.0.100")},
	{"heir", "10.77.0.2", "224.0.0.18", "31336401006474d80a4d0064", v3(100, time.Second, PseudoHeader, "10.77.0.100")},
	{"100 ms", "10.77.0.1", "224.0.0.18", "31339601000a43330a4d0064", v3(150, 100*time.Millisecond, PseudoHeader, "10.77.0.100")},
	{"10 ms", "10.77.0.1", "224.0.0.18", "313396010001433c0a4d0064", v3(150, 10*time.Millisecond, PseudoHeader, "10.77.0.100")},
	{"2 s", "10.77.0.2", "224.0.0.18", "3133640100c874740a4d0064", v3(100, 2*time.Second, PseudoHeader, "10.77.0.100")},
	{"owner", "10.77.0.1", "224.0.0.18", "3133ff010064d9d80a4d0064", v3(255, time.Second, PseudoHeader, "10.77.0.100")},
	{
		"three addresses", "10.77.0.1", "224.0.0.18", "3133960300642d6a0a4d00640a4d00650a4d0066",
		v3(150, time.Second, PseudoHeader, "10.77.0.100", "10.77.0.101", "10.77.0.102"),
	},
	{"unicast", "10.77.0.1", "10.77.0.2", "313396010064189d0a4d0064", v3(150, time.Second, PseudoHeader, "10.77.0.100")},
	{
		"IPv6", "fe80::77:ff:fe00:1", "ff02::12", "3133960200643cc7fe800000000000000000000001000000fd770000000000000000000001000000",
		v3(150, time.Second, ChecksumAuto, "fe80::100:0", "fd77::100:0"),
	},
	{
		"IPv6 unicast", "fd77::1", "fd77::2", "3133960200643ee2fe800000000000000000000001000000fd770000000000000000000001000000",
		v3(150, time.Second, ChecksumAuto, "fe80::100:0", "fd77::100:0"),
	},
	{"version 2", "10.77.0.1", "224.0.0.18", "2133960100013e190a4d00640000000000000000", v2(150, time.Second, "", "10.77.0.100")},
	{"version 2, password", "10.77.0.1", "224.0.0.18", "213396010101cf9a0a4d00647365637265743132", v2(150, time.Second, "secret12", "10.77.0.100")},
	{
		"version 2, three addresses", "10.77.0.1", "224.0.0.18", "21339603000128b20a4d00640a4d00650a4d00660000000000000000",
		v2(150, time.Second, "", "10.77.0.100", "10.77.0.101", "10.77.0.102"),
	},
	{"version 2, unicast", "10.77.0.1", "10.77.0.2", "2133960100013e190a4d00640000000000000000", v2(150, time.Second, "", "10.77.0.100")},
	// 0x3133 + 0x9601 + 0x0064 + 0x0a4d + 0x0064 = 0xd249
	{"made by hand: message only", "10.77.0.1", "224.0.0.18", "3133960100642db60a4d0064", v3(150, time.Second, MessageOnly, "10.77.0.100")},
	{"made by hand: message only, unicast", "10.77.0.1", "10.77.0.2", "3133960100642db60a4d0064", v3(150, time.Second, MessageOnly, "10.77.0.100")},
	// The bytes of "multicast", sent to a peer.
	{"made by hand: group pseudo-header", "10.77.0.1", "10.77.0.2", "31339601006442d90a4d0064", v3(150, time.Second, GroupPseudoHeader, "10.77.0.100")},
	// 0x2133 + 0x0101 + 0x01ff + 0x0a4d + 0x0064 + 0x6100 = 0x8fe4
	{"made by hand: version 2, 255 s, short password", "10.77.0.1", "224.0.0.18", "2133010101ff701b0a4d00646100000000000000", v2(1, 255*time.Second, "a", "10.77.0.100")},
}

// Places in golden.
const (
	goldenV3, goldenV6, goldenV2, goldenPassword = 0, 9, 11, 12
)

func v3(priority uint8, interval time.Duration, form Checksum, list ...string) Advert {
	return Advert{Version: 3, VRID: 51, Priority: priority, Interval: interval, Addrs: addrs(list...), Checksum: form}
}

func v2(priority uint8, interval time.Duration, password string, list ...string) Advert {
	a := Advert{Version: 2, VRID: 51, Priority: priority, Interval: interval, Addrs: addrs(list...)}
	if password != "" {
		a.Auth = AuthPassword
		copy(a.Password[:], password)
	}
	return a
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
	return a.Version == b.Version && a.VRID == b.VRID && a.Priority == b.Priority && a.Interval == b.Interval &&
		a.Checksum == b.Checksum && a.Auth == b.Auth && a.Password == b.Password && slices.Equal(a.Addrs, b.Addrs)
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
	for _, c := range []struct {
		version         uint8
		src, dst, first string
		size            int
	}{
		{3, "192.0.2.1", "224.0.0.18", "198.51.100.0", 8 + 255*4},
		{2, "192.0.2.1", "224.0.0.18", "198.51.100.0", 8 + 255*4 + 8},
		{3, "fe80::1", "ff02::12", "fe80::100:0", 8 + 255*16},
	} {
		want := Advert{Version: c.version, VRID: 255, Priority: 1, Interval: 40 * time.Second}
		for a := netip.MustParseAddr(c.first); len(want.Addrs) < maxAddrs; a = a.Next() {
			want.Addrs = append(want.Addrs, a)
		}
		src, dst := netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst)
		if src.Is4() && c.version == 3 {
			want.Checksum = PseudoHeader
		}
		b, err := want.AppendTo(nil, src, dst)
		if err != nil || len(b) != c.size {
			t.Fatalf("%d bytes, %v, want %d", len(b), err, c.size)
		}
		// What the fields say, one by one.
		image := []byte{c.version<<4 | 1, 255, 1, 255, 4000 >> 8, 4000 & 0xff, b[6], b[7]}
		if c.version == 2 {
			image[4], image[5] = 0, 40
		}
		for _, a := range want.Addrs {
			image = append(image, a.AsSlice()...)
		}
		image = append(image, make([]byte, c.size-len(image))...)
		if !bytes.Equal(b, image) {
			t.Errorf("version %d from %s: AppendTo() = %x, want %x", c.version, c.src, b, image)
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

// What is left out has a default.
func TestAdvertDefaults(t *testing.T) {
	a := Advert{VRID: 51, Priority: 150, Interval: time.Second, Addrs: addrs("10.77.0.100")}
	g := golden[goldenV3]
	if b, err := a.AppendTo(nil, g.src(), g.dst()); err != nil || !bytes.Equal(b, g.bytes()) {
		t.Errorf("AppendTo() = %x, %v, want %s", b, err, g.hex)
	}
}

// A used Advert is read over: nothing is left of what was there.
func TestAdvertIsReadOver(t *testing.T) {
	var a Advert
	for _, i := range []int{goldenPassword, goldenV2, goldenV3, goldenPassword, goldenV6, goldenV3} {
		g := golden[i]
		if err := a.Parse(g.bytes(), g.src(), g.dst()); err != nil || !a.equal(g.advert) {
			t.Errorf("%s: Parse() read %+v, %v, want %+v", g.name, a, err, g.advert)
		}
	}
}

// Every byte changed to every value, every truncation and every byte too many.
func TestAdvertMutations(t *testing.T) {
	for _, g := range golden {
		var a Advert
		whole := g.bytes()
		version := whole[0] >> 4
		for i := range whole {
			for v := range 256 {
				b := bytes.Clone(whole)
				if b[i] = byte(v); v == int(whole[i]) {
					continue
				}
				want := DropChecksum
				switch {
				case i == 0 && v&0xf == 1 && (v>>4 == 2 || v>>4 == 3) && g.src().Is4():
					want = DropLength // of the other version
				case i == 0 && v>>4 != int(version) && (v>>4 != 2 && v>>4 != 3 || g.src().Is6()):
					want = DropVersion
				case i == 0:
					want = DropType
				case i == 1 && v == 0:
					want = DropVRID
				case i == 3:
					want = DropLength
				case i == 4 && version == 2 && v > 2:
					want = DropAuthType
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

// resum writes the right checksum: for version 3, with a pseudo-header.
func resum(b []byte, src, dst netip.Addr) []byte {
	b[6], b[7] = 0, 0
	acc := sum16(0, b)
	if b[0]>>4 != version2 {
		acc += pseudoSum(familyOf(src), src, dst, len(b))
	}
	sum := ^fold(acc)
	b[6], b[7] = byte(sum>>8), byte(sum)
	return b
}

func TestRFC9568_7_1_FieldChecks(t *testing.T) {
	four, six, two := golden[goldenV3], golden[goldenV6], golden[goldenPassword]
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
		{"type 2", four, func(b []byte) []byte { b[0] = 0x32; return b }, DropType},
		{"version 4", four, func(b []byte) []byte { b[0] = 0x41; return b }, DropVersion},
		{"version 2 over IPv6", six, func(b []byte) []byte { b[0] = 0x21; return append(b, make([]byte, 8)...) }, DropVersion},
		{"version 2, no addresses", two, func(b []byte) []byte { b[3] = 0; return append(b[:8], b[12:]...) }, DropCount},
		{"version 2, interval 0", two, func(b []byte) []byte { b[5] = 0; return b }, DropInterval},
		{"version 2, authentication header", two, func(b []byte) []byte { b[4] = 2; return b }, nil},
		{"version 2, unknown authentication", two, func(b []byte) []byte { b[4] = 3; return b }, DropAuthType},
		{"version 2, data without a password is ignored", two, func(b []byte) []byte { b[4] = 0; return b }, nil},
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
	for _, c := range []struct {
		name     string
		form     Checksum
		built    netip.Addr // what the sender thought
		received netip.Addr
		want     Checksum
		err      error
	}{
		{"auto", ChecksumAuto, dst, dst, PseudoHeader, nil},
		{"pseudo-header", PseudoHeader, dst, dst, PseudoHeader, nil},
		{"pseudo-header to the group", PseudoHeader, group, group, PseudoHeader, nil},
		{"message only", MessageOnly, dst, dst, MessageOnly, nil},
		{"message only to the group", MessageOnly, group, group, MessageOnly, nil},
		{"the group's to a peer", GroupPseudoHeader, dst, dst, GroupPseudoHeader, nil},
		{"the group's to the group", GroupPseudoHeader, group, group, PseudoHeader, nil},
		{"for a peer, to the group", PseudoHeader, dst, group, 0, DropChecksum},
		{"for another peer", PseudoHeader, netip.MustParseAddr("10.77.0.3"), dst, 0, DropChecksum},
	} {
		a := Advert{VRID: 1, Priority: 1, Interval: time.Second, Addrs: addrs("10.77.0.100"), Checksum: c.form}
		b, err := a.AppendTo(nil, src, c.built)
		if err != nil {
			t.Fatal(err)
		}
		var got Advert
		if err := got.Parse(b, src, c.received); err != c.err || err == nil && got.Checksum != c.want {
			t.Errorf("%s: Parse() = %v, %v, want %v, %v", c.name, got.Checksum, err, c.want, c.err)
		}
		b[2]++ // none of them is right
		if err := got.Parse(b, src, c.received); err != DropChecksum {
			t.Errorf("%s, corrupt: Parse() = %v, want %v", c.name, err, DropChecksum)
		}
	}
}

// Over IPv6 there is one form, with a pseudo-header; version 2 has one, without.
func TestChecksumHasOneFormElsewhere(t *testing.T) {
	for _, i := range []int{goldenV6, goldenV6 + 1, goldenV2, goldenV2 + 3} {
		g := golden[i]
		for form := range checksums {
			a := g.advert
			a.Checksum = form
			if b, err := a.AppendTo(nil, g.src(), g.dst()); err != nil || !bytes.Equal(b, g.bytes()) {
				t.Errorf("%s, %v: AppendTo() = %x, %v, want %s", g.name, form, b, err, g.hex)
			}
		}
		b := g.bytes()
		b[6], b[7] = 0, 0
		acc := sum16(0, b)
		if g.advert.Version == 2 {
			acc += pseudoSum(IPv4, g.src(), g.dst(), len(b))
		}
		b[6], b[7] = byte(^fold(acc)>>8), byte(^fold(acc))
		var a Advert
		if err := a.Parse(b, g.src(), g.dst()); err != DropChecksum {
			t.Errorf("%s, the other form: Parse() = %v, want %v", g.name, err, DropChecksum)
		}
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
		name     string
		edit     func(a *Advert)
		src, dst netip.Addr
		want     string
	}{
		{"no VRID", func(a *Advert) { a.VRID = 0 }, four, four, "VRID 0"},
		{"short interval", func(a *Advert) { a.Interval = 9 * time.Millisecond }, four, four, "interval 9ms is outside 10ms..40.95s, which version 3 can carry"},
		{"long interval", func(a *Advert) { a.Interval = 41 * time.Second }, four, four, "interval 41s is outside 10ms..40.95s, which version 3 can carry"},
		{"uneven interval", func(a *Advert) { a.Interval = 15 * time.Millisecond }, four, four, "interval 15ms is not in whole centiseconds (10ms), which version 3 carries"},
		{"short interval of version 2", func(a *Advert) { a.Version, a.Interval = 2, 400*time.Millisecond }, four, four, "interval 400ms is outside 1s..4m15s, which version 2 can carry"},
		{"long interval of version 2", func(a *Advert) { a.Version, a.Interval = 2, 256*time.Second }, four, four, "interval 4m16s is outside 1s..4m15s, which version 2 can carry"},
		{"uneven interval of version 2", func(a *Advert) { a.Version, a.Interval = 2, 1500*time.Millisecond }, four, four, "interval 1.5s is not in whole seconds, which version 2 carries"},
		{"version 1", func(a *Advert) { a.Version = 1 }, four, four, "version 1 is neither 2 nor 3"},
		{"version 2 over IPv6", func(a *Advert) { a.Version, a.Addrs = 2, addrs("fe80::9") }, six, six, "version 2 is for IPv4 only"},
		{"password in version 3", func(a *Advert) { a.Auth = AuthPassword }, four, four, "version 3 has no authentication type, this is password"},
		{"authentication header", func(a *Advert) { a.Version, a.Auth = 2, AuthHeader }, four, four, "authentication by header is read, not sent"},
		{"unknown form", func(a *Advert) { a.Checksum = 9 }, four, four, "Checksum(9) is no form"},
		{"other family", func(a *Advert) { a.Addrs = addrs("fe80::1") }, four, four, "not an ipv4 address"},
		{"mapped", func(a *Advert) { a.Addrs = addrs("::ffff:192.0.2.1") }, four, four, "not an ipv4 address"},
		{"zone", func(a *Advert) { a.Addrs = addrs("fe80::1%eth0") }, six, six, "has a zone"},
		{"no address", func(a *Advert) { a.Addrs = []netip.Addr{{}} }, four, four, "not an ipv4 address"},
		{"multicast", func(a *Advert) { a.Addrs = addrs("224.0.0.1") }, four, four, "not the address of a host"},
		{"two families", func(*Advert) {}, four, six, "not two addresses of one family"},
	} {
		a := good
		c.edit(&a)
		if b, err := a.AppendTo([]byte("x"), c.src, c.dst); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "vrrp: ") || string(b) != "x" {
			t.Errorf("%s: AppendTo() = %q, %v, want %q", c.name, b, err, c.want)
		}
	}
	var a Advert
	if err := a.Parse(golden[0].bytes(), four, six); err != DropFamily {
		t.Errorf("Parse() of two families = %v, want %v", err, DropFamily)
	}
	if err := a.Parse(golden[0].bytes(), netip.Addr{}, netip.Addr{}); !errors.Is(err, DropFamily) {
		t.Errorf("Parse() without addresses = %v, want %v", err, DropFamily)
	}
}
