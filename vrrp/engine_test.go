package vrrp

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// working runs an engine until the test ends.
func working(t *testing.T, w waiter) *engine {
	t.Helper()
	e := newEngine(w)
	done := make(chan error, 1)
	go func() { done <- e.run() }()
	t.Cleanup(func() {
		e.do(func() { e.over = true })
		if err := <-done; err != nil {
			t.Errorf("run() = %v", err)
		}
	})
	return e
}

// onEveryWaiter runs a test that depends on no clock on each kind of waiter.
func onEveryWaiter(t *testing.T, f func(t *testing.T, w waiter)) {
	t.Run("timer", func(t *testing.T) { f(t, newTimerWaiter()) })
	if hasPollWaiter {
		t.Run("poll", func(t *testing.T) {
			w, err := newPollWaiter()
			if err != nil {
				t.Fatal(err)
			}
			f(t, w)
		})
	}
}

// What each goroutine asks is done in its order, and all of it.
func TestEngineMailOrder(t *testing.T) {
	onEveryWaiter(t, func(t *testing.T, w waiter) {
		e := working(t, w)
		const senders, mails = 8, 500
		got := make([][]int, senders)
		var sending sync.WaitGroup
		for i := range senders {
			sending.Go(func() {
				for n := range mails {
					if !e.do(func() { got[i] = append(got[i], n) }) {
						t.Error("do() = false")
					}
				}
			})
		}
		sending.Wait()
		e.call(func() {})
		for i := range got {
			if len(got[i]) != mails || !slices.IsSorted(got[i]) {
				t.Errorf("sender %d: %d of %d in order %v", i, len(got[i]), mails, slices.IsSorted(got[i]))
			}
		}
	})
}

// What is asked while an engine ends is done or refused, never forgotten.
func TestEngineCloses(t *testing.T) {
	onEveryWaiter(t, func(t *testing.T, w waiter) {
		e := newEngine(w)
		var taken, done atomic.Int64
		var sending sync.WaitGroup
		for range 4 {
			sending.Go(func() {
				for e.do(func() { done.Add(1) }) {
					taken.Add(1)
				}
			})
		}
		sending.Go(func() { e.do(func() { e.over = true }) })
		if err := e.run(); err != nil {
			t.Errorf("run() = %v", err)
		}
		sending.Wait()
		if taken.Load() != done.Load() {
			t.Errorf("%d were taken, %d done", taken.Load(), done.Load())
		}
		if e.call(func() {}) {
			t.Error("call() = true after the end")
		}
		e.close()
	})
}

// recorder is an alarm and a source that write down when they are served.
type recorder struct {
	e     *engine
	name  string
	log   *[]string
	alarm alarm
	again []instant // set anew when honoured, relative to then
	more  int       // what drain says there is left
	ready chan struct{}
}

func newRecorder(e *engine, name string, log *[]string) *recorder {
	r := &recorder{e: e, name: name, log: log, ready: make(chan struct{}, 1)}
	r.alarm.owner = r
	return r
}

func (r *recorder) honour(now instant) {
	*r.log = append(*r.log, fmt.Sprintf("%s at %v", r.name, time.Duration(now)))
	if len(r.again) > 0 {
		r.e.set(&r.alarm, now+r.again[0])
		r.again = r.again[1:]
	}
}

func (r *recorder) drain() bool {
	*r.log = append(*r.log, r.name+" drained")
	r.more--
	return r.more > 0
}

func TestEngineDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := working(t, newTimerWaiter())
		var log []string
		a, b := newRecorder(e, "a", &log), newRecorder(e, "b", &log)
		a.again = []instant{int64(3 * time.Second), 0, -1}
		e.call(func() {
			e.set(&a.alarm, int64(2*time.Second))
			e.set(&b.alarm, int64(time.Second))
		})
		pass(time.Second)
		e.call(func() { e.set(&b.alarm, int64(5*time.Second)) })
		pass(time.Minute)
		e.call(func() {
			want := []string{"b at 1s", "a at 2s", "a at 5s", "b at 5s", "a at 5s", "a at 5s"}
			if !slices.Equal(log, want) && !slices.Equal(log, []string{"b at 1s", "a at 2s", "b at 5s", "a at 5s", "a at 5s", "a at 5s"}) {
				t.Errorf("%q, want %q", log, want)
			}
			if e.alarms.next() != never {
				t.Error("an alarm is left")
			}
		})
	})
}

// Sources come before what is due, also when there is more to drain than one
// turn takes.
func TestEngineDrainsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := working(t, newTimerWaiter())
		var log []string
		var sources []*recorder
		for i := range 3 { // the second and the third have a goroutine that rings
			r := newRecorder(e, fmt.Sprint("source ", i), &log)
			r.more = 2
			sources = append(sources, r)
			e.call(func() { _ = e.waiter.add(r, -1, func() <-chan struct{} { return r.ready }) })
		}
		synctest.Wait()
		e.call(func() {
			log = nil
			for _, r := range sources {
				r.more = 0
			}
		})
		a := newRecorder(e, "alarm", &log)
		e.call(func() { log = nil; e.set(&a.alarm, e.now()+int64(time.Second)) })
		pass(time.Second)
		want := []string{"source 0 drained", "source 1 drained", "source 2 drained", "alarm at 1s"}
		if len(log) < 4 || !slices.Equal(log[len(log)-4:], want) {
			t.Errorf("%q, want %q at the end", log, want)
		}
		for i, r := range sources {
			e.call(func() { log = nil })
			r.ready <- struct{}{}
			synctest.Wait()
			if len(log) != 3 {
				t.Errorf("source %d was ready: %q", i, log)
			}
		}
		e.call(func() {
			for _, r := range sources {
				e.waiter.remove(r)
			}
			log = nil
		})
		for _, r := range sources {
			r.ready <- struct{}{}
		}
		synctest.Wait()
		if len(log) != 0 {
			t.Errorf("after remove: %q", log)
		}
	})
}

// A host that was suspended is known by its two clocks; readings that were held
// up, or differ by a little, say nothing.
func TestSleep(t *testing.T) {
	var now instant
	var boot, step time.Duration
	ok := true
	s := sleep{boottime: func() (time.Duration, bool) { now += int64(step); return boot, ok }}
	look := func() time.Duration { return s.since(func() instant { return now }) }
	for _, c := range []struct {
		name          string
		passes, slept time.Duration
		step          time.Duration
		broken        bool
		want          time.Duration
	}{
		{name: "the first look", slept: 5 * time.Hour},
		{name: "nothing", passes: time.Second},
		{name: "a little", passes: time.Second, slept: 19 * time.Millisecond},
		{name: "no more of it", passes: time.Second},
		{name: "a while", passes: time.Second, slept: time.Minute, want: time.Minute + 19*time.Millisecond},
		{name: "once", passes: time.Second},
		{name: "a slow reading", slept: time.Minute, step: 2 * time.Millisecond},
		{name: "told by the next", want: time.Minute - 2*time.Millisecond},
		{name: "no reading", slept: time.Minute, broken: true},
		{name: "the clock goes back", slept: -time.Hour},
		{name: "and on from there", passes: time.Second, slept: time.Second, want: time.Second},
	} {
		now, boot, step, ok = now+int64(c.passes), boot+c.passes+c.slept, c.step, !c.broken
		if got := look(); got != c.want {
			t.Errorf("%s: slept %v, want %v", c.name, got, c.want)
		}
	}
	if none := (&sleep{}).since(nil); none != 0 {
		t.Errorf("without a clock: %v", none)
	}
}

// sleepy is a waiter of a host that sleeps.
type sleepy struct {
	*timerWaiter
	start time.Time
	slept atomic.Int64
}

func (s *sleepy) boottime() (time.Duration, bool) {
	return time.Since(s.start) + time.Duration(s.slept.Load()), true
}

// A host that wakes up knows that it slept before it reads what has come: a
// router that is to step down does not drive its heir away first.
func TestSleepComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		r := newRouter(t, 51, vips4, WithTransport(fake), WithPreempt(false))
		w := &sleepy{timerWaiter: newTimerWaiter(), start: time.Now()}
		s, err := r.open(t.Context(), newEngine(w))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		u, ended := launch(s.engine, []*session{s}, func(m []*machine) core { return r.core(s.engine, m[0]) }), make(chan struct{})
		go func() { defer close(ended); u.run(ctx) }()
		pass(4 * time.Second)
		fake.link.adverts()
		w.slept.Store(int64(time.Minute))
		fake.link.deliver(message(lowPeer, 50), lowPeer)
		synctest.Wait()
		if got, last := priorities(fake.link.adverts()), r.Snapshot().LastTransition; !slices.Equal(got, []uint8{0}) || last.Reason != ReasonStalled {
			t.Errorf("sent %v, and the last transition is %+v", got, last)
		}
		stop()
		<-ended
		s.close()
	})
}
