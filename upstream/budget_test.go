package upstream

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudgetAllows(t *testing.T) {
	tests := []struct {
		b               budget
		retries, active int64
		want            bool
	}{
		{budget{0.2, 3}, 0, 1, true},
		{budget{0.2, 3}, 2, 1, true},
		{budget{0.2, 3}, 3, 1, false},
		{budget{0.2, 3}, 3, 19, false},
		{budget{0.2, 3}, 3, 20, true},
		{budget{0.2, 3}, 4, 20, false},
		{budget{0.2, 3}, 199, 1000, true},
		{budget{0.2, 3}, 200, 1000, false},
		{budget{0.29, 0}, 28, 100, true}, // 0.29 * 100 is a little less than 29
		{budget{0, 0}, 0, 1000, false},
		{budget{0, 2}, 1, 0, true},
		{budget{0, 2}, 2, 1 << 40, false},
		{budget{1, 0}, 1 << 40, 0, true},
	}
	for _, tt := range tests {
		if got := tt.b.allows(tt.retries, tt.active); got != tt.want {
			t.Errorf("%v allows(%d, %d) = %v, want %v", tt.b, tt.retries, tt.active, got, tt.want)
		}
	}
}

// eight returns a pool whose peers do not go out by themselves.
func eight(t *testing.T, opts ...Option) *Pool {
	for i := range 8 {
		opts = append(opts, server(fmt.Sprint(i), MaxFails(0)))
	}
	return newPool(t, opts...)
}

// failedOnce returns a request that has failed once.
func failedOnce(p *Pool, now int64) *Request {
	r := new(Request)
	_, l := pickFor(p, now, r)
	l.Done(now, Failure)
	return r
}

// TestRetryBudget: of twenty active requests four may be retries.
func TestRetryBudget(t *testing.T) {
	p := eight(t)
	var retries []*Request
	for range 6 {
		retries = append(retries, failedOnce(p, t0))
	}
	for range 19 {
		pick(p, t0)
	}
	var leases []Lease
	for i, r := range retries[:4] {
		l, err := p.TryPick(t0, r)
		if err != nil {
			t.Fatalf("retry %d = %v", i, err)
		}
		leases = append(leases, l)
	}
	for _, r := range retries[4:] {
		if _, err := p.TryPick(t0, r); !errors.Is(err, ErrBudget) {
			t.Fatalf("a retry beyond the budget = %v, want %v", err, ErrBudget)
		}
		if r.Tries() != 1 {
			t.Errorf("Tries() = %d, want 1", r.Tries())
		}
	}
	id, l := pick(p, t0)
	if l.Backend() == nil {
		t.Errorf("a first attempt = %s", id)
	}
	l.Done(t0, Success)
	leases[0].Done(t0, Failure)
	leases[0].Done(t0, Failure)
	if _, err := p.TryPick(t0, retries[4]); err != nil {
		t.Errorf("a retry after one has ended = %v", err)
	}
	if _, err := p.TryPick(t0, retries[5]); !errors.Is(err, ErrBudget) {
		t.Errorf("one more = %v, want %v", err, ErrBudget)
	}
	if s := p.Snapshot(); s.Retrying != 4 || s.Retries != 5 || s.OverBudget != 3 {
		t.Errorf("retrying %d, retries %d, over budget %d; want 4, 5, 3", s.Retrying, s.Retries, s.OverBudget)
	}
}

// TestRetryBudgetFloor: a few retries are always allowed, the request that stands
// alone included.
func TestRetryBudgetFloor(t *testing.T) {
	p := eight(t)
	r := new(Request)
	for range 8 {
		id, l := pickFor(p, t0, r)
		if l.Backend() == nil {
			t.Fatalf("try %d = %s", r.Tries(), id)
		}
		l.Done(t0, Failure)
	}
}

// TestRetryBudgetFree: what is not a retry does not count.
func TestRetryBudgetFree(t *testing.T) {
	tests := []struct {
		name    string
		share   float64
		outcome Outcome
		dropped bool
		want    bool
	}{
		{"failure", 0, Failure, false, false},
		{"pass", 0, Pass, false, false},
		{"free", 0, Free, false, true},
		{"no connection", 0, Failure, true, true},
		{"no connection for want of ports", 0, Pass, true, true},
		{"no budget", 1, Failure, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := eight(t, WithRetryBudget(tt.share, 0))
			r := new(Request)
			for range 3 {
				_, l := pickFor(p, t0, r)
				r.Dropped = tt.dropped
				l.Done(t0, tt.outcome)
				if r.Dropped {
					t.Error("Done left Dropped")
				}
				l, err := p.TryPick(t0, r)
				if (err == nil) != tt.want {
					t.Fatalf("next attempt = %v, want %v", err, tt.want)
				}
				l.Done(t0, Success)
				r.Dropped = true
				r.Reset()
			}
			if s := p.Snapshot(); s.Retrying != 0 || s.Retries != 0 {
				t.Errorf("%d retrying, %d retries; want none", s.Retrying, s.Retries)
			}
		})
	}
}

// TestRetryBudgetWaits: a retry in the queue is counted, and no longer when it has
// left.
func TestRetryBudgetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxFails(0), MaxConns(1)), server("b", MaxFails(0), MaxConns(1)),
			WithQueue(9, time.Minute), WithRetryBudget(0, 1))
		r1, r2 := failedOnce(p, p.Now()), failedOnce(p, p.Now())
		w1, w2 := goPick(p, "1", new(Request)), goPick(p, "2", new(Request))
		again := goPick(p, "again", r1)
		expect(t, "all taken", "waits", again)
		if _, err := p.TryPick(p.Now(), r2); err != ErrBudget {
			t.Errorf("second retry = %v, want %v", err, ErrBudget)
		}
		again.cancel()
		expect(t, "gave up", "canceled", again)
		if s := p.Snapshot(); s.Retrying != 0 || s.Retries != 0 {
			t.Errorf("%d retrying, %d retries; want none", s.Retrying, s.Retries)
		}
		if _, err := p.TryPick(p.Now(), r2); err != ErrBusy {
			t.Errorf("second retry = %v, want %v", err, ErrBusy)
		}
		w1.end(p, Success)
		w2.end(p, Success)
		l, err := p.TryPick(p.Now(), r2)
		must(t, err)
		l.Done(p.Now(), Success)
		if s := p.Snapshot(); s.Retrying != 0 || s.Retries != 1 {
			t.Errorf("%d retrying, %d retries; want 0, 1", s.Retrying, s.Retries)
		}
	})
}

func TestAdmissionErrors(t *testing.T) {
	tests := []struct {
		name string
		opt  Option
		want string
	}{
		{"queue", WithQueue(-1, time.Second), `queue of -1 is negative`},
		{"queue timeout", WithQueue(1, 0), `queue timeout 0s is not above 0`},
		{"budget", WithRetryBudget(1.1, 0), `retry budget 1.1 is outside 0 to 1`},
		{"budget NaN", WithRetryBudget(math.NaN(), 0), `retry budget NaN`},
		{"budget floor", WithRetryBudget(0.2, -1), `floor -1 is negative`},
		{"panic", WithPanicThreshold(101), `panic threshold 101`},
		{"slow start", server("a", SlowStart(-1)), `server 1: slow_start -1ns is negative`},
		{"outlier row", WithOutlier(Consecutive5xx(-1)), `-1 errors`},
		{"outlier gateway", WithOutlier(ConsecutiveGateway(-2)), `-2 gateway errors`},
		{"outlier rate", WithOutlier(SuccessRate(1, 1, math.NaN())), `NaN deviations`},
		{"outlier interval", WithOutlier(OutlierInterval(0)), `interval 0s is not above 0`},
		{"outlier time", WithOutlier(EjectionTime(time.Minute, time.Second)), `1m0s to 1s`},
		{"outlier share", WithOutlier(MaxEjected(-1)), `-1 percent`},
		{"outlier nil", WithOutlier(nil, nil), `2 of the options are nil`},
	}
	var all []Option
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := New(tt.opt)
			if p != nil || err == nil || !contains(err, tt.want) || !contains(err, `group "default"`) {
				t.Errorf("New() = %v, %v; want an error that says %s", p, err, tt.want)
			}
		})
		all = append(all, tt.opt)
	}
	if _, err := New(all...); !contains(err, "queue timeout") || !contains(err, "floor") || !contains(err, "panic") || !contains(err, "slow_start") {
		t.Errorf("New() = %v, want every problem", err)
	}
}
