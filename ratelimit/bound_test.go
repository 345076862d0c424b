package ratelimit

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// accepted notes when requests of one key passed: between two readings of the clock, in milliseconds.
type accepted struct {
	mu    sync.Mutex // guards spans
	spans [][2]int64
}

func (a *accepted) add(before, after int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spans = append(a.spans, [2]int64{before / int64(time.Millisecond), after / int64(time.Millisecond)})
}

// check fails when in any window more passed, from beginning to end, than burst + rate*t + 1. Of many windows it takes
// some hundred beginnings.
func (a *accepted) check(t *testing.T, what string, rate, burst int64) {
	t.Helper()
	slices.SortFunc(a.spans, func(x, y [2]int64) int { return cmp.Compare(x[1], y[1]) })
	every := max(len(a.spans)/400, 1)
	for i := 0; i < len(a.spans); i += every {
		from, n := a.spans[i][0], int64(0)
		for _, s := range a.spans {
			if s[0] < from {
				continue
			}
			if n++; n*1000 > (burst+1)*1000+rate*(s[1]-from)/1000 {
				t.Fatalf("%s: %d of %d requests passed in the %d ms from %d", what, n, len(a.spans), s[1]-from, from)
			}
		}
	}
}

// TestBound: eight goroutines on few keys, each with the time at which it began: no key ever gets more than
// burst + rate*t + 1 in any window.
func TestBound(t *testing.T) {
	for _, test := range []struct {
		rate  string
		burst int
	}{
		{"1000r/s", 0}, {"1000r/s", 10}, {"100r/s", 3}, {"30r/m", 1}, {"50000r/s", 50},
	} {
		t.Run(fmt.Sprintf("%s burst=%d", test.rate, test.burst), func(t *testing.T) {
			const keys, span = 3, int64(4 * time.Second)
			z := mustZone[uint64](t, test.rate, WithCapacity(minCapacity))
			c := mustChain(t, On(z, self[uint64], Burst(test.burst)))
			var passed [keys]accepted
			hammer(span, func(now func() int64, rng *rand.Rand) {
				k, before := rng.IntN(keys), now()
				if c.Decide(before, uint64(k)).Outcome != Rejected {
					passed[k].add(before, now())
				}
			})
			for k := range passed {
				passed[k].check(t, fmt.Sprintf("key %d", k), z.rate, int64(test.burst))
			}
			checkTable(t, &z.table)
		})
	}
}

// TestBoundChain is the same for each zone of a chain, which charges all or none, with one key that all share.
func TestBoundChain(t *testing.T) {
	const keys, span = 4, int64(4 * time.Second)
	opts := []ZoneOption{WithCapacity(minCapacity), WithBase(time.Now())} // the same milliseconds as the check
	each := mustZone[uint64](t, "200r/s", opts...)
	total := mustZone[uint64](t, "500r/s", opts...)
	last := mustZone[uint64](t, "300r/s", opts...)
	c := mustChain(t,
		On(each, self[uint64], Burst(2)),
		On(total, func(uint64) (uint64, bool) { return 1, true }, Burst(8), NoDelay()),
		On(last, func(k uint64) (uint64, bool) { return k / 2, true }, Burst(4), Delay(2)))
	var byKey [keys]accepted
	var byPair [keys / 2]accepted
	var all accepted
	hammer(span, func(now func() int64, rng *rand.Rand) {
		k, before := rng.Uint64N(keys), now()
		if c.Decide(before, k).Outcome != Rejected {
			after := now()
			byKey[k].add(before, after)
			byPair[k/2].add(before, after)
			all.add(before, after)
		}
	})
	for k := range byKey {
		byKey[k].check(t, fmt.Sprintf("key %d", k), each.rate, 2)
	}
	for k := range byPair {
		byPair[k].check(t, fmt.Sprintf("keys %d and %d", 2*k, 2*k+1), last.rate, 4)
	}
	all.check(t, "all keys", total.rate, 8)
}

// hammer calls f from eight goroutines until the clock that they share, and push on, has gone through the span.
func hammer(span int64, f func(now func() int64, rng *rand.Rand)) {
	var clock atomic.Int64
	now := func() int64 { return start + clock.Load() }
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(w, 5))
			for clock.Add(rng.Int64N(100_000)) < span {
				f(now, rng)
			}
		})
	}
	wg.Wait()
}

// TestBoundUndo: what a chain takes back is neither kept nor given twice.
func TestBoundUndo(t *testing.T) {
	z := mustZone[uint64](t, "10r/s")
	print, _ := z.number(1)
	ms := func(d time.Duration) uint32 { return uint32(d.Milliseconds()) }
	at := func(g *grant, after time.Duration) int64 {
		excess, _ := z.take(print, ms(time.Hour+after), MaxBurst*unit, g)
		return excess
	}
	var first, second, third grant
	at(&first, 0)
	z.undo(&first)
	if got := at(&first, 0); got != 0 {
		t.Errorf("after undoing the first request the next leaves %d, want 0", got)
	}
	at(&second, 10*time.Millisecond) // 900
	z.undo(&second)
	if got := at(&second, 20*time.Millisecond); got != 800 {
		t.Errorf("after undoing the second request the next leaves %d, want 800", got)
	}
	at(&third, 20*time.Millisecond) // 1800
	z.undo(&second)                 // with the third in between: less 800, what it added at least
	if got := at(nil, 20*time.Millisecond); got != 2000 {
		t.Errorf("after undoing the one before the last the next leaves %d, want 2000", got)
	}
	z.drop(third.slot, content{print, z.slots[third.slot].state.Load()})
	z.undo(&third) // its slot is gone
	if got := at(nil, 20*time.Millisecond); got != 0 {
		t.Errorf("a new key's first request leaves %d, want 0", got)
	}
}
