package vrrp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// One signature for all peers, a checksum for each.
func TestSenderSignsOnce(t *testing.T) {
	to := []string{"192.0.2.2:1000", "192.0.2.3:1000", "192.0.2.2:1001", "192.0.2.3:1001"}
	k := testCodec(t, "192.0.2.1:1985", vips4, to, WithHMAC(testKey(7)))
	for range 2 { // the buffers are used again
		packets := k.out.build(150, time.Second, wall0)
		if len(packets) != len(to) {
			t.Fatalf("%d packets for %d peers", len(packets), len(to))
		}
		for i, p := range packets {
			n := messageLen(p.Data, IPv4)
			var a Advert
			if err := a.Parse(p.Data[:n], p.From.Addr(), p.To.Addr()); err != nil || a.Priority != 150 || p.To.String() != to[i] || p.From != k.self {
				t.Errorf("packet %d to %v: %+v, %v", i, p.To, a, err)
			}
			if len(p.Data) != n+trailerLen || !bytes.Equal(p.Data[n:], packets[0].Data[n:]) {
				t.Errorf("packet %d has a trailer of its own", i)
			}
		}
	}
	_, receiver := authPair(5 * time.Second)
	p := k.out.build(0, time.Second, wall0)[3]
	if why := receiver.hear(p.Data, k.self, wall0); why != 0 {
		t.Errorf("the last copy is dropped: %v", why)
	}
}

// Auto begins with the pseudo-header and follows what was heard last; what is
// dropped changes nothing.
func TestChecksumFollows(t *testing.T) {
	all := []Checksum{ChecksumAuto, PseudoHeader, MessageOnly, GroupPseudoHeader}
	for _, unicast := range []bool{false, true} {
		to, back := "224.0.0.18:0", "224.0.0.18:0"
		if unicast {
			to, back = "192.0.2.2:0", "192.0.2.1:0"
		}
		sent := func(k *codec) Checksum {
			p := k.out.build(100, time.Second, wall0)[0]
			var a Advert
			if err := a.Parse(p.Data, p.From.Addr(), p.To.Addr()); err != nil {
				t.Fatal(err)
			}
			return a.Checksum
		}
		seen := func(form Checksum) Checksum { // on that kind of network
			if form == ChecksumAuto || form == GroupPseudoHeader && !unicast {
				return PseudoHeader
			}
			return form
		}
		for _, configured := range all {
			in := testCodec(t, "192.0.2.2:0", vips4, []string{back}, WithChecksum(configured))
			if got := sent(in); got != seen(configured) {
				t.Errorf("unicast %v, %v: sends %v at first, want %v", unicast, configured, got, seen(configured))
			}
			for _, heard := range append(all, PseudoHeader) {
				want := seen(configured)
				if configured == ChecksumAuto {
					want = seen(heard)
				}
				out := testCodec(t, "192.0.2.1:0", vips4, []string{to}, WithChecksum(heard))
				if why := heardBy(t, in, out, 0); why != 0 {
					t.Errorf("unicast %v, %v hears %v: %v", unicast, configured, heard, why)
				}
				if got := sent(in); got != want {
					t.Errorf("unicast %v, %v: sends %v after %v, want %v", unicast, configured, got, heard, want)
				}
				if s := in.in.heard.list(); len(s) != 1 || s[0].Checksum != seen(heard) {
					t.Errorf("unicast %v: heard %+v, want %v", unicast, s, seen(heard))
				}
				// Another router's form, and a corrupt one, teach nothing.
				for _, edit := range []func(p *Packet){
					func(p *Packet) { p.Data[1]++; resum(p.Data, p.From.Addr(), p.To.Addr()) },
					func(p *Packet) { p.Data[7]++ },
					func(p *Packet) { p.From = in.self; resum(p.Data, p.From.Addr(), p.To.Addr()) },
				} {
					if why := heardBy(t, in, out, 0, edit); why == 0 || sent(in) != want {
						t.Errorf("unicast %v: sends %v after one that was dropped for %v, want %v", unicast, sent(in), why, want)
					}
				}
			}
		}
	}
}

// What is sent follows the identity and the addresses.
func TestSenderFollowsChanges(t *testing.T) {
	k := testCodec(t, "192.0.2.1:0", vips4, []string{"224.0.0.18:0"}, WithVersion(2), WithPassword("secret12"))
	self := netip.MustParseAddrPort("192.0.2.9:0")
	k.setIdentity(self)
	k.setAddrs(addrs("192.0.2.101", "192.0.2.102"))
	p := k.out.build(1, 3*time.Second, wall0)[0]
	var a Advert
	want := v2(1, 3*time.Second, "secret12", "192.0.2.101", "192.0.2.102")
	if err := a.Parse(p.Data, p.From.Addr(), p.To.Addr()); err != nil || !a.equal(want) || p.From != self {
		t.Errorf("sent %+v from %v, %v, want %+v", a, p.From, err, want)
	}
	if got := k.in.inspect(&Packet{Data: p.Data, From: self, To: p.To}, wall0); got != DropIntervalMismatch {
		t.Errorf("interval: %v", got)
	}
	k.setInterval(3 * time.Second)
	if got := k.in.inspect(&Packet{Data: p.Data, From: self, To: p.To}, wall0); got != DropSelf {
		t.Errorf("itself: %v", got)
	}
}
