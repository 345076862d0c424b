package upstream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRamp(t *testing.T) {
	const span = int64(10 * time.Second)
	tests := []struct {
		name         string
		after        time.Duration
		weight, want int64
		over         bool
	}{
		{"begin", 0, 1000, 100, false},
		{"still the least", time.Second, 1000, 100, false},
		{"a fifth", 2 * time.Second, 1000, 200, false},
		{"half", 5 * time.Second, 1000, 500, false},
		{"half of much", 5 * time.Second, 65535 * slowUnit, 65535 * slowUnit / 2, false},
		{"nearly", 10*time.Second - 1, 1000, 999, false},
		{"full", 10 * time.Second, 1000, 1000, true},
		{"long ago", 1000 * time.Hour, 1000, 1000, true},
		{"the clock went back", -time.Hour, 1000, 100, false},
		{"never nothing", 0, 3, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, over := ramp{t0, span}.share(t0+int64(tt.after), tt.weight)
			if got != tt.want || over != tt.over {
				t.Errorf("share() = %d, %v; want %d, %v", got, over, tt.want, tt.over)
			}
		})
	}
	if got, over := (ramp{t0, 0}).share(t0, 5); got != 5 || !over {
		t.Errorf("share() of no slow start = %d, %v; want 5, true", got, over)
	}
}

// TestSlowStartWhen: what begins a slow start, and what does not.
func TestSlowStartWhen(t *testing.T) {
	const d = 8 * time.Second
	down := func(p *Pool) error { return p.SetHealth("b", "test", false, nil) }
	tests := []struct {
		name    string
		prepare func(p *Pool) error
		do      func(p *Pool) error
		want    bool
	}{
		{"at the beginning", nil, nil, false},
		{"healthy again", down, func(p *Pool) error { return p.SetHealth("b", "test", true, nil) }, true},
		{"one source of two", func(p *Pool) error { down(p); return p.SetHealth("b", "other", false, nil) },
			func(p *Pool) error { return p.SetHealth("b", "test", true, nil) }, false},
		{"first verdict up", nil, func(p *Pool) error { return p.SetHealth("b", "test", true, nil) }, false},
		{"Up", func(p *Pool) error { return p.Update("b", Down()) }, func(p *Pool) error { return p.Update("b", Up()) }, true},
		{"drained and back", func(p *Pool) error { return p.Drain("b", true) }, func(p *Pool) error { return p.Drain("b", false) }, false},
		{"added", func(p *Pool) error { return p.Remove("b") }, func(p *Pool) error { return p.Add("192.0.2.2:80", ID("b"), SlowStart(d)) }, true},
		{"moved", nil, func(p *Pool) error { return p.Update("b", Address("192.0.2.2:80")) }, true},
		{"reweighted", nil, func(p *Pool) error { return p.SetWeight("b", 4) }, false},
		{"another one joins", nil, func(p *Pool) error { return p.Add("192.0.2.2:80", ID("c")) }, false},
		{"recovered", nil, func(p *Pool) error {
			for status(t, p, "b").State == StateUp {
				id, l := pick(p, p.Now())
				l.Done(p.Now(), map[string]Outcome{"a": Success, "b": Failure}[id])
			}
			time.Sleep(time.Second + 1)
			for status(t, p, "b").State != StateUp {
				_, l := pick(p, p.Now())
				l.Done(p.Now(), Success)
			}
			return nil
		}, true},
		{"out of service again", down, func(p *Pool) error { p.SetHealth("b", "test", true, nil); return p.Update("b", SlowStart(0)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, server("a"), server("b", SlowStart(d), FailTimeout(time.Second)))
				time.Sleep(time.Hour)
				for _, f := range []func(*Pool) error{tt.prepare, tt.do} {
					if f != nil {
						must(t, f(p))
					}
				}
				want := 0.0
				if tt.want {
					want = 0.1
				}
				if got := status(t, p, "b").Share; got != want {
					t.Errorf("share = %v, want %v", got, want)
				}
				time.Sleep(d / 2)
				if got := status(t, p, "b").Share; got != want*5 {
					t.Errorf("share after half of the time = %v, want %v", got, want*5)
				}
				time.Sleep(d / 2)
				if got := status(t, p, "b").Share; got != 0 || p.ramps != 0 {
					t.Errorf("share after all of the time = %v, %d on the way; want none", got, p.ramps)
				}
				if s := status(t, p, "b"); s.Effective != s.Weight {
					t.Errorf("effective weight = %d, want %d", s.Effective, s.Weight)
				}
			})
		})
	}
}

// TestSlowStartShares: a peer that joins gets as much as its weight at the time
// is worth, by every balancer that goes by weights.
func TestSlowStartShares(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/held=%v", bal, held), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPool(t, server("a", Weight(2)), WithBalancer(bal))
					must(t, p.Add("192.0.2.2:80", ID("b"), Weight(2), SlowStart(10*time.Second)))
					for _, tt := range []struct {
						after         time.Duration
						n, want, more int
					}{
						{0, 1100, 100, 2}, {5 * time.Second, 1500, 500, 2}, {5 * time.Second, 1000, 500, 2}, {time.Hour, 10, 5, 0},
					} {
						time.Sleep(tt.after)
						var leases []Lease
						n := 0
						for range tt.n {
							id, l := pick(p, p.Now())
							if id == "b" {
								n++
							}
							if held {
								leases = append(leases, l)
								continue
							}
							l.Done(p.Now(), Success)
						}
						if n < tt.want-tt.more || n > tt.want+tt.more {
							t.Errorf("%v later b has %d of %d, want %d", tt.after, n, tt.n, tt.want)
						}
						for _, l := range leases {
							l.Done(p.Now(), Success)
						}
					}
				})
			})
		}
	}
}

// TestSlowStartSingle: it is ignored where there is nobody to spare the peer.
func TestSlowStartSingle(t *testing.T) {
	p := newPool(t)
	must(t, p.Add("192.0.2.1:80", ID("a"), SlowStart(time.Minute)))
	if got := status(t, p, "a").Share; got != 0 {
		t.Errorf("share of the only backend = %v, want none", got)
	}
}

// steadfast is a balancer that hashes.
type steadfast struct{ roundRobin }

func (steadfast) steady() bool { return true }

func TestSlowStartHash(t *testing.T) {
	bal := WithBalancer(Balancer{"hash", steadfast{}})
	const want = "slow_start 1s with hash"
	if _, err := New(bal, server("a", SlowStart(time.Second))); !contains(err, "server 1: "+want) {
		t.Errorf("New() = %v, want it to say %s", err, want)
	}
	p := newPool(t, bal, server("a"))
	if err := p.Add("192.0.2.2:80", SlowStart(time.Second)); !contains(err, want) {
		t.Errorf("Add() = %v, want it to say %s", err, want)
	}
	if err := p.Update("a", SlowStart(time.Second)); !contains(err, want) {
		t.Errorf("Update() = %v, want it to say %s", err, want)
	}
	if p.unit != 1 {
		t.Errorf("unit = %d, want 1", p.unit)
	}
}

// TestSlowStartRefused: by what draws lots, and through a wrapper.
func TestSlowStartRefused(t *testing.T) {
	for _, bal := range []Balancer{Random(), RandomTwo(), Sticky(Random()), IPHash(), Hash(), HashConsistent(), Maglev(), BoundedLoad(Maglev(), 2)} {
		if _, err := New(WithBalancer(bal), server("a", SlowStart(time.Second))); !contains(err, "slow_start 1s with "+bal.String()) {
			t.Errorf("%v: New() = %v", bal, err)
		}
	}
	if _, err := New(WithBalancer(Sticky(RoundRobin())), server("a", SlowStart(time.Second))); err != nil {
		t.Errorf("New() = %v", err)
	}
}

// TestSlowStartUnit: the first slow start that comes changes no sequence.
func TestSlowStartUnit(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		t.Run(bal.String(), func(t *testing.T) {
			play := func(change bool) string {
				p := newPool(t, server("a", Weight(5), MaxFails(3)), server("b", Weight(2)), server("c"), WithBalancer(bal))
				got := sequence(p, t0, 5)
				failOne(t, p, t0, "a")
				slow := time.Duration(0)
				if change {
					slow = time.Second
				}
				must(t, p.Update("b", SlowStart(slow)))
				s := status(t, p, "a")
				return fmt.Sprint(got, " | ", s.Weight, s.Effective, " | ", sequence(p, t0, 30))
			}
			if got, want := play(true), play(false); got != want {
				t.Errorf("with a slow start configured:\n%s, want\n%s", got, want)
			}
		})
	}
}

// TestSlowStartRemoved: a peer that leaves on its way up leaves nothing behind.
func TestSlowStartRemoved(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	must(t, p.Add("192.0.2.2:80", ID("c"), SlowStart(time.Hour)))
	if p.ramps != 1 {
		t.Fatalf("%d on the way, want 1", p.ramps)
	}
	must(t, p.Remove("c"))
	if p.ramps != 0 {
		t.Errorf("%d on the way, want none", p.ramps)
	}
	pick(p, p.Now())
	if p.due != never {
		t.Errorf("the next look is due at %d, want never", p.due)
	}
}

// TestSlowStartGone: nor does one whose failures clear after it has left.
func TestSlowStartGone(t *testing.T) {
	p := newPool(t, server("a", SlowStart(time.Hour), FailTimeout(time.Second)), server("b"), server("c"))
	failOne(t, p, t0, "a")
	now := t0 + int64(time.Second) + 1
	_, l := probe(t, p, now)
	must(t, p.Remove("a"))
	l.Done(now, Success)
	if p.ramps != 0 {
		t.Errorf("%d on the way, want none", p.ramps)
	}
}

// contains reports that err says s.
func contains(err error, s string) bool { return err != nil && strings.Contains(err.Error(), s) }
