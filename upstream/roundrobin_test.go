package upstream

import (
	"fmt"
	"strings"
	"testing"
)

// weighted returns servers a, b, c ... with these weights.
func weighted(opts []ServerOption, weights ...int) []Option {
	var o []Option
	for i, w := range weights {
		o = append(o, server(string(rune('a'+i)), append([]ServerOption{Weight(w)}, opts...)...))
	}
	return o
}

func TestRoundRobinSequence(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		want    string // one period
	}{
		{"one", []int{3}, "a"},
		{"equal", []int{1, 1, 1}, "a b c"},
		{"equal heavy", []int{7, 7}, "a b"},
		{"two to one", []int{2, 1}, "a b a"},
		{"nginx's example", []int{5, 1, 1}, "a a b a c a a"},
		{"heavy last", []int{1, 1, 5}, "c c a c b c c"},
		{"three kinds", []int{4, 3, 2}, "a b c a b a c b a"},
		{"ties go to the earlier", []int{1, 2, 2}, "b c a b c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, weighted(nil, tt.weights...)...)
			n := len(strings.Fields(tt.want))
			for period := range 3 {
				if got := sequence(p, t0, n); got != tt.want {
					t.Errorf("period %d = %s, want %s", period, got, tt.want)
				}
			}
		})
	}
}

// TestRoundRobinShares: over one period every peer has exactly its weight.
func TestRoundRobinShares(t *testing.T) {
	for _, weights := range [][]int{{1, 2, 3, 4}, {65535, 1}, {10, 1, 10, 1, 7}, {100}} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			p := newPool(t, weighted(nil, weights...)...)
			total := 0
			for _, w := range weights {
				total += w
			}
			seen := map[string]int{}
			for range total {
				id, l := pick(p, t0)
				l.Done(t0, Success)
				seen[id]++
			}
			for i, w := range weights {
				if id := string(rune('a' + i)); seen[id] != w {
					t.Errorf("%s had %d turns of %d, want %d", id, seen[id], total, w)
				}
			}
		})
	}
}

// TestRoundRobinOutGainsNothing: a peer that was out takes up where it left.
func TestRoundRobinOutGainsNothing(t *testing.T) {
	p := newPool(t, weighted(nil, 1, 1, 1)...)
	if got := sequence(p, t0, 1); got != "a" {
		t.Fatalf("first pick = %s, want a", got)
	}
	must(t, p.SetHealth("c", "test", false, nil))
	if got, want := sequence(p, t0, 5), "b b a b a"; got != want {
		t.Errorf("without c = %s, want %s", got, want)
	}
	must(t, p.SetHealth("c", "test", true, nil))
	if got, want := sequence(p, t0, 6), "c b a c b a"; got != want {
		t.Errorf("with c again = %s, want %s", got, want)
	}
}

// TestRoundRobinEffectiveWeight: a failure costs weight / max_fails, the floor
// is 0, and each round that the peer takes part in gives one back.
func TestRoundRobinEffectiveWeight(t *testing.T) {
	p := newPool(t, server("a", Weight(10), MaxFails(3)), server("b", Weight(1), MaxFails(3)))
	fail := func(id string) {
		t.Helper()
		for range 100 {
			got, l := pick(p, t0)
			if got == id {
				l.Done(t0, Failure)
				return
			}
			l.Done(t0, Success)
		}
		t.Fatalf("%s was not picked", id)
	}
	effective := func(want int) {
		t.Helper()
		if got := status(t, p, "a").Effective; got != want {
			t.Fatalf("effective weight of a = %d, want %d", got, want)
		}
	}
	effective(10)
	fail("a")
	effective(7)
	fail("a") // its pick gave one back first
	effective(5)
	sequence(p, t0, 3)
	effective(8)
	sequence(p, t0, 10)
	effective(10)

	// Integer division: weight 1 of 3 loses nothing.
	fail("b")
	if got := status(t, p, "b").Effective; got != 1 {
		t.Errorf("effective weight of b = %d, want 1", got)
	}
}

func TestEffectiveWeightFloor(t *testing.T) {
	p := newPool(t, server("a", Weight(4), MaxFails(2)), server("b", Weight(1)))
	var leases []Lease
	for len(leases) < 4 {
		id, l := pick(p, t0)
		if id == "a" {
			leases = append(leases, l)
		}
	}
	for _, l := range leases {
		l.Done(t0, Failure)
	}
	if got := status(t, p, "a").Effective; got != 0 {
		t.Errorf("effective weight after four failures = %d, want 0", got)
	}
}
