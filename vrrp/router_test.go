package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	vips4 = []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")}
	vips6 = []netip.Prefix{netip.MustParsePrefix("fe80::100/64"), netip.MustParsePrefix("2001:db8::100/64")}
)

// journal records transitions and calls of an AddressManager.
type journal struct {
	mu    sync.Mutex // guards lines
	start time.Time
	lines []string
}

func newJournal() *journal { return &journal{start: time.Now()} }

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%v ", time.Since(j.start))+fmt.Sprintf(format, args...))
}

func (j *journal) transition(t Transition) { j.add("%v>%v %v", t.From, t.To, t.Reason) }

// take returns the lines since the last call.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

func (j *journal) addresses() AddressManager {
	return FuncAddresses(
		func(context.Context, []netip.Prefix) error { j.add("install"); return nil },
		func(context.Context, []netip.Prefix) error { j.add("remove"); return nil })
}

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := j.take(); !slices.Equal(got, want) {
		t.Errorf("journal:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// running is a router whose Run can be ended.
type running struct {
	*Router
	stop context.CancelFunc
	done chan error
}

// run makes a router and runs it until the test ends.
func run(t *testing.T, vips []netip.Prefix, opts ...Option) *running {
	t.Helper()
	r, err := New(51, vips, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return rerun(t, r)
}

func rerun(t *testing.T, r *Router) *running {
	ctx, stop := context.WithCancel(context.Background())
	run := &running{r, stop, make(chan error, 1)}
	go func() { run.done <- r.Run(ctx) }()
	t.Cleanup(func() { run.end() })
	return run
}

// end ends Run and returns its error.
func (r *running) end() error {
	r.stop()
	err := <-r.done
	r.done <- err
	return err
}

// bubble runs a subtest in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// pass lets d pass in a bubble, and everything settle.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// message is an advert as a peer sends it to the group.
func message(from netip.AddrPort, priority uint8, edit ...func(*Advert)) []byte {
	a := Advert{VRID: 51, Priority: priority, Interval: time.Second, Addrs: addrsOf(vips4)}
	for _, f := range edit {
		f(&a)
	}
	return a.appendTo(nil, IPv4, from.Addr(), group.Addr())
}

func TestRunTakesOverAndResigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithOnTransition(j.transition))
		pass(3610 * time.Millisecond)
		j.expect(t, "0s initialize>backup startup", "3.609375s backup>active no-response")
		pass(2 * time.Second)
		if got := priorities(fake.link.adverts()); !slices.Equal(got, []uint8{100, 100, 100}) {
			t.Errorf("sent %v, want three times 100", got)
		}
		if err := r.end(); err != nil {
			t.Errorf("Run() = %v", err)
		}
		// Nobody inherits: the parting takes one interval.
		j.expect(t, "6.61s active>initialize shutdown")
		if got := priorities(fake.link.adverts()); !slices.Equal(got, []uint8{0}) {
			t.Errorf("sent %v on the way out, want one 0", got)
		}
		if !fake.link.closed {
			t.Error("the link is open")
		}
	})
}

func TestRunKeepsTheAddressesForTheHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithAddresses(j.addresses()))
		pass(4 * time.Second)
		r.stop()
		pass(609 * time.Millisecond)
		j.expect(t, "3.609375s install")
		fake.link.deliver(message(highPeer, 50), highPeer)
		if err := <-r.done; err != nil {
			t.Errorf("Run() = %v", err)
		}
		r.done <- nil
		j.expect(t, "4.619s remove")
	})
}

func TestRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		first := run(t, vips4, WithTransport(fake), WithOnTransition(j.transition), WithPriority(owner))
		synctest.Wait()
		if err := first.Router.Run(context.Background()); !errors.Is(err, ErrRunning) {
			t.Errorf("a second Run() = %v, want %v", err, ErrRunning)
		}
		_ = first.end()
		second := rerun(t, first.Router)
		synctest.Wait()
		if s := second.Snapshot(); s.State != Active || s.Statistics.MasterTransitions != 2 || s.LastTransition.Seq != 3 {
			t.Errorf("the second run is %v with %d promotions and transition %d", s.State, s.Statistics.MasterTransitions, s.LastTransition.Seq)
		}
		_ = second.end()
		if err := first.Router.Run(canceled()); err != nil || fake.opened != 2 {
			t.Errorf("Run() with an ended context = %v, and opened %d links", err, fake.opened)
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestStartupDelayIsDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithOnTransition(j.transition), WithStartupDelay(10*time.Second))
		pass(time.Second)
		fake.link.deliver(message(highPeer, 0), highPeer)
		pass(12 * time.Second)
		j.expect(t, "10s initialize>backup startup")
		_ = r.end()
		j.expect(t, "13s backup>initialize shutdown")
		if got := fake.link.adverts(); len(got) != 0 {
			t.Errorf("sent %v", got)
		}
		delayed := rerun(t, r.Router)
		pass(time.Second)
		if err := delayed.end(); err != nil {
			t.Errorf("Run() ended in its startup delay = %v", err)
		}
	})
}

// What the kernel has is read before a deadline is honoured, at the deadline
// and however late the router is.
func TestAdvertsBeforeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithOnTransition(j.transition))
		pass(time.Second)
		fake.link.mu.Lock()
		fake.link.late = []Packet{{Data: message(highPeer, 200), From: highPeer, To: group}}
		fake.link.mu.Unlock()
		pass(2700 * time.Millisecond)
		j.expect(t, "0s initialize>backup startup")
		if s := r.Snapshot(); s.State != Backup || s.LastAdvSource != highPeer {
			t.Errorf("state %v, heard %v", s.State, s.LastAdvSource)
		}
	})
}

func TestYieldCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithAddresses(j.addresses()), WithPriority(150))
		pass(4 * time.Second)
		j.take()

		yielded := make(chan error, 2)
		for range 2 { // together they are one
			go func() { yielded <- r.Yield(context.Background()) }()
		}
		pass(600 * time.Millisecond)
		if s := r.Snapshot(); !s.Yielding || s.State != Active || !s.Standby || s.EffectivePriority != 1 || s.Priority != 150 {
			t.Errorf("while yielding: %+v", s)
		}
		j.expect(t)
		fake.link.deliver(message(lowPeer, 100), lowPeer)
		pass(handover)
		j.expect(t, "4.61s remove")
		for range 2 {
			if err := <-yielded; err != nil {
				t.Errorf("Yield() = %v", err)
			}
		}
		if err := r.Yield(context.Background()); err != nil {
			t.Errorf("Yield() of a Backup = %v", err)
		}
		if err := r.Resume(); err != nil {
			t.Errorf("Resume() = %v", err)
		}
		if s := r.Snapshot(); s.Standby || s.EffectivePriority != 150 {
			t.Errorf("after Resume: %+v", s)
		}
		pass(10 * time.Second)

		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if err := r.Yield(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Yield() with a short deadline = %v", err)
		}
		if err := r.Yield(context.Background()); !errors.Is(err, ErrNoHeir) {
			t.Errorf("Yield() without an heir = %v, want %v", err, ErrNoHeir)
		}
		_ = r.Resume()
		pass(10 * time.Second)
		go func() { yielded <- r.Yield(context.Background()) }()
		synctest.Wait()
		_ = r.end() // in the middle of it
		if err := <-yielded; !errors.Is(err, ErrNoHeir) {
			t.Errorf("Yield() with a shutdown = %v, want %v", err, ErrNoHeir)
		}
		if err := r.Yield(context.Background()); !errors.Is(err, ErrNotRunning) {
			t.Errorf("Yield() after Run = %v, want %v", err, ErrNotRunning)
		}
		if err := r.Resume(); !errors.Is(err, ErrNotRunning) {
			t.Errorf("Resume() after Run = %v, want %v", err, ErrNotRunning)
		}
		if r.Snapshot().Standby {
			t.Error("standby outlives Run")
		}
	})
}

// To the letter of RFC 9568 nobody waits for an heir, so nobody knows of one.
func TestStrictYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, vips4, WithTransport(newFake()), StrictRFC9568())
		pass(4 * time.Second)
		if err := r.Yield(context.Background()); !errors.Is(err, ErrNoHeir) {
			t.Errorf("Yield() = %v, want %v", err, ErrNoHeir)
		}
		if err := r.Yield(context.Background()); err != nil {
			t.Errorf("Yield() of a Backup = %v", err)
		}
	})
}

func TestUpdateCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithOnTransition(j.transition))
		pass(time.Second)
		if err := r.Update(WithPriority(200)); err != nil {
			t.Fatal(err)
		}
		if s := r.Snapshot(); s.EffectivePriority != 200 || s.MasterDownInterval != downInterval(3, 200, time.Second) {
			t.Errorf("after Update: %+v", s)
		}
		pass(downInterval(3, 200, time.Second) - time.Second)
		j.expect(t, "0s initialize>backup startup", "3.21875s backup>active no-response")
		fake.link.adverts()
		if err := r.Update(WithInterval(100*time.Millisecond), WithPriority(150)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sent := fake.link.adverts()
		if len(sent) != 1 || sent[0].Priority != 150 || sent[0].Interval != 100*time.Millisecond {
			t.Errorf("sent %+v, want one advert of the new settings", sent)
		}

		for _, c := range []struct {
			opts []Option
			want []string
		}{
			{[]Option{WithPriority(0), WithInterval(time.Millisecond)}, []string{"priority 0", "interval 1ms"}},
			{[]Option{WithPriority(10), WithTransport(fake), WithVersion(2)}, []string{"WithTransport, WithVersion cannot change, that takes another Router"}},
			{[]Option{WithPreempt(false), WithPreemptDelay(-1)}, []string{"preempt delay"}},
		} {
			err := r.Update(c.opts...)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Update() = %v, want %q", err, want)
				}
			}
		}
		if s := r.Snapshot(); s.Priority != 150 || !s.Preempt {
			t.Errorf("a refused Update changed %+v", s)
		}
		j.expect(t) // no transition
		_ = r.end()
		if err := r.Update(WithPriority(77), WithPreempt(false)); err != nil {
			t.Errorf("Update() while stopped = %v", err)
		}
		if s := r.Snapshot(); s.Priority != 77 || s.Preempt || s.AdvertiseInterval != 100*time.Millisecond {
			t.Errorf("after Update while stopped: %+v", s)
		}
	})
}

func TestTransportFailures(t *testing.T) {
	broken := errors.New("no such device")
	bubble(t, "open", func(t *testing.T) {
		fake := newFake()
		fake.err = broken
		r := run(t, vips4, WithTransport(fake))
		err := <-r.done
		if r.done <- err; !errors.Is(err, broken) || err.Error() != "vrrp: virtual router 51: no such device" {
			t.Errorf("Run() = %v", err)
		}
	})
	bubble(t, "family", func(t *testing.T) {
		fake := newFake()
		r := run(t, vips6, WithTransport(fake))
		if err := <-r.done; err == nil || !strings.Contains(err.Error(), "192.0.2.2 is not an ipv6 address") {
			t.Errorf("Run() = %v", err)
		}
		if r.done <- nil; !fake.link.closed {
			t.Error("the link is open")
		}
	})
	bubble(t, "receive", func(t *testing.T) {
		fake, j := newFake(), newJournal()
		r := run(t, vips4, WithTransport(fake), WithAddresses(j.addresses()), WithOnTransition(j.transition), WithPriority(owner))
		synctest.Wait()
		j.take()
		fake.link.lose(broken)
		if err := <-r.done; !errors.Is(err, broken) {
			t.Errorf("Run() = %v", err)
		}
		r.done <- nil
		got := j.take()
		slices.Sort(got) // two goroutines
		if want := []string{"0s active>initialize lost", "0s remove"}; !slices.Equal(got, want) {
			t.Errorf("journal: %v, want %v", got, want)
		}
		if last := r.Snapshot().LastTransition; !errors.Is(last.Err, broken) {
			t.Errorf("the transition carries %v", last.Err)
		}
	})
	bubble(t, "send", func(t *testing.T) {
		fake := newFake()
		var log logs
		r := run(t, vips4, WithTransport(fake), WithPriority(owner), WithLogger(log.logger()))
		fake.link.failSends(broken)
		pass(2500 * time.Millisecond)
		fake.link.failSends(nil)
		pass(time.Second)
		if s := r.Snapshot(); s.State != Active || s.Statistics.SendErrors < 2 || s.Statistics.AdvertisementSent != 4 {
			t.Errorf("state %v, %d errors, %d sent", s.State, s.Statistics.SendErrors, s.Statistics.AdvertisementSent)
		}
		if n := log.count("sending an advertisement"); n != 1 {
			t.Errorf("%d complaints about sending, want 1", n)
		}
		if n := log.count("advertisements are sent again"); n != 1 {
			t.Errorf("%d news about sending again, want 1", n)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	fake := newFake()
	udp, err := UDPTransport(authFrom, testKey(1), authTo)
	if err != nil {
		t.Fatal(err)
	}
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, p := range list {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	many := make([]netip.Prefix, 256)
	for i := range many {
		many[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 32)
	}
	var none *UDP
	for _, c := range []struct {
		name string
		vrid uint8
		vips []netip.Prefix
		opts []Option
		want []string
	}{
		{"nothing right", 0, prefixes("192.0.2.1/32", "192.0.2.1/24", "fe80::1/64", "224.0.0.1/32"),
			[]Option{WithPriority(0), WithInterval(0), WithPreemptDelay(-1), WithStartupDelay(-1), WithDownTimerAdverts(0), WithHMAC(HMACKey{})},
			[]string{"VRID 0", "priority 0", "interval 0s is outside", "preempt delay -1ns", "startup delay -1ns", "0 down timer adverts", "WithHMAC without a key",
				"a transport is needed", "192.0.2.1 is listed twice", "fe80::1 is not an ipv4 address", "224.0.0.1 is not the address of a host"}},
		{"no transport", 1, vips4, []Option{WithTransport(none)}, []string{"a transport is needed"}},
		{"no prefix", 1, []netip.Prefix{{}}, []Option{WithTransport(fake)}, []string{"not an address with a prefix length"}},
		{"too many", 1, many, []Option{WithTransport(fake)}, []string{"256 virtual addresses, an advert carries 255"}},
		{"first IPv6 is global", 1, prefixes("2001:db8::1/64", "fe80::1/64"), []Option{WithTransport(fake)}, []string{"the first IPv6 virtual address is 2001:db8::1"}},
		{"family of addresses", 1, vips4, []Option{WithTransport(fake), WithFamily(IPv6)}, []string{"192.0.2.100 is not an ipv6 address"}},
		{"unknown family", 1, nil, []Option{WithTransport(fake), WithFamily(5)}, []string{"family Family(5) is neither"}},
		{"family of the transport", 1, vips6, []Option{WithTransport(udp)}, []string{"the virtual router is ipv6, the transport is ipv4"}},
		{"UDP without signatures", 1, vips4, []Option{WithTransport(udp), WithHMAC(testKey(1), HMACPermissive())}, []string{"the transport allows no unsigned advert"}},
		{"uneven interval", 1, vips4, []Option{WithTransport(fake), WithInterval(1015 * time.Millisecond)}, []string{"whole centiseconds"}},
		{"long interval", 1, vips4, []Option{WithTransport(fake), WithInterval(40960 * time.Millisecond)}, []string{"outside 10ms..40.95s"}},
		{"burst without measure", 1, vips4, []Option{WithTransport(fake), WithAnnouncePlan(AnnouncePlan{Burst: 256})}, []string{"Burst 256 is more than 255"}},
		{"addresses twice", 1, vips4, []Option{WithTransport(fake), WithVIPs(vips4...)}, []string{"WithVIPs is for Router.Update"}},
		{"nobody to speak with", 1, vips4, []Option{WithTransport(fake), WithUnicast(netip.Addr{}), WithVirtualMAC()}, []string{"at least one peer", "the virtual MAC is for multicast"}},
		{"bad peers", 1, vips4, []Option{WithTransport(fake), WithUnicast(netip.MustParseAddr("192.0.2.1"),
			Peer{Addr: netip.MustParseAddr("192.0.2.1")}, Peer{Addr: netip.MustParseAddr("fe80::1")}, Peer{}, Peer{Addr: netip.MustParseAddr("224.0.0.18")})},
			[]string{"peer 192.0.2.1 is the source", "peer fe80::1 is not an ipv4 address", "peer invalid IP is not the address", "peer 224.0.0.18 is not the address"}},
		{"source that moves", 1, vips4, []Option{WithTransport(fake), WithUnicast(netip.MustParseAddr("192.0.2.100"), Peer{Addr: netip.MustParseAddr("192.0.2.2")})},
			[]string{"source 192.0.2.100 is a virtual address"}},
		{"peers of UDP", 1, nil, []Option{WithTransport(udp), WithUnicast(netip.Addr{}, Peer{Addr: netip.MustParseAddr("192.0.2.1")}), WithVirtualMAC()},
			[]string{"the transport has its own peers", "WithVirtualMAC: the transport has no frames", "the virtual MAC is for multicast"}},
		{"raw without a family", 1, nil, []Option{WithTransport(newRawNet().raw(t))}, []string{"needs WithFamily"}},
		{"many adverts", 1, vips4, []Option{WithTransport(fake), WithDownTimerAdverts(101)}, []string{"101 down timer adverts"}},
	} {
		r, err := New(c.vrid, c.vips, c.opts...)
		if err == nil || r != nil {
			t.Errorf("%s: New() = %v, %v", c.name, r, err)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		for _, want := range c.want {
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "vrrp: ") && strings.Contains(l, want) }) {
				t.Errorf("%s: New() = %v, want %q", c.name, err, want)
			}
		}
		if len(lines) != len(c.want) {
			t.Errorf("%s: %d problems, want %d:\n%v", c.name, len(lines), len(c.want), err)
		}
	}
}

func TestNewAccepts(t *testing.T) {
	udp, err := UDPTransport(authFrom, testKey(1), authTo)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		vips   []netip.Prefix
		opts   []Option
		family Family
	}{
		"IPv4":             {vips4, []Option{WithTransport(newFake())}, IPv4},
		"IPv6":             {vips6, []Option{WithTransport(newFake())}, IPv6},
		"none":             {nil, []Option{WithTransport(newFake())}, 0},
		"none, by UDP":     {nil, []Option{WithTransport(udp)}, IPv4},
		"none, by choice":  {nil, []Option{WithTransport(newFake()), WithFamily(IPv6)}, IPv6},
		"shortest":         {nil, []Option{WithTransport(newFake()), WithInterval(10 * time.Millisecond)}, 0},
		"longest, 100":     {nil, []Option{WithTransport(newFake()), WithInterval(40950 * time.Millisecond), WithDownTimerAdverts(100)}, 0},
		"owner, with HMAC": {nil, []Option{WithTransport(newFake()), WithPriority(255), WithHMAC(testKey(1))}, 0},
	} {
		r, err := New(1, c.vips, c.opts...)
		if err != nil {
			t.Errorf("%s: New() = %v", name, err)
		} else if got := r.Snapshot(); got.Family != c.family || got.State != Initialize {
			t.Errorf("%s: family %v, state %v", name, got.Family, got.State)
		}
	}
}
