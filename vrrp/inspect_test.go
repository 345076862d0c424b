package vrrp

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// clone is a packet that may be changed.
func (p Packet) clone() Packet {
	p.Data = bytes.Clone(p.Data)
	return p
}

// heardBy gives a codec what another one has built, for its peer number i.
func heardBy(t *testing.T, in, out *codec, i int, edit ...func(p *Packet)) DropReason {
	t.Helper()
	p := out.out.build(150, time.Second, wall0)[i].clone()
	p.TTL = 255
	for _, f := range edit {
		f(&p)
	}
	return in.in.inspect(&p, wall0)
}

// A packet with every fault is dropped for the first one; without it, for the
// next, and so on: the order in which the checks are made.
func TestRFC9568_7_1_OrderOfChecks(t *testing.T) {
	// Version 2 with a password, to a group.
	in := testCodec(t, "192.0.2.2:0", vips4, []string{"224.0.0.18:0"}, WithVersion(2), WithPassword("secret12"))
	order := []DropReason{
		DropLength, DropFamily, DropTTL, DropVersion, DropType, DropVRID, DropAH, DropLength, DropAuthType, DropAuth,
		DropChecksum, DropCount, DropInterval, DropIntervalMismatch, DropDestination, DropSelf, 0,
	}
	for fixed, want := range order {
		bad := func(i int) bool { return i >= fixed }
		a := v2(150, time.Second, "secret12", "192.0.2.100")
		p := Packet{From: netip.MustParseAddrPort("192.0.2.1:0"), To: netip.MustParseAddrPort("224.0.0.18:0"), TTL: 255}
		if bad(15) {
			p.From = in.self
		}
		if bad(14) {
			p.To = netip.MustParseAddrPort("224.0.0.5:0")
		}
		if bad(13) {
			a.Interval = 2 * time.Second
		}
		if bad(12) {
			a.Interval = 0
		}
		if bad(11) {
			a.Addrs = nil
		}
		if bad(9) {
			a.Password[0]++
		}
		if bad(8) {
			a.Auth = AuthNone
		}
		p.Data = a.appendTo(nil, IPv4, p.From.Addr(), p.To.Addr())
		if bad(10) {
			p.Data[6]++
		}
		if bad(7) {
			p.Data = append(p.Data, 0)
		}
		p.AH = bad(6)
		if bad(5) {
			p.Data[1]++
		}
		if bad(4) {
			p.Data[0] |= 2
		}
		if bad(3) {
			p.Data[0] |= 0x10
		}
		if bad(2) {
			p.TTL = 254
		}
		if bad(1) {
			p.From = netip.MustParseAddrPort("[fe80::1]:0")
		}
		if bad(0) {
			p.Data = p.Data[:7]
		}
		if got := in.in.inspect(&p, wall0); got != want {
			t.Errorf("version 2, %d faults fixed: %v, want %v", fixed, got, want)
		}
	}

	// Version 3 over IPv6 with a trailer, unicast.
	order = []DropReason{
		DropTTL, DropLength, DropHMACMissing, DropHMACMalformed, DropHMACKey, DropHMACStale, DropHMACReplay, DropHMAC, DropChecksum,
		DropInterval, DropLinkLocal, DropPeer, 0,
	}
	for fixed, want := range order {
		bad := func(i int) bool { return i >= fixed }
		in := testCodec(t, "[fe80::2]:0", vips6, []string{"[fe80::1]:0"}, WithHMAC(testKey(7)))
		signer, other := newAuthenticator(testKey(7), IPv6, 51, 5*time.Second, 1), newAuthenticator(testKey(8), IPv6, 51, 5*time.Second, 1)
		a := v3(150, time.Second, ChecksumAuto, "fe80::100", "2001:db8::100")
		p := Packet{From: netip.MustParseAddrPort("[fe80::1]:0"), To: in.self, TTL: 255}
		if bad(11) && !bad(6) && !bad(0) { // a stranger has no mark, and no range
			p.From = netip.MustParseAddrPort("[fe80::3]:0")
		}
		if bad(10) {
			a.Addrs[0] = a.Addrs[1]
		}
		if bad(9) {
			a.Interval = 0
		}
		p.Data = a.appendTo(nil, IPv6, p.From.Addr(), p.To.Addr())
		if bad(8) {
			p.Data[7]++
		}
		n := len(p.Data)
		at := wall0
		if bad(5) {
			at = wall0.Add(-time.Minute)
		}
		if bad(4) {
			signer = other
		}
		if bad(6) {
			signer.last, signer.sent = 0, false
			in.hmac.marks.set(p.From, sequenceAt(at.Add(time.Millisecond)))
		}
		p.Data = signer.sign(p.Data, p.Data, p.From, at)
		if bad(7) {
			p.Data[len(p.Data)-1]++
		}
		if bad(3) {
			p.Data[n] = 2
		}
		if bad(2) {
			p.Data = p.Data[:n]
		}
		if bad(1) {
			p.Data = append(p.Data, 0)
		}
		if bad(0) {
			p.TTL = 64
		}
		if got := in.in.inspect(&p, wall0); got != want {
			t.Errorf("IPv6, %d faults fixed: %v, want %v", fixed, got, want)
		}
	}
}

// Every byte of an advert changed to every value, every truncation, and a byte
// too many: the right reason, and whoever was heard last stays it.
func TestInspectMutations(t *testing.T) {
	for _, g := range golden {
		f := familyOf(g.src())
		to, peer := []string{netip.AddrPortFrom(g.dst(), 0).String()}, netip.AddrPortFrom(g.src(), 0)
		self := "10.77.0.9:0"
		if f == IPv6 {
			self = "[fe80::9]:0"
		}
		unicast := !g.dst().IsMulticast()
		if unicast {
			self, to = to[0], []string{peer.String()}
		}
		opts := []Option{WithVersion(int(g.advert.Version)), WithInterval(g.advert.Interval)}
		if g.advert.Auth == AuthPassword {
			opts = append(opts, WithPassword(string(bytes.TrimRight(g.advert.Password[:], "\x00"))))
		}
		var vips []netip.Prefix
		for _, a := range g.advert.Addrs {
			vips = append(vips, netip.PrefixFrom(a, a.BitLen()))
		}
		k := testCodec(t, self, vips, to, opts...)
		packet := func(b []byte) *Packet {
			return &Packet{Data: b, From: peer, To: netip.AddrPortFrom(g.dst(), 0), TTL: 255}
		}
		whole := g.bytes()
		if why := k.in.inspect(packet(whole), wall0); why != 0 || !k.in.advert.equal(g.advert) || !k.in.sameAddrs() || k.in.strangers() {
			t.Errorf("%s: %v, %+v", g.name, why, k.in.advert)
		}
		before := fmt.Sprint(k.in.heard.list(), k.form)
		for i := range whole {
			for v := range 256 {
				if v == int(whole[i]) {
					continue
				}
				b := bytes.Clone(whole)
				b[i] = byte(v)
				want := DropChecksum
				switch {
				case i == 0 && v>>4 != int(whole[0]>>4):
					want = DropVersion
				case i == 0:
					want = DropType
				case i == 1:
					want = DropVRID
				case i == 3:
					want = DropLength
				case i == 4 && g.advert.Version == 2:
					want = DropAuthType
				case i >= len(whole)-8 && g.advert.Auth == AuthPassword:
					want = DropAuth
				}
				if got := k.in.inspect(packet(b), wall0); got != want {
					t.Errorf("%s: byte %d = %#x: %v, want %v", g.name, i, v, got, want)
				}
			}
			if got := k.in.inspect(packet(whole[:i]), wall0); got != DropLength {
				t.Errorf("%s: %d bytes: %v, want %v", g.name, i, got, DropLength)
			}
		}
		if got := k.in.inspect(packet(append(whole, 0)), wall0); got != DropLength {
			t.Errorf("%s: a byte too many: %v, want %v", g.name, got, DropLength)
		}
		if after := fmt.Sprint(k.in.heard.list(), k.form); after != before {
			t.Errorf("%s: heard %s, before %s", g.name, after, before)
		}
	}
}

// RFC 9568 section 5.1.1.3 for a group; for unicast, the range of the peer.
func TestTTL(t *testing.T) {
	group, self := "224.0.0.18:0", "192.0.2.2:0"
	wide := Peer{Addr: netip.MustParseAddr("192.0.2.1"), MinTTL: 250, MaxTTL: 255}
	for _, c := range []struct {
		name string
		peer Peer // none: a group
		ttl  uint8
		want DropReason
	}{
		{"group, 255", Peer{}, 255, 0},
		{"group, 254", Peer{}, 254, DropTTL},
		{"group, 1", Peer{}, 1, DropTTL},
		{"group, hidden", Peer{}, 0, 0},
		{"peer, 255", Peer{Addr: wide.Addr}, 255, 0},
		{"peer, 254", Peer{Addr: wide.Addr}, 254, DropTTL},
		{"peer, hidden", Peer{Addr: wide.Addr}, 0, 0},
		{"range 250 to 255, 249", wide, 249, DropTTL},
		{"range 250 to 255, 250", wide, 250, 0},
		{"range 250 to 255, 255", wide, 255, 0},
		{"range 60 to 64, 64", Peer{Addr: wide.Addr, MinTTL: 60, MaxTTL: 64}, 64, 0},
		{"range 60 to 64, 255", Peer{Addr: wide.Addr, MinTTL: 60, MaxTTL: 64}, 255, DropTTL},
		{"from 64 on, 255", Peer{Addr: wide.Addr, MinTTL: 64}, 255, 0},
		{"from 64 on, 63", Peer{Addr: wide.Addr, MinTTL: 64}, 63, DropTTL},
		{"up to 64, 1", Peer{Addr: wide.Addr, MaxTTL: 64}, 1, 0},
		{"up to 64, 65", Peer{Addr: wide.Addr, MaxTTL: 64}, 65, DropTTL},
	} {
		to, back := group, group
		var opts []Option
		if c.peer.Addr.IsValid() {
			to, back = self, "192.0.2.1:0"
			opts = []Option{WithUnicast(netip.Addr{}, c.peer)}
		}
		out := testCodec(t, "192.0.2.1:0", vips4, []string{to})
		in := testCodec(t, self, vips4, []string{back}, opts...)
		if got := heardBy(t, in, out, 0, func(p *Packet) { p.TTL = c.ttl }); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if c.peer.Addr.IsValid() {
			in.setPeers([]Peer{{Addr: netip.MustParseAddr("192.0.2.3")}, c.peer})
			if got := heardBy(t, in, out, 0, func(p *Packet) { p.TTL = c.ttl }); got != c.want {
				t.Errorf("%s, among new peers: %v, want %v", c.name, got, c.want)
			}
		}
	}
}

// Who is heard, and sent to what: a group or listed peers, never both.
func TestUnicastAndMulticast(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to string
		peers    []string // of the receiver, which is 192.0.2.2
		port     uint16   // its own
		want     DropReason
	}{
		{"group to group", "192.0.2.1:0", "224.0.0.18:0", []string{"224.0.0.18:0"}, 0, 0},
		{"peer to peer", "192.0.2.1:0", "192.0.2.2:0", []string{"192.0.2.1:0", "192.0.2.3:0"}, 0, 0},
		{"second peer", "192.0.2.3:0", "192.0.2.2:0", []string{"192.0.2.1:0", "192.0.2.3:0"}, 0, 0},
		{"unlisted peer", "192.0.2.4:0", "192.0.2.2:0", []string{"192.0.2.1:0", "192.0.2.3:0"}, 0, DropPeer},
		{"other port", "192.0.2.1:1986", "192.0.2.2:1985", []string{"192.0.2.1:1985"}, 1985, DropPeer},
		{"listed port", "192.0.2.1:1985", "192.0.2.2:1985", []string{"192.0.2.1:1985"}, 1985, 0},
		{"itself, group", "192.0.2.2:0", "224.0.0.18:0", []string{"224.0.0.18:0"}, 0, DropSelf},
		{"itself, unicast", "192.0.2.2:0", "192.0.2.2:0", []string{"192.0.2.1:0"}, 0, DropSelf},
		{"unicast to a group's router", "192.0.2.1:0", "192.0.2.2:0", []string{"224.0.0.18:0"}, 0, DropDestination},
		{"another group", "192.0.2.1:0", "224.0.0.19:0", []string{"224.0.0.18:0"}, 0, DropDestination},
		{"its own group", "192.0.2.1:0", "239.1.2.3:0", []string{"239.1.2.3:0"}, 0, 0},
		{"group to a peer", "192.0.2.1:0", "224.0.0.18:0", []string{"192.0.2.1:0"}, 0, DropDestination},
		{"nobody is listed", "192.0.2.1:0", "192.0.2.2:0", nil, 0, DropPeer},
	} {
		out := testCodec(t, c.from, vips4, []string{c.to})
		in := testCodec(t, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), c.port).String(), vips4, c.peers)
		if got := heardBy(t, in, out, 0); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// A zone is this host's own matter.
	out := testCodec(t, "[fe80::1]:0", vips6, []string{"[ff02::12]:0"})
	in := testCodec(t, "[fe80::2]:0", vips6, []string{"[ff02::12%eth0]:0"})
	if got := heardBy(t, in, out, 0); got != 0 {
		t.Errorf("group with a zone: %v", got)
	}
	out = testCodec(t, "[fe80::1]:0", vips6, []string{"[fe80::2]:0"})
	in = testCodec(t, "[fe80::2]:0", vips6, []string{"[fe80::1%eth0]:0"}, WithUnicast(netip.Addr{}, Peer{Addr: netip.MustParseAddr("fe80::1%eth0"), MinTTL: 1, MaxTTL: 1}))
	if got := heardBy(t, in, out, 0); got != DropTTL {
		t.Errorf("peer with a zone: %v, want %v", got, DropTTL)
	}
	if to := in.out.build(1, time.Second, wall0)[0].To; to.Addr().Zone() != "eth0" {
		t.Errorf("sent to %v, want the zone", to)
	}
}

// setPeers: who is new is heard and sent to, who is not listed any more is not.
func TestSetPeers(t *testing.T) {
	in := testCodec(t, "192.0.2.2:0", vips4, []string{"192.0.2.1:0", "192.0.2.3:0"}, WithHMAC(testKey(7)))
	speaker := func(addr string) *codec {
		return testCodec(t, addr, vips4, []string{"192.0.2.2:0"}, WithHMAC(testKey(7)))
	}
	first, third, fourth := speaker("192.0.2.1:0"), speaker("192.0.2.3:0"), speaker("192.0.2.4:0")
	var old Packet
	if got := heardBy(t, in, third, 0, func(p *Packet) { old = *p }); got != 0 {
		t.Error(got)
	}
	if got := heardBy(t, in, first, 0); got != 0 {
		t.Error(got)
	}
	var peers []Peer
	for i := 3; i < minMarks+10; i++ {
		peers = append(peers, Peer{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})})
	}
	in.setPeers(peers)
	if got := heardBy(t, in, first, 0); got != DropPeer {
		t.Errorf("not listed any more: %v", got)
	}
	if got := heardBy(t, in, fourth, 0); got != 0 {
		t.Errorf("new: %v", got)
	}
	if got := in.in.inspect(&old, wall0); got != DropHMACReplay {
		t.Errorf("a replay of one that stayed: %v", got)
	}
	if n := len(in.hmac.marks.slots); n != len(peers) {
		t.Errorf("%d marks for %d peers", n, len(peers))
	}
	packets := in.out.build(100, time.Second, wall0)
	for i, p := range packets {
		if len(packets) != len(peers) || p.To != netip.AddrPortFrom(peers[i].Addr, 0) {
			t.Errorf("packet %d of %d goes to %v", i, len(packets), p.To)
		}
	}
	var heard []netip.AddrPort
	for _, s := range in.speakers() {
		heard = append(heard, s.Addr)
	}
	if in.hmac.marks.find(first.self) != nil {
		t.Error("the mark of one that is not listed any more is kept")
	}
	if want := []netip.AddrPort{third.self, fourth.self}; !slices.Equal(heard, want) {
		t.Errorf("speakers %v, want %v", heard, want)
	}
}

// Version 2 drops an advert with another interval; version 3 follows it.
func TestIntervalMismatch(t *testing.T) {
	for version, want := range map[int]DropReason{2: DropIntervalMismatch, 3: 0} {
		out := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, WithVersion(version))
		in := testCodec(t, "192.0.2.2:0", vips4, []string{"224.0.0.18:0"}, WithVersion(version), WithInterval(3*time.Second))
		if got := heardBy(t, in, out, 0); got != want {
			t.Errorf("version %d: %v, want %v", version, got, want)
		}
		if got := in.in.advert.Interval; want == 0 && got != time.Second {
			t.Errorf("version %d: interval %v was read, want 1s", version, got)
		}
		in.setInterval(time.Second)
		if got := heardBy(t, in, out, 0); got != 0 {
			t.Errorf("version %d, after a change: %v", version, got)
		}
	}
}

// RFC 2338 section 7.1: the type must be ours, and so must the password.
func TestRFC2338_Authentication(t *testing.T) {
	none, pass := []Option{WithVersion(2)}, []Option{WithVersion(2), WithPassword("secret12")}
	for _, c := range []struct {
		name string
		in   []Option
		auth AuthType
		data string
		want DropReason
	}{
		{"none, none", none, AuthNone, "", 0},
		{"none, data that is ignored", none, AuthNone, "junk", 0},
		{"none, password", none, AuthPassword, "secret12", DropAuthType},
		{"none, header", none, AuthHeader, "", DropAuthType},
		{"none, unknown", none, 3, "", DropAuthType},
		{"password, right", pass, AuthPassword, "secret12", 0},
		{"password, wrong", pass, AuthPassword, "secret13", DropAuth},
		{"password, wrong at once", pass, AuthPassword, "Secret12", DropAuth},
		{"password, shorter", pass, AuthPassword, "secret1", DropAuth},
		{"password, none in it", pass, AuthPassword, "", DropAuth},
		{"password, none", pass, AuthNone, "secret12", DropAuthType},
		{"password, header", pass, AuthHeader, "", DropAuthType},
		{"password, unknown", pass, 255, "secret12", DropAuthType},
	} {
		in := testCodec(t, "192.0.2.2:0", vips4, []string{"224.0.0.18:0"}, c.in...)
		out := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, WithVersion(2))
		if got := heardBy(t, in, out, 0, func(p *Packet) {
			p.Data[4] = byte(c.auth)
			copy(p.Data[len(p.Data)-8:], c.data)
			resum(p.Data, p.From.Addr(), p.To.Addr())
		}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// What came behind an authentication header is dropped before anything else is
// looked at, but for whom it is.
func TestAuthenticationHeaderIsDropped(t *testing.T) {
	in := testCodec(t, "192.0.2.2:0", vips4, []string{"224.0.0.18:0"}, WithVersion(2))
	out := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, WithVersion(2))
	behind := func(p *Packet) { p.AH = true }
	if got := heardBy(t, in, out, 0, behind); got != DropAH {
		t.Errorf("%v, want %v", got, DropAH)
	}
	if got := heardBy(t, in, out, 0, behind, func(p *Packet) { p.Data[1]++ }); got != DropVRID {
		t.Errorf("for another router: %v, want %v", got, DropVRID)
	}
	if heard := in.in.heard.list(); len(heard) != 0 {
		t.Errorf("heard %v", heard)
	}
}

// RFC 9568 erratum 8299, in both versions; a router without addresses expects
// none.
func TestEmptyAddressLists(t *testing.T) {
	for _, version := range []int{2, 3} {
		for _, c := range []struct {
			name    string
			out, in []netip.Prefix
			want    DropReason
		}{
			{"both some", vips4, vips4, 0}, {"none comes", nil, vips4, DropCount}, {"both none", nil, nil, 0}, {"some come", vips4, nil, 0},
		} {
			out := testCodec(t, "192.0.2.1:0", c.out, []string{"224.0.0.18:0"}, WithVersion(version))
			in := testCodec(t, "192.0.2.2:0", c.in, []string{"224.0.0.18:0"}, WithVersion(version))
			if got := heardBy(t, in, out, 0); got != c.want {
				t.Errorf("version %d, %s: %v, want %v", version, c.name, got, c.want)
			}
		}
	}
}

// Another address list is no reason to drop; one with nothing in common is
// somebody else's.
func TestAddressListsCompare(t *testing.T) {
	for _, c := range []struct {
		name            string
		own, heard      []netip.Addr
		same, strangers bool
	}{
		{"same", addrs("192.0.2.1", "192.0.2.2"), addrs("192.0.2.1", "192.0.2.2"), true, false},
		{"another order", addrs("192.0.2.2", "192.0.2.1", "192.0.2.3"), addrs("192.0.2.3", "192.0.2.1", "192.0.2.2"), true, false},
		{"one more", addrs("192.0.2.1"), addrs("192.0.2.1", "192.0.2.2"), false, false},
		{"one less", addrs("192.0.2.1", "192.0.2.2"), addrs("192.0.2.2"), false, false},
		{"one other", addrs("192.0.2.1", "192.0.2.2"), addrs("192.0.2.2", "192.0.2.3"), false, false},
		{"first other", addrs("192.0.2.1", "192.0.2.2"), addrs("192.0.2.3", "192.0.2.1", "192.0.2.4"), false, false},
		{"all other", addrs("192.0.2.1", "192.0.2.2"), addrs("192.0.2.3", "192.0.2.4"), false, true},
		{"all other, more", addrs("192.0.2.1"), addrs("192.0.2.3", "192.0.2.4", "192.0.2.5"), false, true},
		{"twice", addrs("192.0.2.1", "192.0.2.2"), addrs("192.0.2.1", "192.0.2.1"), false, false},
		{"none here", nil, addrs("192.0.2.1"), false, false},
		{"none there", addrs("192.0.2.1"), nil, false, false},
		{"none", nil, nil, true, false},
	} {
		k := testCodec(t, "192.0.2.2:0", nil, []string{"224.0.0.18:0"})
		k.setAddrs(c.own)
		for range 2 { // in either order
			k.in.advert.Addrs = slices.Clone(c.heard)
			if got := k.in.strangers(); got != c.strangers {
				t.Errorf("%s: strangers() = %v, want %v", c.name, got, c.strangers)
			}
			if got := k.in.sameAddrs(); got != c.same {
				t.Errorf("%s: sameAddrs() = %v, want %v", c.name, got, c.same)
			}
			if got := k.in.strangers(); got != c.strangers {
				t.Errorf("%s: strangers() = %v after sameAddrs, want %v", c.name, got, c.strangers)
			}
		}
	}
}

// A group is as large as it likes; what is remembered of it is not.
func TestSpeakersAreBounded(t *testing.T) {
	in := testCodec(t, "192.0.2.200:0", vips4, []string{"224.0.0.18:0"})
	hear := func(i int) {
		out := testCodec(t, fmt.Sprintf("192.0.2.%d:0", i), vips4, []string{"224.0.0.18:0"})
		if why := heardBy(t, in, out, 0); why != 0 {
			t.Fatal(why)
		}
	}
	want := []string{"192.0.2.1:0"}
	for i := range 2 * minMarks {
		hear(i + 1)
		hear(1)
		if i > minMarks {
			want = append(want, fmt.Sprintf("192.0.2.%d:0", i+1))
		}
	}
	var got []string
	for _, s := range in.in.heard.list() {
		got = append(got, s.Addr.String())
		if s.Priority != 150 || s.Interval != time.Second || s.Checksum != PseudoHeader || s.Signed {
			t.Errorf("speaker %+v", s)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("speakers %v, want %v", got, want)
	}
}
