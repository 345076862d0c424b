package healthcheck

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// jump moves the manager's clock forward, as a process sees it that was
// stopped for a while.
func (r *rig) jump(d time.Duration) {
	r.Manager.mu.Lock()
	defer r.Manager.mu.Unlock()
	r.base = r.base.Add(-d)
}

// TestTimeoutWhileHeldUp: a timeout is no failure when this process was not
// there to hear the answer; what the target said is.
func TestTimeoutWhileHeldUp(t *testing.T) {
	const half = 2500 * time.Millisecond // of the default interval
	for _, c := range []struct {
		name   string
		before time.Duration // held up before the check starts
		during time.Duration // held up while it runs
		answer bool          // it fails by what the target said, at once
		heldUp uint64
		failed uint64
	}{
		{"punctual", 0, 0, false, 0, 1},
		{"started late by less than half an interval", half, 0, false, 0, 1},
		{"started late", half + time.Millisecond, 0, false, 1, 0},
		{"started late, refused", half + time.Millisecond, 0, true, 0, 1},
		{"ended late by less than half an interval", 0, half, false, 0, 1},
		{"ended late", 0, half + time.Millisecond, false, 1, 0},
		{"stopped for an hour", time.Hour, 0, false, 1, 0},
		{"stopped for an hour in a check", 0, time.Hour, false, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, WithJitter(0))
				checks := 0
				h := r.add("a", Policy{}, func(ctx context.Context, _ Target) Result {
					checks++
					switch {
					case checks == 1:
						return Result{Status: Pass}
					case checks > 2:
						return Result{Status: Local}
					case c.answer:
						return ResultOf(errTest)
					}
					r.jump(c.during)
					<-ctx.Done()
					return ResultOf(ctx.Err())
				})
				stop := r.run()
				if err := r.WaitReady(t.Context()); err != nil {
					t.Fatal(err)
				}
				// The clock jumps while the scheduler sleeps until the second check.
				synctest.Wait()
				r.Manager.mu.Lock()
				next, _ := r.schedule.waiting.top()
				sleep := time.Duration(next.at - r.now())
				r.Manager.mu.Unlock()
				time.Sleep(sleep - time.Millisecond)
				r.jump(c.before)
				time.Sleep(2*time.Second + 2*time.Millisecond)
				synctest.Wait()
				s := r.Snapshot()
				if s.HeldUp != c.heldUp || s.Failed != c.failed || h.State() != Up {
					t.Errorf("held up %d, failed %d, state %v; want %d, %d, up", s.HeldUp, s.Failed, h.State(), c.heldUp, c.failed)
				}
				if late := c.before > half; late != (s.Late == 1) {
					t.Errorf("late %d", s.Late)
				}
				stop()
			})
		})
	}
}

// TestStuckChecker: a checker that ignores its deadline fails once for every
// interval, so that it cannot keep a dead target up, and its late word counts
// for nothing.
func TestStuckChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0), WithJitter(0))
		gate := make(chan struct{})
		var checks atomic.Int32
		h := r.add("a", Policy{}, func(ctx context.Context, _ Target) Result {
			if checks.Add(1) == 2 {
				<-gate
			}
			return Result{Status: Pass}
		})
		stop := r.run()
		defer stop()
		for checks.Load() < 2 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		begin := time.Now()
		for h.State() == Up {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		// A timeout and half of it, then two fast intervals.
		if took := time.Since(begin).Round(10 * time.Millisecond); took != 5*time.Second {
			t.Errorf("down after %v", took)
		}
		r.mu.Lock()
		last := r.events[len(r.events)-1]
		r.mu.Unlock()
		if !errors.Is(last.Err, ErrOverdue) || !errors.Is(last.Err, context.DeadlineExceeded) {
			t.Errorf("event %+v", last)
		}
		if s := r.Snapshot(); s.Overdue != 3 || s.InFlight != 1 || s.Targets[0].Took != 5*time.Second {
			t.Errorf("snapshot %+v", s)
		}
		time.Sleep(time.Minute)
		close(gate)
		synctest.Wait()
		if s := r.Snapshot(); s.Stale != 1 || s.Passed != 1 || s.InFlight != 0 || h.State() != Down {
			t.Errorf("its late pass counted: %+v", s)
		}
		time.Sleep(12 * time.Second)
		synctest.Wait()
		if h.State() != Up || checks.Load() < 4 {
			t.Errorf("state %v after %d checks", h.State(), checks.Load())
		}
	})
}

// TestStuckCheckerRemoved: its return after the removal disturbs nothing.
func TestStuckCheckerRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		gate := make(chan struct{})
		h := r.add("a", Policy{}, func(context.Context, Target) Result { <-gate; return Result{Status: Pass} })
		stop := r.run()
		defer stop()
		time.Sleep(10 * time.Second)
		h.Remove()
		close(gate)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := r.Snapshot(); s.InFlight != 0 || len(s.Targets) != 0 || s.Passed != 0 || s.Stale != 1 {
			t.Errorf("snapshot %+v", s)
		}
	})
}

// TestStuckWhileHeldUp: a process that was stopped does not take its checkers
// for stuck when it comes back.
func TestStuckWhileHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		checks := 0
		h := r.add("a", Policy{Fall: 1}, func(ctx context.Context, _ Target) Result {
			checks++
			if checks == 2 {
				<-ctx.Done()
				r.jump(time.Hour)                   // stopped, and then
				time.Sleep(1500 * time.Millisecond) // the scheduler is the first to run again
			}
			return Result{Status: Pass}
		})
		stop := r.run()
		defer stop()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if s := r.Snapshot(); s.Overdue != 0 || s.HeldUp != 1 || s.Failed != 0 || h.State() != Up || checks < 3 {
			t.Errorf("state %v after %d checks, snapshot %+v", h.State(), checks, s)
		}
	})
}

// TestNoWaveAfterStall: after a stop of some rounds every target is checked
// once, and none twice within a twentieth of the interval.
func TestNoWaveAfterStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		starts := make([][]int64, 200)
		for i := range starts {
			r.add(testName(i), Policy{}, func(context.Context, Target) Result {
				r.Manager.mu.Lock()
				defer r.Manager.mu.Unlock()
				starts[i] = append(starts[i], r.now())
				return Result{Status: Pass}
			})
		}
		stop := r.run()
		time.Sleep(20 * time.Second)
		r.jump(17 * time.Second)
		time.Sleep(20 * time.Second)
		stop()
		for i, times := range starts {
			for k := 1; k < len(times); k++ {
				if gap := times[k] - times[k-1]; gap < second/4-int64(maxWindow) {
					t.Fatalf("target %d: interval %v", i, time.Duration(gap))
				}
			}
		}
		if s := r.Snapshot(); s.Late == 0 {
			t.Error("no check counted as late")
		}
	})
}

func TestNoStatusFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		r.add("empty", Policy{}, func(context.Context, Target) Result { return Result{} })
		r.add("error", Policy{}, func(context.Context, Target) Result { return Result{Err: errTest} })
		r.add("pass with error", Policy{}, func(context.Context, Target) Result { return Result{Status: Pass, Err: errTest} })
		stop := r.run()
		defer stop()
		if err := r.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := r.Snapshot().Targets
		if got[0].State != Down || got[0].Err != errNoStatus.Error() || got[1].State != Down || got[1].Err != errTest.Error() || got[2].State != Up || got[2].Err != "" {
			t.Errorf("snapshot %+v", got)
		}
	})
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		r := newRig(t, WithMaxSpread(0), WithLogger(log))
		checks := 0
		h := r.add("192.0.2.1:80", Policy{Fall: 1}, func(context.Context, Target) Result {
			checks++
			switch {
			case checks == 1:
				return Result{Status: Pass}
			case checks < 10:
				return Result{Status: Local, Err: ErrTooLong}
			}
			return Result{Status: Fail, Err: errTest}
		})
		stop := r.run()
		for h.State() != Down {
			time.Sleep(time.Second)
		}
		stop()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if lines[0] != `level=INFO msg="backend up" group=default backend=192.0.2.1:80 state=up` ||
			lines[len(lines)-1] != `level=INFO msg="backend down" group=default backend=192.0.2.1:80 state=down err=broken` {
			t.Errorf("log:\n%s", &out)
		}
		// Eight local errors, 5 s apart, make a line in 10 s at most.
		if n := strings.Count(out.String(), `level=WARN msg="checks could not be carried out" err="too long"`); n != len(lines)-2 || n < 3 || n > 5 {
			t.Errorf("%d warnings in\n%s", n, &out)
		}
	})
}
