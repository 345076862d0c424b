package upstream

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// window is the fail_timeout of these tests.
const window = 10 * int64(time.Second)

// failing returns a pool of a and b where a has just failed max_fails times,
// the last time at t0.
func failing(t *testing.T, maxFails int) *Pool {
	p := newPool(t, server("a", MaxFails(maxFails)), server("b"))
	for range maxFails {
		failOne(t, p, t0, "a")
	}
	if got := status(t, p, "a").State; got != StateUnavailable {
		t.Fatalf("state of a after %d failures = %s", maxFails, got)
	}
	return p
}

// failOne lets the next request to id fail.
func failOne(t *testing.T, p *Pool, now int64, id string) {
	t.Helper()
	for range 10 {
		got, l := pick(p, now)
		if got == id {
			l.Done(now, Failure)
			return
		}
		l.Done(now, Success)
	}
	t.Fatalf("%s was not picked", id)
}

// turns counts the picks of id among n requests that end in a success at once.
func turns(p *Pool, now int64, n int, id string) int {
	seen := 0
	for range n {
		got, l := pick(p, now)
		if got == id {
			seen++
		}
		l.Done(now, Success)
	}
	return seen
}

// probe picks until it holds the lease of a.
func probe(t *testing.T, p *Pool, now int64) (*Request, Lease) {
	t.Helper()
	for range 10 {
		r := new(Request)
		id, l := pickFor(p, now, r)
		if id == "a" {
			return r, l
		}
		l.Done(now, Success)
	}
	t.Fatal("a was not probed")
	return nil, Lease{}
}

func TestFailTimeout(t *testing.T) {
	for _, maxFails := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("max_fails=%d", maxFails), func(t *testing.T) {
			p := failing(t, maxFails)
			for _, now := range []int64{t0, t0 + 1, t0 + window/2, t0 + window, t0 - window, 0} {
				if n := turns(p, now, 20, "a"); n != 0 {
					t.Errorf("at t0%+v a had %d turns, want none", time.Duration(now-t0), n)
				}
			}
			if n := turns(p, t0+window+ms, 20, "a"); n < 9 { // its effective weight starts at 0
				t.Errorf("after the window a had %d of 20 turns, want every other one", n)
			}
			s := status(t, p, "a")
			if s.State != StateUp || s.Fails != 0 || s.Unavailable != 1 {
				t.Errorf("a = %s with %d fails, %d times out; want up, 0, 1", s.State, s.Fails, s.Unavailable)
			}
		})
	}
}

func TestFailuresOutsideOneWindow(t *testing.T) {
	p := newPool(t, server("a", MaxFails(2)), server("b"))
	failOne(t, p, t0, "a")
	if got := status(t, p, "a").Fails; got != 1 {
		t.Fatalf("fails = %d, want 1", got)
	}
	// A success within the window does not clear.
	turns(p, t0+window, 4, "a")
	if got := status(t, p, "a").Fails; got != 1 {
		t.Errorf("fails after a success within the window = %d, want 1", got)
	}
	// A success after it does.
	turns(p, t0+window+ms, 4, "a")
	if got := status(t, p, "a").Fails; got != 0 {
		t.Errorf("fails after a success past the window = %d, want 0", got)
	}
	failOne(t, p, t0+2*window, "a")
	if got := status(t, p, "a").State; got != StateUp {
		t.Errorf("state after one failure per window = %s, want up", got)
	}
}

func TestProbe(t *testing.T) {
	now := t0 + window + ms
	tests := []struct {
		name    string
		outcome Outcome
		again   int64 // turns of 20 right after the probe
		later   int64 // and one window later
	}{
		{"success clears", Success, 10, 10},
		{"failure starts a new window", Failure, 0, 10},
		{"pass leaves it to the next window", Pass, 0, 10},
		{"free was no probe at all", Free, 10, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := failing(t, 2)
			_, l := probe(t, p, now)
			if n := turns(p, now, 20, "a"); n != 0 {
				t.Fatalf("a had %d turns beside its probe, want none", n)
			}
			l.Done(now, tt.outcome)
			if n := turns(p, now+ms, 20, "a"); int64(n) != tt.again {
				t.Errorf("a had %d of 20 turns after the probe, want %d", n, tt.again)
			}
			if n := turns(p, now+window+2*ms, 20, "a"); int64(n) != tt.later {
				t.Errorf("a had %d of 20 turns one window later, want %d", n, tt.later)
			}
		})
	}
}

// TestProbeUnanswered: while a probe stays without outcome, there is one more
// per window.
func TestProbeUnanswered(t *testing.T) {
	p := failing(t, 1)
	for i := range int64(5) {
		now := t0 + (i+1)*(window+ms)
		probe(t, p, now)
		if n := turns(p, now+window, 20, "a"); n != 0 {
			t.Errorf("window %d: a had %d turns beside its probe, want none", i, n)
		}
	}
}

// TestProbeOnce: of many requests at the moment a window ends, one is the probe.
func TestProbeOnce(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, server("a", Weight(100)), server("b", Down()), WithBalancer(bal))
			failOne(t, p, t0, "a")
			for i := range int64(200) {
				now := t0 + (i+1)*(window+ms)
				var probes atomic.Int32
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						id, _ := pick(p, now)
						if id == "a" {
							probes.Add(1)
						}
					})
				}
				wg.Wait()
				if n := probes.Load(); n != 1 {
					t.Fatalf("window %d: %d probes, want 1", i, n)
				}
			}
		})
	}
}

func TestNeverDisabled(t *testing.T) {
	tests := []struct {
		name string
		opts []Option
		out  bool
	}{
		{"max_fails=0", []Option{server("a", MaxFails(0), Weight(9)), server("b", MaxFails(0))}, false},
		{"single", []Option{server("a")}, false},
		{"single beside nothing but itself, least_conn", []Option{server("a"), WithBalancer(LeastConn())}, false},
		{"one primary and a backup", []Option{server("a"), server("b", Backup())}, true},
		{"one backup and no primary", []Option{server("a", Backup())}, true},
		{"two, one of them down", []Option{server("a"), server("b", Down())}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, tt.opts...)
			for range 5 {
				if id, l := pick(p, t0); id == "a" {
					l.Done(t0, Failure)
				}
			}
			if got := status(t, p, "a").State == StateUnavailable; got != tt.out {
				t.Errorf("a is unavailable = %v, want %v", got, tt.out)
			}
			if s := status(t, p, "a"); !tt.out && s.Effective != s.Weight {
				t.Errorf("effective weight = %d, want %d", s.Effective, s.Weight)
			}
		})
	}
}

// TestSingleTriesOnce: the only peer is not tried twice by one request, and its
// limits and its health do count.
func TestSingleTriesOnce(t *testing.T) {
	p := newPool(t, server("a", MaxConns(1)))
	r := new(Request)
	id, l := pickFor(p, t0, r)
	if id != "a" {
		t.Fatalf("first try = %s, want a", id)
	}
	if id, _ := pick(p, t0); id != "busy" {
		t.Errorf("a request beyond max_conns = %s, want busy", id)
	}
	l.Done(t0, Failure)
	if id, _ := pickFor(p, t0, r); id != "none" {
		t.Errorf("second try = %s, want none", id)
	}
	r.Reset()
	id, l = pickFor(p, t0, r)
	if id != "a" {
		t.Errorf("next request = %s, want a", id)
	}
	l.Done(t0, Free)
	if id, _ := pickFor(p, t0, r); id != "a" {
		t.Errorf("after a free attempt = %s, want a", id)
	}
	for _, off := range []func() error{
		func() error { return p.SetHealth("a", "test", false, nil) },
		func() error { return p.Drain("a", true) },
		func() error { return p.Update("a", Down()) },
	} {
		must(t, off())
		if id, _ := pick(p, t0); id != "none" {
			t.Errorf("pick of the only peer, out = %s, want none", id)
		}
	}
}

// TestAllFailed: when every peer is out, none is revived before its time.
func TestAllFailed(t *testing.T) {
	p := newPool(t, server("a"), server("b"), server("c", Backup()))
	r := new(Request)
	for _, want := range []string{"a", "b", "c"} {
		id, l := pickFor(p, t0, r)
		if id != want {
			t.Fatalf("try = %s, want %s", id, want)
		}
		r.Cause = errors.New("refused")
		l.Done(t0, Failure)
	}
	for range 5 {
		if id, _ := pick(p, t0+window); id != "none" {
			t.Fatalf("with all peers out = %s, want none", id)
		}
	}
	if id, _ := pick(p, t0+window+ms); id == "none" || id == "c" {
		t.Errorf("after the window = %s, want a primary", id)
	}
	s := status(t, p, "c")
	if s.LastError != "refused" || s.LastFailure.IsZero() || s.Since.IsZero() {
		t.Errorf("c: last error %q at %v, since %v", s.LastError, s.LastFailure, s.Since)
	}
}
