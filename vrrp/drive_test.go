package vrrp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// announcer writes down what it is told to announce.
type announcer struct {
	j      *journal
	events func(AddressEvent)
	mu     sync.Mutex // guards err
	err    error
	closed int
}

func (a *announcer) Open(_ context.Context, vr VirtualRouter, _ []netip.Prefix, events func(AddressEvent)) (Announcements, error) {
	a.events = events
	a.j.add("open announcer of %d", vr.VRID)
	return a, nil
}

func (a *announcer) Announce(addrs []netip.Addr) error {
	a.j.add("announce %v", addrs)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(addrs) == 0 {
		return nil
	}
	return a.err
}

func (a *announcer) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *announcer) Close() error { a.closed++; return nil }

// announcing has a spy announce when the addresses are installed, and when the
// neighbours may have forgotten.
func announcing(_ instant, ev event) []action {
	if ev.kind == evInstalled || ev.kind == evNeighbors {
		return []action{{kind: actAnnounce}}
	}
	return nil
}

// The real core announces as well: this one is told not to.
var silence = WithAnnouncePlan(AnnouncePlan{Burst: -1, Repeat: -1, Refresh: -1})

// Nothing is announced before it is installed.
func TestInstalledThenAnnounced(t *testing.T) {
	bubble(t, "slow manager", func(t *testing.T) {
		fake, j := newFake(), newJournal()
		var spy *spy
		told := &announcer{j: j}
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), spying(&spy, announcing), silence, WithAnnounce(told), WithAddresses(FuncAddresses(
			func(context.Context, []netip.Prefix) error { time.Sleep(time.Second); j.add("installed"); return nil },
			func(context.Context, []netip.Prefix) error { j.add("removed"); return nil })))
		pass(2 * time.Second)
		j.expect(t, "0s open announcer of 51", "1s installed", "1s announce [192.0.2.100]")
		if got := spy.take(); !slices.Equal(got, []eventKind{evTrack, evStart, evInstalled}) {
			t.Errorf("the core was told %v", got)
		}
		r.stop()
		pass(10 * time.Second)
		got := j.take()
		slices.Sort(got) // two goroutines
		if !slices.Equal(got, []string{"3s announce []", "3s removed"}) {
			t.Errorf("journal %q", got)
		}
		if told.closed != 1 {
			t.Errorf("the announcer was closed %d times", told.closed)
		}
	})
	bubble(t, "no manager", func(t *testing.T) {
		fake, j := newFake(), newJournal()
		var spy *spy
		run(t, vips4, WithTransport(fake), WithPriority(owner), spying(&spy, announcing), silence, WithAnnounce(&announcer{j: j}))
		synctest.Wait()
		j.expect(t, "0s open announcer of 51", "0s announce [192.0.2.100]")
	})
	bubble(t, "failing manager", func(t *testing.T) {
		fake, j := newFake(), newJournal()
		var spy *spy
		run(t, vips4, WithTransport(fake), WithPriority(owner), spying(&spy, announcing), silence, WithAnnounce(&announcer{j: j}), WithAddresses(FuncAddresses(
			func(context.Context, []netip.Prefix) error { return errors.New("no") }, nil)))
		synctest.Wait()
		j.expect(t, "0s open announcer of 51", "0s announce []")
		if got := spy.take(); !slices.Equal(got, []eventKind{evTrack, evStart, evFault}) {
			t.Errorf("the core was told %v", got)
		}
	})
	bubble(t, "given up meanwhile", func(t *testing.T) {
		fake, j := newFake(), newJournal()
		var spy *spy
		run(t, vips4, WithTransport(fake), WithPriority(150), spying(&spy, announcing), silence, WithAnnounce(&announcer{j: j}), WithAddresses(FuncAddresses(
			func(context.Context, []netip.Prefix) error { time.Sleep(time.Second); return nil }, nil)))
		pass(3500 * time.Millisecond)
		fake.link.deliver(message(highPeer, 200), highPeer)
		pass(2 * time.Second)
		j.expect(t, "0s open announcer of 51", "3.5s announce []")
		if got := spy.take(); slices.Contains(got, evInstalled) {
			t.Errorf("the core was told %v", got)
		}
	})
}

// What is announced follows what is held.
func TestAnnouncedAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		var spy *spy
		var log logs
		told := &announcer{j: j}
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), spying(&spy, announcing), silence, WithAnnounce(told), WithLogger(log.logger()),
			WithAddresses(FuncAddresses(func(context.Context, []netip.Prefix) error { time.Sleep(time.Second); return nil }, nil)))
		pass(1500 * time.Millisecond)
		j.take()
		second := netip.MustParsePrefix("192.0.2.101/24")
		if err := r.Update(WithVIPs(vips4[0], second)); err != nil {
			t.Fatal(err)
		}
		told.events(AddressEvent{Kind: AddressRestored, Addr: vips4[0].Addr()})
		pass(2 * time.Second)
		j.expect(t, "1.5s announce [192.0.2.100]", "2.5s announce [192.0.2.100 192.0.2.101]")
		if err := r.Update(WithVIPs(second)); err != nil {
			t.Fatal(err)
		}
		told.events(AddressEvent{Kind: AddressRestored, Addr: vips4[0].Addr()})
		pass(2 * time.Second)
		j.expect(t, "3.5s announce [192.0.2.101]", "4.5s announce [192.0.2.101]")

		told.fail(errors.New("no buffer space"))
		for range 3 {
			told.events(AddressEvent{Kind: AddressRestored})
			synctest.Wait()
		}
		told.fail(nil)
		told.events(AddressEvent{Kind: AddressRestored})
		synctest.Wait()
		if s := r.Snapshot().Statistics; s.Announcements != 1+1+2+1+1+1 || s.AnnounceErrors != 3 {
			t.Errorf("%d announcements, %d errors", s.Announcements, s.AnnounceErrors)
		}
		if log.count("announcing the virtual addresses") != 1 || log.count("are announced again") != 1 {
			t.Errorf("log:\n%v", log.String())
		}
		// Without a manager an Update is announced at once.
		bare := run(t, vips4, WithTransport(newFake()), WithPriority(owner), spying(&spy, announcing), silence, WithAnnounce(&announcer{j: j}))
		synctest.Wait()
		j.take()
		if err := bare.Update(WithVIPs(second)); err != nil {
			t.Fatal(err)
		}
		j.expect(t, "5.5s announce [192.0.2.101]")
	})
}

// eventful is an AddressManager that tells what it is told to.
type eventful struct {
	FuncAddresses AddressManager
	events        func(AddressEvent)
}

func (e *eventful) Open(ctx context.Context, vr VirtualRouter, vips []netip.Prefix, events func(AddressEvent)) (Addresses, error) {
	e.events = events
	events(AddressEvent{Kind: AddressConflict, Addr: host(100), Err: errors.New("already there")}) // before anything
	return e.FuncAddresses.Open(ctx, vr, vips, events)
}

func TestAddressEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		var spy *spy
		var log logs
		m := &eventful{FuncAddresses: j.addresses()}
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), spying(&spy), WithAddresses(m), WithLogger(log.logger()))
		pass(100 * time.Millisecond)
		spy.take()
		j.take()
		for range 10_000 { // one word for all
			m.events(AddressEvent{Kind: AddressRestored})
			m.events(AddressEvent{Kind: AddressConflict, Addr: host(100)})
			m.events(AddressEvent{Kind: addressEvents})
		}
		synctest.Wait()
		if got := spy.take(); len(got) == 0 || len(got) > 10_000 || slices.ContainsFunc(got, func(k eventKind) bool { return k != evNeighbors }) {
			t.Errorf("the core was told %d times", len(got))
		}
		s := r.Snapshot()
		if s.Statistics.AddressConflicts != 10_001 || s.State != Active || log.count("another host holds a virtual address") != 1 {
			t.Errorf("%d conflicts, state %v, log:\n%v", s.Statistics.AddressConflicts, s.State, log.String())
		}
		pass(61 * time.Second)
		m.events(AddressEvent{Kind: AddressConflict, Addr: host(100)})
		synctest.Wait()
		if got := log.count("another host holds a virtual address"); got != 2 {
			t.Errorf("logged %d times", got)
		}

		// A lost address is as a failed Install.
		lost := errors.New("removed by somebody")
		spy.take()
		m.events(AddressEvent{Kind: AddressLost, Addr: host(100), Err: lost})
		m.events(AddressEvent{Kind: AddressLost, Addr: host(100), Err: lost})
		synctest.Wait()
		if got := spy.take(); !slices.Equal(got, []eventKind{evFault}) {
			t.Errorf("the core was told %v", got)
		}
		if s := r.Snapshot(); s.State != Fault || !errors.Is(s.LastTransition.Err, lost) || !slices.Equal(s.Faults, []string{"addresses"}) {
			t.Errorf("%+v", s)
		}
		// What comes when it is no longer Active means nothing.
		m.events(AddressEvent{Kind: AddressLost, Addr: host(100), Err: lost})
		synctest.Wait()
		if got := spy.take(); len(got) != 0 {
			t.Errorf("the core was told %v", got)
		}
		_ = r.end()
		m.events(AddressEvent{Kind: AddressLost})
	})
}

// turned is an engine that the test turns by hand, with routers on links of
// their own.
type turned struct {
	*engine
	routers []*Router
	links   []*fakeLink
	spies   []*spy
}

func newTurned(t testing.TB, n int, opts ...Option) *turned {
	t.Helper()
	e := &turned{engine: newEngine(newTimerWaiter())}
	var sessions []*session
	for i := range n {
		fake := newFake()
		spy := new(*spy)
		r, err := New(uint8(51+i), vips4, append([]Option{WithTransport(fake), spying(spy)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.open(context.Background(), e.engine)
		if err != nil {
			t.Fatal(err)
		}
		launch(e.engine, []*session{s}, func(m []*machine) core { return r.core(e.engine, m[0]) }).begin()
		e.routers, e.links, e.spies = append(e.routers, r), append(e.links, fake.link), append(e.spies, *spy)
		sessions = append(sessions, s)
	}
	t.Cleanup(func() {
		for _, s := range sessions {
			s.unit.fail(nil, context.Canceled)
		}
		e.close()
		for _, s := range sessions {
			s.close()
		}
	})
	return e
}

// pass lets time pass, and turns the engine once.
func (e *turned) pass(d time.Duration) {
	e.start = e.start.Add(-d)
	e.turn()
}

// told returns what a core was told, ticks and adverts too.
func (s *spy) all() (kinds []eventKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range s.told {
		kinds = append(kinds, ev.kind)
	}
	s.told = nil
	return kinds
}

// A router that was held up for longer than its down interval hears of it: after
// what waits in its queue, before what is due.
func TestStalled(t *testing.T) {
	for _, c := range []struct {
		name   string
		late   time.Duration // after the deadline
		advert bool
		want   []eventKind
	}{
		{"in time", 0, false, []eventKind{evTick}},
		{"half a down interval", down100 / 2, false, []eventKind{evTick}},
		{"almost a down interval", down100 - 500*time.Millisecond, false, []eventKind{evTick}},
		{"more than a down interval", down100 + 500*time.Millisecond, false, []eventKind{evStalled, evTick}},
		{"four down intervals", 4 * down100, false, []eventKind{evStalled, evTick}},
		{"in time, with an advert", 0, true, []eventKind{evAdvert, evTick}},
		{"four down intervals, with an advert", 4 * down100, true, []eventKind{evAdvert, evStalled, evTick}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTurned(t, 1)
			e.pass(4 * time.Second)
			if got := e.routers[0].Snapshot().State; got != Active {
				t.Fatalf("state %v", got)
			}
			e.spies[0].all()
			if c.advert {
				e.links[0].deliver(message(lowPeer, 50), lowPeer)
			}
			e.pass(time.Second + c.late)
			got := e.spies[0].all()
			if c.advert && c.late > 0 { // the core may notice by itself, and move its deadline
				got = slices.DeleteFunc(got, func(k eventKind) bool { return k == evStalled })
				c.want = []eventKind{evAdvert, evTick}
				if len(got) == 1 {
					c.want = c.want[:1]
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("the core was told %v, want %v", got, c.want)
			}
		})
	}
}

// Every deadline that is honoured is counted by how late it was.
func TestLateness(t *testing.T) {
	e := newTurned(t, 1)
	e.pass(4 * time.Second) // the takeover, 390 ms late
	for _, late := range []time.Duration{0, 3 * time.Millisecond, 30 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second} {
		at := e.alarms.next()
		e.pass(time.Duration(at-e.now()) + late)
	}
	got := e.routers[0].Snapshot().Lateness
	if got.Count != 6 || got.Max < 3*time.Second || got.Max > 4*time.Second || got.Sum < got.Max {
		t.Errorf("%+v", got)
	}
	var counts []uint64
	var to []time.Duration
	for _, b := range got.Buckets {
		counts, to = append(counts, b.Count), append(to, b.To)
	}
	// On a busy machine the first may be in any of the first buckets.
	if n := counts[0] + counts[1] + counts[2] + counts[3] + counts[4] + counts[5] + counts[6] + counts[7]; n != 2 {
		t.Errorf("%d up to 10 ms, want 2: %v", n, counts)
	}
	if !slices.Equal(counts[8:], []uint64{1, 0, 2, 1}) || to[8] != 50*time.Millisecond || to[11] != 0 {
		t.Errorf("buckets %v up to %v", counts, to)
	}
	var l lateness
	for i, d := range append([]time.Duration{0}, lateBounds[:]...) {
		l.add(d)
		l.add(d + 1)
		if n := l.buckets[max(0, i-1)]; i > 0 && n < 1 {
			t.Errorf("%v is in bucket %v", d, l.buckets)
		}
	}
	if want := ([len(lateBounds) + 1]uint64{3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1}); l.buckets != want {
		t.Errorf("buckets %v, want %v", l.buckets, want)
	}
}

// A host that slept for longer than a down interval did not hear the others.
func TestSlept(t *testing.T) {
	e := newTurned(t, 2)
	var ahead time.Duration
	e.sleep.boottime = func() (time.Duration, bool) { return time.Duration(e.now()) + ahead, true }
	e.pass(4 * time.Second)
	for _, s := range e.spies {
		s.all()
	}
	for _, c := range []struct {
		slept time.Duration
		want  []eventKind
	}{{0, nil}, {time.Second, nil}, {time.Minute, []eventKind{evStalled}}, {0, nil}} {
		ahead += c.slept
		e.pass(time.Millisecond)
		for i, s := range e.spies {
			if got := s.all(); !slices.Equal(got, c.want) {
				t.Errorf("router %d, asleep for %v: told %v, want %v", i, c.slept, got, c.want)
			}
		}
	}
}

// Active routers on one engine advertise together, at most a sixteenth of an
// interval early, and the cadence of each stays exact.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		raw := n.raw(t)
		phases := []time.Duration{0, 20 * time.Millisecond, 60 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond}
		var routers []*running
		begin := time.Now()
		for i, p := range phases {
			time.Sleep(p - time.Since(begin))
			routers = append(routers, runRaw(t, raw, uint8(i+1), vips4, WithPriority(owner), silence))
			synctest.Wait()
		}
		n.adverts()
		sent := map[uint8][]time.Duration{}
		for range 400 {
			pass(5 * time.Millisecond)
			for _, d := range n.adverts() {
				sent[d.Data[1]] = append(sent[d.Data[1]], time.Since(begin)%time.Second)
			}
		}
		for v, want := range map[uint8]time.Duration{1: 0, 2: 0, 3: 0, 4: 100 * time.Millisecond, 5: 500 * time.Millisecond} {
			if got := sent[v]; !slices.Equal(got, []time.Duration{want, want}) {
				t.Errorf("router %d advertised %v after the full second, want twice %v", v, got, want)
			}
		}
		for _, r := range routers {
			if l := r.Snapshot().Lateness; l.Max != 0 || l.Count < 2 {
				t.Errorf("%+v", l)
			}
		}
		// The end of a hand-over is not due before its time.
		start := time.Now()
		if err := routers[2].Yield(context.Background()); !errors.Is(err, ErrNoHeir) || time.Since(start) != time.Second {
			t.Errorf("Yield() = %v after %v", err, time.Since(start))
		}
	})
}

// Several callbacks are called in the order of the options.
func TestCallbacksInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var opts []Option
		for i := range 3 {
			opts = append(opts, WithOnTransition(func(tr Transition) { j.add("%d %v", i, tr.To) }))
		}
		r := run(t, vips4, append(opts, WithTransport(newFake()), WithOnTransition(nil))...)
		pass(4 * time.Second)
		j.expect(t, "0s 0 backup", "0s 1 backup", "0s 2 backup", "3.609375s 0 active", "3.609375s 1 active", "3.609375s 2 active")
		_ = r.end()
	})
}

// Keys change while the router runs.
func TestUpdateKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, link, _ := keyedFake(t)
		next := newAuthenticator(testKey(8), IPv4, 51, 5*time.Second, 1)
		hears := func() bool {
			before := r.Snapshot().Statistics.AdvertisementRcvd
			b := message(highPeer, 200)
			link.deliver(next.sign(b, b, highPeer, time.Now()), highPeer)
			synctest.Wait()
			return r.Snapshot().Statistics.AdvertisementRcvd > before
		}
		if hears() {
			t.Error("heard a key that is not ours")
		}
		if err := r.Update(WithHMAC(testKey(8))); err != nil {
			t.Fatal(err)
		}
		if !hears() {
			t.Error("did not hear the new key")
		}
	})
}

// Another plan counts from now on.
func TestUpdateAnnouncePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), WithAnnounce(&announcer{j: j}), silence)
		pass(time.Minute)
		j.expect(t, "0s open announcer of 51")
		if err := r.Update(WithAnnouncePlan(AnnouncePlan{Burst: 1, Repeat: -1, Refresh: 10 * time.Second})); err != nil {
			t.Fatal(err)
		}
		pass(25 * time.Second)
		j.expect(t, "1m0s announce [192.0.2.100]", "1m10s announce [192.0.2.100]", "1m20s announce [192.0.2.100]")
	})
}
