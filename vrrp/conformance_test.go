package vrrp

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// RFC 9568 section 5.1.2.3: a hop limit other than 255 is dropped, as a TTL is.
func TestRFC9568_5_1_2_3_HopLimit(t *testing.T) {
	group := []string{"[ff02::12]:0"}
	out, in := testCodec(t, "[fe80::1]:0", vips6, group), testCodec(t, "[fe80::2]:0", vips6, group)
	for limit, want := range map[uint8]DropReason{255: 0, 254: DropTTL, 64: DropTTL, 1: DropTTL} {
		if got := heardBy(t, in, out, 0, func(p *Packet) { p.TTL = limit }); got != want {
			t.Errorf("hop limit %d: %v, want %v", limit, got, want)
		}
	}
}

// RFC 9568 section 5.2.9: in the order of the configuration, which is the same
// on all routers where an operator compares them.
func TestRFC9568_5_2_9_OrderOfAddresses(t *testing.T) {
	vips := []netip.Prefix{netip.MustParsePrefix("192.0.2.102/24"), netip.MustParsePrefix("192.0.2.100/32"), netip.MustParsePrefix("192.0.2.101/24")}
	out := testCodec(t, "192.0.2.1:0", vips, []string{"224.0.0.18:0"})
	for range 2 {
		var a Advert
		p := out.out.build(100, time.Second, wall0)[0]
		if err := a.Parse(p.Data, p.From.Addr(), p.To.Addr()); err != nil {
			t.Fatal(err)
		}
		for i, got := range a.Addrs {
			if want := vips[i].Addr(); got != want {
				t.Errorf("address %d is %v, want %v", i, got, want)
			}
		}
	}
}

// RFC 9568 section 6.1: priority 100, an interval of 100 centiseconds, Preempt_Mode.
func TestRFC9568_6_1_Defaults(t *testing.T) {
	r, err := New(51, vips4, WithTransport(newFake()))
	if err != nil {
		t.Fatal(err)
	}
	s := r.Snapshot()
	if s.Priority != 100 || s.AdvertiseInterval != 100*centisecond || !s.Preempt || s.State != Initialize {
		t.Errorf("priority %d, interval %v, preempt %v, state %v", s.Priority, s.AdvertiseInterval, s.Preempt, s.State)
	}
	if s.SkewTime != skew100 || s.MasterDownInterval != down100 {
		t.Errorf("skew %v, down interval %v, want %v, %v", s.SkewTime, s.MasterDownInterval, skew100, down100)
	}
}

// RFC 9568 section 6.4.3: in Active the Preempt_Mode flag is not considered.
func TestRFC9568_6_4_3_PreemptModeIsNotConsidered(t *testing.T) {
	t1 := after(t0, 400*time.Millisecond)
	for _, ev := range []event{heard(0, lowPeer), heard(99, lowPeer), heard(99, highPeer), heard(100, lowPeer), heard(100, highPeer), heard(101, lowPeer), heard(255, lowPeer)} {
		with, without := newRig(t).active(), newRig(t, nopreempt).active()
		did, want := describe(without.m.step(t1, ev)), describe(with.m.step(t1, ev))
		if did != want || without.m.state != with.m.state || without.m.timer != with.m.timer {
			t.Errorf("priority %d from %v: did %q, now %v, want %q, %v", ev.priority, ev.from, did, without.m.state, want, with.m.state)
		}
	}
}

// RFC 9568 sections 6.4.1 to 6.4.3 and 8.1.2: only an Active router sends,
// holds the addresses, and announces them, and not before it holds them. Whatever
// happens, in whatever order.
func TestRFC9568_6_4_OnlyTheActiveRouterSpeaks(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 9568))
		changes := []func(*settings){
			func(*settings) {}, nopreempt, owns, strictly, quietly5798, delays(700 * time.Millisecond), version2At(time.Second), spaced,
		}
		r := newRig(t, changes[rng.IntN(len(changes))], changes[rng.IntN(len(changes))])
		now, holds, told := t0, false, false
		for step := range 400 {
			now = after(now, time.Duration(rng.IntN(int(time.Second))))
			ev := tableEvents[rng.IntN(len(tableEvents))].ev
			switch at := r.m.deadline(); {
			case ev == event{}: // settings: have a test of their own
				continue
			case rng.IntN(2) == 0 && at != never:
				now, ev = max(now, at), event{kind: evTick}
			}
			before := r.m.state
			actions := r.m.step(now, ev)
			for _, a := range actions {
				var wrong bool
				switch a.kind {
				case actSend:
					wrong = before != Active && (r.m.state != Active || a.priority == 0)
				case actInstall:
					wrong = holds || r.m.state != Active
					holds, told = true, false
				case actRemove:
					wrong = !holds
					holds = false
				case actAnnounce:
					wrong = !holds || !told && ev.kind != evInstalled
				}
				if wrong {
					t.Fatalf("seed %d, step %d: %v from %v to %v did %q", seed, step, kindNames[ev.kind], before, r.m.state, describe(actions))
				}
			}
			if holds != (r.m.state == Active) {
				t.Fatalf("seed %d, step %d: %v holds the addresses: %v", seed, step, r.m.state, holds)
			}
			told = holds && (told || ev.kind == evInstalled)
		}
	}
}

// RFC 9568 section 7.3.
func TestRFC9568_7_3_VirtualRouterMAC(t *testing.T) {
	for _, c := range []struct {
		family Family
		vrid   uint8
		want   net.HardwareAddr
	}{
		{IPv4, 1, net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x01, 0x01}},
		{IPv4, 255, net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x01, 0xff}},
		{IPv6, 1, net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x02, 0x01}},
		{IPv6, 51, net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x02, 0x33}},
	} {
		if got := (VirtualRouter{VRID: c.vrid, Family: c.family, Version: 3}).MAC(); !bytes.Equal(got, c.want) {
			t.Errorf("%v, VRID %d: MAC() = %v, want %v", c.family, c.vrid, got, c.want)
		}
	}
}

// RFC 9568 section 8.3.2, erratum 8298: an owner reports every other one, and a
// router that is none does not.
func TestErratum8298_OwnerIsReported(t *testing.T) {
	owner := newRig(t, owns).quietly(t0, event{kind: evStart})
	for i := range 3 {
		passed := time.Duration(i+1) * 100 * time.Millisecond
		owner.step(after(t0, passed), heard(255, lowPeer), "warn owners, warn losing, send 255", Active, time.Second-passed)
	}
	newRig(t).backup().step(t0, heard(255, lowPeer), "", Backup, down100)
}

// What the profiles promise, as seen from the network.
func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		name    string
		opts    []Option
		hears   Checksum // the form of the resignation before it takes over
		sends   Checksum // what it uses itself then
		answers []uint8  // to a better advert
		removes string   // the addresses, when it is stopped at 13.609375s
	}{
		{"none", nil, MessageOnly, MessageOnly, []uint8{100}, "14.609375s remove"},
		{"keepalived", []Option{Keepalived()}, MessageOnly, PseudoHeader, nil, "14.609375s remove"},
		{"strict", []Option{StrictRFC9568()}, PseudoHeader, MessageOnly, nil, "13.609375s remove"},
		{"options after one", []Option{StrictRFC9568(), WithChecksum(PseudoHeader)}, MessageOnly, PseudoHeader, nil, "13.609375s remove"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			fake, j := newFake(), newJournal()
			r := run(t, vips4, append([]Option{WithTransport(fake), WithAddresses(j.addresses())}, c.opts...)...)
			synctest.Wait()
			fake.link.deliver(message(highPeer, 0, func(a *Advert) { a.Checksum = c.hears }), highPeer)
			pass(time.Second)
			if sent := fake.link.adverts(); len(sent) != 1 || sent[0].Checksum != c.sends {
				t.Errorf("sent %v, want one with the %v checksum", sent, c.sends)
			}
			fake.link.deliver(message(highPeer, 200), highPeer)
			synctest.Wait()
			if got := priorities(fake.link.adverts()); !slices.Equal(got, c.answers) {
				t.Errorf("answered a better advert by %v, want %v", got, c.answers)
			}
			if s := r.Snapshot(); s.State != Backup {
				t.Errorf("state %v, want backup", s.State)
			}
			pass(12*time.Second + skew100)
			j.take()
			r.stop() // nobody inherits
			pass(2 * time.Second)
			j.expect(t, c.removes)
		})
	}
}
