package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// rig is a manager that runs in a synctest bubble, with what it reported.
type rig struct {
	*Manager
	t *testing.T

	mu     sync.Mutex // guards events
	events []Event
}

// newRig makes a manager and runs it; the test's end stops it.
func newRig(t *testing.T, opts ...Option) *rig {
	t.Helper()
	r := &rig{t: t}
	m, err := New(append([]Option{WithOnChange(func(e Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	m.schedule.seed = 1
	r.Manager = m
	return r
}

// run starts the manager; the returned function stops it and waits.
func (r *rig) run() (stop func()) { return r.runFor(r.t) }

func (r *rig) runFor(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// add adds a target and fails the test when that fails.
func (r *rig) add(id string, p Policy, c CheckerFunc) *Handle {
	r.t.Helper()
	h, err := r.Add(Target{ID: id}, c, p)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// history returns the events so far as "id up" and "id down".
func (r *rig) history() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, e := range r.events {
		word := " down"
		if e.Up {
			word = " up"
		}
		all = append(all, e.ID+word)
	}
	return all
}

func pass(context.Context, Target) Result { return Result{Status: Pass} }

var errTest = errors.New("broken")

func fail(context.Context, Target) Result { return Result{Status: Fail, Err: errTest} }

func TestNewReportsAllProblems(t *testing.T) {
	_, err := New(WithOnChange(nil), WithConcurrency(0), WithJitter(0.6), WithMaxSpread(-1))
	if err == nil {
		t.Fatal("New() passed")
	}
	for _, want := range []string{"healthcheck: new: ", "WithOnChange", "WithConcurrency", "WithJitter", "WithMaxSpread"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
	if _, err := New(WithLogger(nil), WithConcurrency(1<<20), WithJitter(0.5), WithMaxSpread(0)); err != nil {
		t.Errorf("New() at the limits = %v", err)
	}
}

func TestAddRefuses(t *testing.T) {
	m, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Add(Target{Addr: "192.0.2.1:80"}, TCP(), Policy{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		target  Target
		checker Checker
		policy  Policy
		want    []string
	}{
		{"no checker", Target{ID: "a"}, nil, Policy{}, []string{"add default/a", "no checker"}},
		{"no function", Target{ID: "a"}, CheckerFunc(nil), Policy{}, []string{"no checker"}},
		{"no name", Target{}, CheckerFunc(pass), Policy{}, []string{"neither ID nor Addr"}},
		{"policy", Target{ID: "a"}, CheckerFunc(pass), Policy{Rise: -1, Fall: -1}, []string{"Rise", "Fall"}},
		{"address", Target{ID: "a"}, TCP(), Policy{}, []string{"tcp: address"}},
		{"port", Target{Addr: "192.0.2.1:0"}, HTTP(), Policy{}, []string{"http: address", "port"}},
		{"host", Target{Addr: ":80"}, TCP(), Policy{}, []string{"no host"}},
		{"the same address again", Target{Group: "default", ID: "192.0.2.1:80"}, CheckerFunc(pass), Policy{}, []string{"duplicate"}},
		{"everything at once", Target{Group: "g", ID: "192.0.2.1"}, HTTP(WithPath("x"), WithStatus(1, 2)), Policy{Timeout: time.Hour},
			[]string{"add g/192.0.2.1", "WithPath", "WithStatus", "address", "Timeout"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := m.Add(c.target, c.checker, c.policy)
			if err == nil || h != nil {
				t.Fatalf("Add() = %v, %v", h, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not name %q", err, want)
				}
			}
		})
	}
	if _, err := m.Add(Target{Addr: "192.0.2.1:80"}, TCP(), Policy{}); !errors.Is(err, ErrDuplicate) {
		t.Errorf("Add() of a duplicate = %v", err)
	}
	if _, err := m.Add(Target{Group: "other", Addr: "192.0.2.1:80"}, TCP(), Policy{}); err != nil {
		t.Errorf("Add() of the same id in another group = %v", err)
	}
	for _, addr := range []string{"[2001:db8::1]:80", "backend.example:8080", "[fe80::1%eth0]:1", "192.0.2.1:65535"} {
		if _, err := m.Add(Target{Addr: addr}, TCP(), Policy{}); err != nil {
			t.Errorf("Add() of %s = %v", addr, err)
		}
	}
}

func TestFirstResultDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		good, bad := r.add("good", Policy{}, pass), r.add("bad", Policy{}, fail)
		if good.State() != Unknown || good.Up() || r.Ready() {
			t.Error("a verdict before Run")
		}
		stop := r.run()
		defer stop()
		begin := time.Now()
		if err := r.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("ready after %v, want the spread of 1s at most", waited)
		}
		if good.State() != Up || !good.Up() || bad.State() != Down || bad.Up() {
			t.Errorf("states %v and %v", good.State(), bad.State())
		}
		synctest.Wait()
		got := r.history()
		slices.Sort(got)
		if want := []string{"bad down", "good up"}; !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
		for _, e := range r.events {
			if e.Group != "default" || e.Generation == 0 || e.Up != (e.Err == nil) || !e.Up && e.Err != errTest || e.Time.IsZero() {
				t.Errorf("event %+v", e)
			}
		}
	})
}

// TestSequences checks the instants and the events that result strings lead
// to: P pass, F fail, L local, one for each check. An interval of 10 s, fast 1 s,
// down 20 s, without jitter.
func TestSequences(t *testing.T) {
	p := Policy{Interval: 10 * time.Second, FastInterval: time.Second, DownInterval: 20 * time.Second, Timeout: time.Second}
	for _, c := range []struct {
		results string
		gaps    string // seconds between the checks from the second on
		events  string // U, D at the check they come with, else -
	}{
		{"PPPP", "10 10", "U---"},
		{"FFFF", "20 20", "D---"},
		{"PFFFF", "1 1 20", "U--D-"},
		{"PFFPP", "1 1 10", "U----"},
		{"PFFPFFFF", "1 1 10 1 1 20", "U-----D-"},
		{"FPPP", "1 10", "D-U-"},
		{"FPFPPP", "1 20 1 10", "D---U-"},
		{"LLPP", "1 10", "--U-"},
		{"PLLP", "10 10", "U---"},
		{"PFLFLFF", "1 1 1 1 20", "U----D-"},
		{"FPLPP", "1 1 10", "D--U-"},
	} {
		t.Run(c.results, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, WithJitter(0), WithMaxSpread(0))
				var starts []time.Time
				r.add("a", p, func(context.Context, Target) Result {
					starts = append(starts, time.Now())
					if len(starts) > len(c.results) {
						return Result{Status: Local, Err: errTest}
					}
					return map[byte]Result{
						'P': {Status: Pass},
						'F': {Status: Fail, Err: errTest},
						'L': {Status: Local, Err: errTest},
					}[c.results[len(starts)-1]]
				})
				stop := r.run()
				time.Sleep(20 * time.Second * time.Duration(len(c.results)))
				stop()
				events := ""
				for _, at := range starts[:len(c.results)] {
					switch i := slices.IndexFunc(r.events, func(e Event) bool { return e.Time.Equal(at) }); {
					case i < 0:
						events += "-"
					case r.events[i].Up:
						events += "U"
					default:
						events += "D"
					}
				}
				var gaps []string
				for i := 2; i < len(c.results); i++ { // the second check goes to the target's place
					gaps = append(gaps, fmt.Sprint(starts[i].Sub(starts[i-1]).Round(time.Second/10).Seconds()))
				}
				if got := strings.Join(gaps, " "); got != c.gaps {
					t.Errorf("gaps %s, want %s", got, c.gaps)
				}
				if events != c.events {
					t.Errorf("events %s, want %s", events, c.events)
				}
			})
		})
	}
}

// TestTenThousandTargets: at once from the start, for a minute, and none of
// them twice at a time, early or late.
func TestTenThousandTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 5 * time.Second
		targets, tolerance := 10_000, 0.1
		if race.Enabled {
			targets, tolerance = 2_000, 0.25
		}
		r := newRig(t)
		begin := time.Now()
		var mu sync.Mutex
		starts := make(map[string][]time.Duration, targets)
		check := CheckerFunc(func(_ context.Context, target Target) Result {
			mu.Lock()
			defer mu.Unlock()
			starts[target.ID] = append(starts[target.ID], time.Since(begin))
			return Result{Status: Pass}
		})
		for i := range targets {
			if _, err := r.Add(Target{Addr: testName(i)}, check, Policy{}); err != nil {
				t.Fatal(err)
			}
		}
		stop := r.run()
		if err := r.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited > time.Second+maxWindow {
			t.Errorf("ready after %v", waited)
		}
		time.Sleep(time.Minute - time.Since(begin))
		stop()
		var all []int64
		for id, times := range starts {
			for i := range times {
				if times[i] >= 20*time.Second && times[i] < 40*time.Second {
					all = append(all, int64(times[i]))
				}
				if i < 2 {
					continue
				}
				if gap := times[i] - times[i-1]; gap < interval*9/10-maxWindow || gap > interval*11/10+maxWindow {
					t.Fatalf("%s: interval %d is %v", id, i, gap)
				}
			}
			if n := len(times); n < 11 || n > 13 {
				t.Fatalf("%s: %d checks in a minute", id, n)
			}
		}
		if got := uniform(buckets(all, int64(interval), 10)); got > tolerance {
			t.Errorf("starts differ by %.3f from uniform", got)
		}
		s := r.Snapshot()
		if s.Late != 0 || s.HeldUp != 0 || s.Failed != 0 || s.Local != 0 || s.InFlight != 0 || s.Events != uint64(targets) {
			t.Errorf("snapshot late %d, held up %d, failed %d, local %d, in flight %d, events %d", s.Late, s.HeldUp, s.Failed, s.Local, s.InFlight, s.Events)
		}
	})
}

func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		inside, checks := 0, 0
		// Every check takes its whole timeout, twice the fast interval.
		h := r.add("slow", Policy{}, func(ctx context.Context, _ Target) Result {
			inside++
			checks++
			if inside > 1 {
				t.Error("two checks at a time")
			}
			<-ctx.Done()
			inside--
			if checks == 1 {
				return Result{Status: Pass}
			}
			return ResultOf(ctx.Err())
		})
		stop := r.run()
		defer stop()
		begin := time.Now()
		for h.State() != Up {
			time.Sleep(time.Millisecond)
		}
		for h.State() != Down {
			time.Sleep(time.Millisecond)
		}
		// At most an interval to the second check, then three timeouts back to back.
		if took := time.Since(begin); took > 12*time.Second {
			t.Errorf("down after %v", took)
		}
		if checks != 4 {
			t.Errorf("%d checks, want 4", checks)
		}
	})
}

func TestTimeoutIsAbsolute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		var deadline time.Duration
		h := r.add("silent", Policy{Timeout: 300 * time.Millisecond}, func(ctx context.Context, _ Target) Result {
			begin := time.Now()
			if d, ok := ctx.Deadline(); ok {
				deadline = d.Sub(begin)
			}
			<-ctx.Done()
			if took := time.Since(begin); took != 300*time.Millisecond {
				t.Errorf("cut off after %v", took)
			}
			return ResultOf(ctx.Err())
		})
		stop := r.run()
		defer stop()
		if err := r.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if deadline != 300*time.Millisecond || h.State() != Down {
			t.Errorf("deadline after %v, state %v", deadline, h.State())
		}
		synctest.Wait()
		if s := r.Snapshot().Targets[0]; s.Err != context.DeadlineExceeded.Error() || s.Took != 300*time.Millisecond {
			t.Errorf("snapshot %+v", s)
		}
	})
}

func TestLocalErrorsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		var verdict atomic.Pointer[Result]
		local, passed := ResultOf(&net.OpError{Op: "dial", Err: syscall.EMFILE}), Result{Status: Pass}
		verdict.Store(&local)
		h := r.add("a", Policy{}, func(context.Context, Target) Result { return *verdict.Load() })
		stop := r.run()
		defer stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.Ready() || h.State() != Unknown || len(r.history()) != 0 {
			t.Errorf("ready %v, state %v, events %q", r.Ready(), h.State(), r.history())
		}
		verdict.Store(&passed)
		time.Sleep(10 * time.Second)
		verdict.Store(&local)
		time.Sleep(time.Minute)
		synctest.Wait()
		if h.State() != Up || len(r.history()) != 1 {
			t.Errorf("state %v, events %q", h.State(), r.history())
		}
		if s := r.Snapshot(); s.Local < 20 || s.Failed != 0 || s.Targets[0].Local != s.Local {
			t.Errorf("snapshot %+v", s)
		}
	})
}

func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		var calledOff error
		gate := make(chan struct{})
		h := r.add("a", Policy{}, func(ctx context.Context, _ Target) Result {
			<-ctx.Done()
			calledOff = ctx.Err()
			<-gate // the manager does not wait
			return Result{Status: Fail, Err: errTest}
		})
		stop := r.run()
		defer stop()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		h.Remove()
		h.Remove()
		synctest.Wait()
		if !errors.Is(calledOff, context.Canceled) {
			t.Errorf("the check's context: %v", calledOff)
		}
		if !r.Ready() {
			t.Error("a removed target is waited for")
		}
		// The name is free; the old result, coming now, is not taken for the new one's.
		again := r.add("a", Policy{}, pass)
		if again.index != h.index {
			t.Fatal("the index was not used again: the test misses its point")
		}
		if again.generation <= h.generation {
			t.Errorf("generation %d after %d", again.generation, h.generation)
		}
		time.Sleep(time.Millisecond)
		close(gate)
		time.Sleep(time.Minute)
		synctest.Wait()
		if h.State() != Unknown || again.State() != Up {
			t.Errorf("states %v and %v", h.State(), again.State())
		}
		if got := r.history(); !slices.Equal(got, []string{"a up"}) {
			t.Errorf("events %q", got)
		}
		if s := r.Snapshot(); len(s.Targets) != 1 || s.Failed != 0 || s.InFlight != 0 {
			t.Errorf("snapshot %+v", s)
		}
	})
}

// TestRemovedAfterItsDeadline: a check that has passed its deadline when its
// target goes is no more than any other.
func TestRemovedAfterItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		gate := make(chan struct{})
		h := r.add("a", Policy{}, func(context.Context, Target) Result {
			<-gate
			return Result{Status: Fail, Err: errTest}
		})
		stop := r.run()
		defer stop()
		time.Sleep(2500 * time.Millisecond) // past the timeout, not yet taken for stuck
		h.Remove()
		close(gate)
		synctest.Wait()
		if s := r.Snapshot(); s.Failed != 0 || s.Stale != 1 || s.Events != 0 || s.InFlight != 0 {
			t.Fatalf("snapshot %+v", s)
		}
		if n := len(r.schedule.waiting.entries) + len(r.schedule.running.entries); n != 0 {
			t.Fatalf("%d entries are left in the schedule", n)
		}
	})
}

// TestRemoveDropsWaitingEvents: an event that waits behind a slow receiver does
// not come after its target is gone.
func TestRemoveDropsWaitingEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var got []string
		m, err := New(WithMaxSpread(0), WithOnChange(func(e Event) {
			<-gate
			got = append(got, e.ID)
		}))
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Manager: m, t: t}
		stop := r.run()
		r.add("first", Policy{}, pass)
		synctest.Wait()
		second := r.add("second", Policy{}, pass)
		time.Sleep(time.Second)
		synctest.Wait()
		second.Remove()
		close(gate)
		synctest.Wait()
		stop()
		if !slices.Equal(got, []string{"first"}) {
			t.Errorf("events of %q", got)
		}
	})
}

func TestAddWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		stop := r.run()
		defer stop()
		if err := r.WaitReady(t.Context()); err != nil {
			t.Fatalf("without targets: %v", err)
		}
		time.Sleep(time.Hour)
		h := r.add("late", Policy{}, pass)
		if r.Ready() {
			t.Error("ready with a new target")
		}
		begin := time.Now()
		if err := r.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited > time.Second || !h.Up() {
			t.Errorf("state %v after %v", h.State(), waited)
		}
	})
}

// TestConcurrency: never more than the limit, and all get their turn.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 3
		r := newRig(t, WithConcurrency(limit), WithMaxSpread(0))
		var mu sync.Mutex
		inside, most := 0, 0
		counts := map[string]int{}
		for i := range 20 {
			r.add(fmt.Sprint(i), Policy{}, func(_ context.Context, target Target) Result {
				mu.Lock()
				inside++
				most = max(most, inside)
				counts[target.ID]++
				mu.Unlock()
				time.Sleep(500 * time.Millisecond)
				mu.Lock()
				inside--
				mu.Unlock()
				return Result{Status: Pass}
			})
		}
		stop := r.run()
		if err := r.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		stop()
		if most != limit {
			t.Errorf("%d checks at a time, want %d", most, limit)
		}
		for id, n := range counts {
			if n < 6 {
				t.Errorf("target %s was checked %d times", id, n)
			}
		}
		if s := r.Snapshot(); len(counts) != 20 || s.HeldUp != 0 {
			t.Errorf("%d targets checked, %d timeouts ignored", len(counts), s.HeldUp)
		}
	})
}

// TestStopCallsOffChecks: Run ends at once, with every check joined, and what
// they said counts for nothing.
func TestStopCallsOffChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		var ended atomic.Int32
		for i := range 5 {
			r.add(fmt.Sprint(i), Policy{}, func(ctx context.Context, _ Target) Result {
				<-ctx.Done()
				ended.Add(1)
				return Result{Status: Fail, Err: ctx.Err()}
			})
		}
		stop := r.run()
		time.Sleep(time.Second)
		waiting := make(chan error)
		go func() { waiting <- r.WaitReady(context.Background()) }()
		synctest.Wait()
		begin := time.Now()
		go stop()
		if err := <-waiting; !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("WaitReady() = %v", err)
		}
		if took := time.Since(begin); took != 0 || ended.Load() != 5 {
			t.Errorf("%d checks ended, %v after the stop", ended.Load(), took)
		}
		if got := r.history(); len(got) != 0 {
			t.Errorf("events %q", got)
		}
		if _, err := r.Add(Target{ID: "x"}, CheckerFunc(pass), Policy{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Add() = %v", err)
		}
		if err := r.Run(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("second Run() = %v", err)
		}
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		stop := r.run()
		defer stop()
		synctest.Wait()
		if err := r.Run(t.Context()); err == nil || errors.Is(err, ErrClosed) {
			t.Errorf("second Run() = %v", err)
		}
	})
}

func TestWaitReadyContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.add("a", Policy{}, pass)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := r.WaitReady(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 first result") {
			t.Errorf("WaitReady() = %v", err)
		}
	})
}

// TestCallbackMayUseManager: the callback is outside the lock.
func TestCallbackMayUseManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m *Manager
		var h *Handle
		order := ""
		m, err := New(WithMaxSpread(0), WithOnChange(func(e Event) {
			order += "1"
			if m.Snapshot().Events == 0 || !m.Ready() {
				t.Error("no event counted")
			}
			h.Remove()
			if _, err := m.Add(Target{ID: "b"}, CheckerFunc(pass), Policy{}); e.ID == "a" && err != nil {
				t.Error(err)
			}
		}), WithOnChange(func(Event) { order += "2" }))
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Manager: m, t: t}
		h = r.add("a", Policy{}, pass)
		stop := r.run()
		time.Sleep(time.Minute)
		stop()
		if order != "1212" {
			t.Errorf("callbacks in order %s", order)
		}
	})
}

// TestEventsAreOrdered flaps many targets and checks that a receiver sees each
// one's changes alternate, with rising numbers.
func TestEventsAreOrdered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last uint64
		state := map[string]bool{}
		count := 0
		m, err := New(WithOnChange(func(e Event) {
			if e.Seq <= last {
				t.Errorf("event %d after %d", e.Seq, last)
			}
			last = e.Seq
			if up, known := state[e.ID]; known && up == e.Up {
				t.Errorf("%s reported up=%v twice", e.ID, e.Up)
			}
			state[e.ID] = e.Up
			count++
		}))
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Manager: m, t: t}
		for i := range 200 {
			n := i
			r.add(fmt.Sprint(i), Policy{Interval: time.Second, Rise: 1, Fall: 1}, func(context.Context, Target) Result {
				n++
				if n%2 == 0 {
					return Result{Status: Fail, Err: errTest}
				}
				return Result{Status: Pass}
			})
		}
		stop := r.run()
		time.Sleep(30 * time.Second)
		stop()
		if s := m.Snapshot(); uint64(count) != s.Events || last != s.Events || count < 3000 || s.EventsCoalesced != 0 {
			t.Errorf("%d events received, last %d, of %d", count, last, s.Events)
		}
	})
}
