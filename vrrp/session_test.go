package vrrp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// keyedFake is a router with HMAC on a fake link, and the other end's signer.
func keyedFake(t *testing.T, opts ...Option) (*running, *fakeLink, *authenticator) {
	fake := newFake()
	r := run(t, vips4, append([]Option{WithTransport(fake), WithHMAC(testKey(7))}, opts...)...)
	synctest.Wait()
	return r, fake.link, newAuthenticator(testKey(7), IPv4, 51, 5*time.Second, 1)
}

// Each reason has its counter, and no dropped packet touches a timer or the
// state, in Backup or in Active.
func TestDropsAreCountedAndTouchNothing(t *testing.T) {
	plain := []struct {
		name string
		data []byte
		from netip.AddrPort
		want DropReason
	}{
		{"nothing", nil, highPeer, DropLength},
		{"7 bytes", message(highPeer, 200)[:7], highPeer, DropLength},
		{"cut", message(highPeer, 200)[:11], highPeer, DropLength},
		{"too long", append(message(highPeer, 200), 0), highPeer, DropLength},
		{"version 2", with(message(highPeer, 200), 0, 0x21), highPeer, DropVersion},
		{"type 2", with(message(highPeer, 200), 0, 0x32), highPeer, DropType},
		{"VRID 52", message(highPeer, 200, func(a *Advert) { a.VRID = 52 }), highPeer, DropVRID},
		{"own", message(self, 200), self, DropSelf},
		{"checksum", with(message(highPeer, 200), 7, 0), highPeer, DropChecksum},
		{"no address", message(highPeer, 200, func(a *Advert) { a.Addrs = nil }), highPeer, DropCount},
		{"interval 0", message(highPeer, 200, func(a *Advert) { a.Interval = 0 }), highPeer, DropInterval},
		{"another family", message(highPeer, 200), netip.MustParseAddrPort("[fe80::1]:0"), DropFamily},
	}
	for _, state := range []State{Backup, Active} {
		for _, c := range plain {
			bubble(t, state.String()+", "+c.name, func(t *testing.T) {
				fake := newFake()
				r := run(t, vips4, WithTransport(fake))
				pass(100 * time.Millisecond)
				if state == Active {
					pass(4 * time.Second)
				}
				fake.link.adverts()
				before := r.Snapshot()
				fake.link.deliver(c.data, c.from)
				synctest.Wait()
				expectDrop(t, before, r.Snapshot(), c.want)
				if sent := fake.link.adverts(); len(sent) != 0 {
					t.Errorf("answered %v", sent)
				}
			})
		}
	}
	signed := []struct {
		name string
		make func(a *authenticator, b []byte) []byte
		want DropReason
	}{
		{"missing", func(_ *authenticator, b []byte) []byte { return b }, DropHMACMissing},
		{"cut", func(a *authenticator, b []byte) []byte {
			b = a.sign(b, b, highPeer, time.Now())
			return b[:len(b)-1]
		}, DropLength},
		{"type", func(a *authenticator, b []byte) []byte {
			n := len(b)
			return with(a.sign(b, b, highPeer, time.Now()), n, 2)
		}, DropHMACMalformed},
		{"key", func(_ *authenticator, b []byte) []byte {
			return newAuthenticator(testKey(8), IPv4, 51, time.Second, 1).sign(b, b, highPeer, time.Now())
		}, DropHMACKey},
		{"stale", func(a *authenticator, b []byte) []byte {
			return a.sign(b, b, highPeer, time.Now().Add(-time.Minute))
		}, DropHMACStale},
		{"forged", func(a *authenticator, b []byte) []byte {
			return with(a.sign(b, b, highPeer, time.Now()), 2, 255)
		}, DropHMAC},
	}
	for _, c := range signed {
		bubble(t, "HMAC, "+c.name, func(t *testing.T) {
			r, link, peer := keyedFake(t)
			pass(100 * time.Millisecond)
			before := r.Snapshot()
			link.deliver(c.make(peer, message(highPeer, 200)), highPeer)
			synctest.Wait()
			expectDrop(t, before, r.Snapshot(), c.want)
		})
	}
	bubble(t, "HMAC, replay", func(t *testing.T) {
		r, link, peer := keyedFake(t)
		pass(100 * time.Millisecond)
		b := message(highPeer, 200)
		b = peer.sign(b, b, highPeer, time.Now())
		link.deliver(b, highPeer)
		pass(100 * time.Millisecond)
		before := r.Snapshot()
		if before.LastAdvSource != highPeer {
			t.Fatalf("heard %v, want %v", before.LastAdvSource, highPeer)
		}
		link.deliver(b, highPeer)
		synctest.Wait()
		expectDrop(t, before, r.Snapshot(), DropHMACReplay)
	})
}

// with returns b with one byte set.
func with(b []byte, i int, v byte) []byte {
	b[i] = v
	return b
}

func expectDrop(t *testing.T, before, after Status, want DropReason) {
	t.Helper()
	for d := DropPeer; d < dropReasons; d++ {
		grown := after.Drops[d.String()] - before.Drops[d.String()]
		if d == want && grown != 1 || d != want && grown != 0 {
			t.Errorf("drops by %v grew by %d, want only %v by 1", d, grown, want)
		}
	}
	if after.State != before.State || !after.Deadline.Equal(before.Deadline) {
		t.Errorf("state %v, deadline %v, were %v, %v", after.State, after.Deadline, before.State, before.Deadline)
	}
	if after.Statistics.AdvertisementRcvd != before.Statistics.AdvertisementRcvd {
		t.Error("counted as an advertisement")
	}
}

// Junk at any rate neither silences an Active router nor hides an advert.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		r := run(t, vips4, WithTransport(fake), WithPriority(owner))
		synctest.Wait()
		fake.link.adverts()
		for range 10_000 {
			fake.link.deliver(with(message(highPeer, 200), 7, 0), highPeer)
			pass(time.Millisecond)
		}
		if got := len(fake.link.adverts()); got != 10 {
			t.Errorf("%d adverts in 10 s of junk, want 10", got)
		}
		if got := r.Snapshot().Drops["checksum"]; got != 10_000 {
			t.Errorf("%d drops, want 10,000", got)
		}
	})
}

// A link that always has more: the clock is looked at after each budget.
func TestDrainIsBounded(t *testing.T) {
	endless := &endlessLink{fakeLink: newFake().link}
	r, err := New(51, vips4, WithTransport(linkTransport{endless}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.open(context.Background(), newEngine(newTimerWaiter()))
	if err != nil {
		t.Fatal(err)
	}
	launch(s.engine, []*session{s}, func(m []*machine) core { return solo{m[0], s.engine} })
	if more := s.drain(); !more || endless.given != budget {
		t.Errorf("drain() = %v after %d packets, want true after %d", more, endless.given, budget)
	}
	endless.over = true
	if s.drain() {
		t.Error("drain() = true with nothing there")
	}
	s.engine.close()
	s.close()
}

// What is left after a budget needs no further word from the link.
func TestDrainGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &endlessLink{fakeLink: newFake().link, limit: 3 * budget}
		r := run(t, vips4, WithTransport(linkTransport{link}))
		synctest.Wait()
		if got := r.Snapshot().Drops["checksum"]; got != 3*budget {
			t.Errorf("%d packets were read at once, want %d", got, 3*budget)
		}
	})
}

type linkTransport struct{ link Link }

func (l linkTransport) Open(context.Context, VirtualRouter) (Link, error) { return l.link, nil }

// endlessLink fills every batch until it is over.
type endlessLink struct {
	*fakeLink
	given int
	limit int // 0: none
	over  bool
}

func (e *endlessLink) Receive(packets []Packet) (int, error) {
	if e.over || e.limit > 0 && e.given >= e.limit {
		return 0, nil
	}
	e.given += len(packets)
	for i := range packets {
		packets[i] = Packet{Data: with(message(highPeer, 200), 7, 0), From: highPeer, To: group}
	}
	return len(packets), nil
}

// The window of the HMAC follows the interval.
func TestUpdateWidensTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, link, peer := keyedFake(t)
		heard := func() uint64 {
			b := message(highPeer, 200)
			link.deliver(peer.sign(b, b, highPeer, time.Now().Add(-20*time.Second)), highPeer)
			synctest.Wait()
			return r.Snapshot().Statistics.AdvertisementRcvd
		}
		if n := heard(); n != 0 {
			t.Errorf("%d adverts of 20 s ago were heard at an interval of 1 s", n)
		}
		if err := r.Update(WithInterval(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n := heard(); n != 1 {
			t.Errorf("%d adverts of 20 s ago were heard at an interval of 10 s, want 1", n)
		}
	})
}

// What differs in a good advert is counted and logged now and then; it is used.
func TestDifferencesAreNoDrops(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Advert)
		text string
		read func(*Statistics) uint64
	}{
		{"interval", func(a *Advert) { a.Interval = 2 * time.Second }, warningTexts[warnInterval], func(s *Statistics) uint64 { return s.IntervalErrors }},
		{"addresses", func(a *Advert) { a.Addrs = addrs("192.0.2.101") }, warningTexts[warnDuplicateVRID], func(s *Statistics) uint64 { return s.DuplicateVRIDs }},
		{"addresses, by RFC 8347", func(a *Advert) { a.Addrs = addrs("192.0.2.101") }, "", func(s *Statistics) uint64 { return s.AddressListErrors }},
		{"more addresses", func(a *Advert) { a.Addrs = addrs("192.0.2.100", "192.0.2.101") }, warningTexts[warnAddressList], func(s *Statistics) uint64 { return s.AddressListErrors }},
		{"checksum form", func(a *Advert) { a.Checksum = MessageOnly }, "", func(s *Statistics) uint64 { return s.MessageOnlyChecksums }},
		{"priority", func(a *Advert) { a.Priority = 100 }, warningTexts[warnEqualPriority], func(s *Statistics) uint64 { return s.EqualPriorities }},
	} {
		bubble(t, c.name, func(t *testing.T) {
			fake := newFake()
			var log logs
			r := run(t, vips4, WithTransport(fake), WithLogger(log.logger()))
			for range 90 {
				fake.link.deliver(message(highPeer, 200, c.edit), highPeer)
				pass(time.Second)
			}
			s := r.Snapshot()
			if s.State != Backup || s.Statistics.AdvertisementRcvd != 90 || c.read(&s.Statistics) != 90 {
				t.Errorf("state %v, %d adverts, counted %d, want backup, 90, 90", s.State, s.Statistics.AdvertisementRcvd, c.read(&s.Statistics))
			}
			if n := log.count(c.text); c.text != "" && n != 2 {
				t.Errorf("logged %d times in 90 s, want 2:\n%v", n, log.String())
			}
			for d, n := range s.Drops {
				if n != 0 {
					t.Errorf("%d dropped by %s", n, d)
				}
			}
		})
	}
	bubble(t, "interval of version 2", func(t *testing.T) { // which is dropped
		fake := newFake()
		r := run(t, vips4, WithTransport(fake), WithVersion(2))
		fake.link.deliver(message(highPeer, 200, func(a *Advert) { a.Version, a.Interval = 2, 2*time.Second }), highPeer)
		synctest.Wait()
		if s := r.Snapshot(); s.Statistics.IntervalErrors != 1 || s.Drops["interval-mismatch"] != 1 {
			t.Errorf("%d interval errors, %v", s.Statistics.IntervalErrors, s.Drops)
		}
	})
	bubble(t, "order of addresses", func(t *testing.T) {
		fake := newFake()
		vips := append([]netip.Prefix{netip.MustParsePrefix("192.0.2.101/24")}, vips4...)
		r := run(t, vips, WithTransport(fake))
		fake.link.deliver(message(highPeer, 200, func(a *Advert) { a.Addrs = addrs("192.0.2.100", "192.0.2.101") }), highPeer)
		fake.link.deliver(message(highPeer, 200, func(a *Advert) { a.Addrs = addrs("192.0.2.101", "192.0.2.100") }), highPeer)
		synctest.Wait()
		if s := r.Snapshot().Statistics; s.AdvertisementRcvd != 2 || s.AddressListErrors != 0 {
			t.Errorf("%d adverts, %d of another list, want 2, 0", s.AdvertisementRcvd, s.AddressListErrors)
		}
	})
}

// A router without addresses has an election all the same.
func TestNoAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		r := run(t, nil, WithTransport(fake))
		fake.link.deliver(message(highPeer, 200, func(a *Advert) { a.Addrs = nil }), highPeer)
		pass(4 * time.Second)
		s := r.Snapshot()
		if s.State != Active || s.Family != IPv4 || s.Statistics.AdvertisementRcvd != 1 || s.Drops["count"] != 0 {
			t.Errorf("state %v, family %v, %d adverts", s.State, s.Family, s.Statistics.AdvertisementRcvd)
		}
		if sent := fake.link.adverts(); len(sent) != 1 || len(sent[0].Addrs) != 0 {
			t.Errorf("sent %v", sent)
		}
	})
}

func TestOwnerConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		var log logs
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), WithLogger(log.logger()))
		synctest.Wait()
		fake.link.deliver(message(lowPeer, 255), lowPeer)
		synctest.Wait()
		if s := r.Snapshot(); s.State != Active || s.Statistics.OwnerConflicts != 1 || s.Statistics.LosingAdverts != 1 || !s.IsOwner {
			t.Errorf("against a lower address: %+v", s)
		}
		fake.link.deliver(message(highPeer, 255), highPeer)
		synctest.Wait()
		if s := r.Snapshot(); s.State != Backup || s.Statistics.OwnerConflicts != 2 {
			t.Errorf("against a higher address: %+v", s)
		}
		if log.count(warningTexts[warnOwnerConflict]) != 1 {
			t.Errorf("log:\n%v", log.String())
		}
	})
}

func TestInstallFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		refused := errors.New("permission denied")
		var log logs
		var failing atomic.Bool
		failing.Store(true)
		r := run(t, vips4, WithTransport(fake), WithOnTransition(j.transition), WithLogger(log.logger()), WithAddresses(FuncAddresses(
			func(context.Context, []netip.Prefix) error {
				if failing.Load() {
					return refused
				}
				return nil
			}, nil)))
		pass(3700 * time.Millisecond)
		j.expect(t, "0s initialize>backup startup", "3.609375s backup>active no-response", "3.609375s active>fault fault")
		s := r.Snapshot()
		if !slices.Equal(s.Faults, []string{"addresses"}) || !errors.Is(s.LastTransition.Err, refused) || s.Statistics.InstallErrors != 1 || s.LastEvent != "fault" {
			t.Errorf("in Fault: %+v", s)
		}
		if got := priorities(fake.link.adverts()); !slices.Equal(got, []uint8{100, 0}) {
			t.Errorf("sent %v, want 100 and 0", got)
		}
		if !strings.Contains(log.String(), `err="permission denied"`) {
			t.Errorf("log:\n%v", log.String())
		}
		failing.Store(false)
		pass(8 * time.Second)
		j.expect(t, "7.21875s fault>backup recovered", "10.828125s backup>active no-response")
		if s := r.Snapshot(); s.Faults != nil || s.State != Active {
			t.Errorf("recovered: %+v", s)
		}
	})
}

// Install may be slow: the router advertises meanwhile. One that is overtaken
// by Remove is told to stop, is waited for, and its error is nobody's fault.
func TestInstallIsInterruptedByRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		ends := context.Background()
		r := run(t, vips4, WithTransport(fake), WithPriority(150), WithAddresses(FuncAddresses(
			func(ctx context.Context, vips []netip.Prefix) error {
				j.add("install %v", vips)
				vips[0] = netip.Prefix{} // a copy
				<-ctx.Done()
				time.Sleep(time.Second)
				j.add("interrupted")
				return ctx.Err()
			},
			func(ctx context.Context, vips []netip.Prefix) error {
				j.add("remove %v", vips)
				ends = ctx
				return errors.New("gone already")
			})))
		pass(5500 * time.Millisecond)
		if got := len(fake.link.adverts()); got != 3 {
			t.Errorf("%d adverts while installing, want 3", got)
		}
		fake.link.deliver(message(highPeer, 200), highPeer)
		pass(2 * time.Second)
		j.expect(t, "3.4140625s install [192.0.2.100/24]", "6.5s interrupted", "6.5s remove [192.0.2.100/24]")
		s := r.Snapshot()
		if s.State != Backup || s.Statistics.InstallErrors != 0 || s.Statistics.RemoveErrors != 1 {
			t.Errorf("state %v, %d install errors, %d remove errors", s.State, s.Statistics.InstallErrors, s.Statistics.RemoveErrors)
		}
		_ = r.end()
		if ends.Err() != nil {
			t.Error("the context of Remove ended")
		}
	})
}

// An Install that was given up may fail long after: the router is Active again,
// and another Install is in force.
func TestLateInstallErrorMeansNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		calls := 0
		r := run(t, vips4, WithTransport(fake), WithOnTransition(j.transition), WithAddresses(FuncAddresses(
			func(context.Context, []netip.Prefix) error {
				if calls++; calls == 1 {
					time.Sleep(time.Minute)
					return errors.New("too late")
				}
				return nil
			}, nil)))
		pass(4 * time.Second)
		fake.link.deliver(message(highPeer, 200), highPeer)
		pass(2 * time.Minute)
		j.expect(t, "0s initialize>backup startup", "3.609375s backup>active no-response",
			"4s active>backup higher-priority", "7.609375s backup>active no-response")
		if s := r.Snapshot(); s.Statistics.InstallErrors != 0 || s.State != Active {
			t.Errorf("%d install errors, state %v", s.Statistics.InstallErrors, s.State)
		}
		_ = r.end()
		if calls != 2 {
			t.Errorf("%d Installs, want 2", calls)
		}
	})
}

// The last Remove outlives the context of Run, and its error is not lost.
func TestLastRemoveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		var log logs
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), WithLogger(log.logger()), WithAddresses(FuncAddresses(
			nil, func(ctx context.Context, _ []netip.Prefix) error {
				time.Sleep(time.Minute)
				return errors.Join(errors.New("stuck"), ctx.Err())
			})))
		synctest.Wait()
		if err := r.end(); err != nil {
			t.Errorf("Run() = %v", err)
		}
		if n := r.Snapshot().Statistics.RemoveErrors; n != 1 || !strings.Contains(log.String(), "err=stuck") || strings.Contains(log.String(), "cancel") {
			t.Errorf("%d remove errors, log:\n%v", n, log.String())
		}
	})
}

// A callback that never returns holds up nothing but the end of Run.
func TestSlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		gate := make(chan struct{})
		var got []Transition
		r := run(t, vips4, WithTransport(fake), WithOnTransition(func(tr Transition) {
			<-gate
			got = append(got, tr)
		}))
		pass(4 * time.Second)
		for range 1000 { // two transitions each
			fake.link.deliver(message(highPeer, 200), highPeer)
			pass(4 * time.Second)
		}
		s := r.Snapshot()
		if s.State != Active || s.Statistics.MasterTransitions != 1001 || s.Statistics.CoalescedTransitions == 0 {
			t.Errorf("state %v, %d promotions, %d coalesced", s.State, s.Statistics.MasterTransitions, s.Statistics.CoalescedTransitions)
		}
		r.stop()
		pass(time.Minute)
		close(gate)
		_ = r.end()
		for i, tr := range got[1:] {
			if tr.Seq <= got[i].Seq {
				t.Errorf("transition %d after %d", tr.Seq, got[i].Seq)
			}
		}
		last := got[len(got)-1]
		if last.To != Initialize || last.Seq != r.Snapshot().LastTransition.Seq {
			t.Errorf("the last one delivered is %+v", last)
		}
		if n := uint64(len(got)) + r.Snapshot().Statistics.CoalescedTransitions; n != last.Seq {
			t.Errorf("%d delivered or coalesced, of %d", n, last.Seq)
		}
	})
}

// Callbacks may call the router.
func TestCallbackCallsTheRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		var r *Router
		yields := 0
		r, err := New(51, vips4, WithTransport(fake), WithPriority(owner), WithOnTransition(func(tr Transition) {
			_ = r.Snapshot()
			_ = r.Update(WithPreempt(false))
			if tr.To == Active && yields == 0 {
				yields++
				_ = r.Yield(context.Background())
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		running := rerun(t, r)
		pass(time.Second)
		if s := running.Snapshot(); s.State != Backup || !s.Standby {
			t.Errorf("state %v, standby %v", s.State, s.Standby)
		}
	})
}

// The wall clock may jump: nothing depends on it but the signature, and that
// survives a jump of all.
func TestWallClockSteps(t *testing.T) {
	for _, key := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			lan := newTestLAN(t)
			var step atomic.Int64
			wall := func(c *config) { c.wall = func() time.Time { return time.Now().Add(time.Duration(step.Load())) } }
			opts := []Option{wall}
			if key {
				opts = append(opts, WithHMAC(testKey(1)))
			}
			a := run(t, vips4, append(opts, WithTransport(lan.multicast(1)), WithPriority(150))...)
			b := run(t, vips4, append(opts, WithTransport(lan.multicast(2)))...)
			pass(5 * time.Second)
			for _, by := range []time.Duration{time.Hour, -time.Hour, 0} {
				step.Store(int64(by))
				pass(10 * time.Second)
				if sa, sb := a.Snapshot(), b.Snapshot(); sa.State != Active || sb.State != Backup || sa.Statistics.MasterTransitions != 1 {
					t.Fatalf("HMAC %v, wall clock stepped by %v: %v and %v", key, by, sa.State, sb.State)
				}
			}
		})
	}
}
