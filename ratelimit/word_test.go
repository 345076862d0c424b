package ratelimit

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// TestWord walks one key through the cases in which nginx's integers show.
func TestWord(t *testing.T) {
	type step struct {
		at     int64 // ms after the first request, which passes
		excess int64 // -1: rejected
	}
	for _, test := range []struct {
		name  string
		rate  string
		burst int
		steps []step
	}{
		{"the first is free, burst more fit", "1r/s", 2, []step{{0, 1000}, {0, 2000}, {0, -1}}},
		{"no burst: one per second", "1r/s", 0, []step{{999, -1}, {1000, 0}, {1999, -1}, {2000, 0}}},
		{"rejects are free", "1r/s", 0, []step{{500, -1}, {600, -1}, {999, -1}, {1000, 0}}},
		{"1r/m is a request in 62.5 seconds", "1r/m", 0, []step{{60_000, -1}, {62_499, -1}, {62_500, 0}}},
		{"less than a thousandth leaks nothing and is lost", "1r/m", 9, []step{{62, 1000}, {124, 2000}, {186, 3000}}},
		{"the leak is rounded down", "7r/m", 9, []step{{100, 989}, {108, 1989}, {117, 2988}}},
		{"unused time is not saved up", "1r/s", 1, []step{{3_600_000, 0}, {3_600_000, 1000}, {3_600_000, -1}}},
		{"the same millisecond keeps the time", "10r/s", 9, []step{{0, 1000}, {0, 2000}, {100, 2000}}},
		{"a clock that steps back leaks nothing", "10r/s", 9, []step{{0, 1000}, {-50, 2000}, {-60_000, 3000}, {100, 3000}}},
		{"and starts again after more than a minute", "10r/s", 9, []step{{0, 1000}, {-60_001, 1990}, {-59_901, 1990}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := mustChain(t, On(mustZone[uint64](t, test.rate), self[uint64], Burst(test.burst)))
			if d := c.Decide(start, 1); d.Outcome != Passed || d.Excess() != 0 {
				t.Fatalf("first request: %+v", d)
			}
			for i, s := range test.steps {
				d := c.Decide(start+s.at*int64(time.Millisecond), 1)
				got := d.Excess()
				if d.Outcome == Rejected {
					got = -1
				}
				if got != s.excess {
					t.Fatalf("step %d at %d ms: excess %d (%v), want %d", i, s.at, d.Excess(), d.Outcome, s.excess)
				}
			}
		})
	}
}

// TestWordWraps: the millisecond's 32 bits run over every 49.7 days, and nothing shows.
func TestWordWraps(t *testing.T) {
	for _, epoch := range []int64{0, 1 << 31, 1 << 32, 3 << 31, 1 << 40, 1<<44 - 1<<32} {
		c := mustChain(t, On(mustZone[uint64](t, "10r/s"), self[uint64], Burst(5)))
		ref := []refLimit{{zone: newRefZone(10_000), burst: 5000}}
		rng := rand.New(rand.NewPCG(uint64(epoch), 1))
		for ms := epoch - 50_000; ms < epoch+50_000; ms += rng.Int64N(200) - 20 {
			key := rng.IntN(3)
			got := c.Decide(ms*int64(time.Millisecond), uint64(key))
			if got, want := describe(got), refDecide(ref, []string{strconv.Itoa(key)}, ms).describe(); got != want && ms > 0 {
				t.Fatalf("at %d ms, %d past the wrap: Decide() = %s, want %s", ms, ms-epoch, got, want)
			}
		}
	}
}

// TestWordFastest: the largest rate, burst and pause do not overflow.
func TestWordFastest(t *testing.T) {
	c := mustChain(t, On(mustZone[uint64](t, "4294967r/s"), self[uint64], Burst(MaxBurst), NoDelay()))
	for _, pause := range []time.Duration{0, time.Second, 24 * 24 * time.Hour, 60 * 24 * time.Hour, 50 * 365 * 24 * time.Hour} {
		now := start + int64(pause)
		for i, want := range []int64{0, 1000, 2000} {
			if d := c.Decide(now, 1); d.Outcome != Passed || d.Excess() != want {
				t.Fatalf("request %d after %v: %+v", i, pause, d)
			}
		}
	}
}

// TestWordAges: a key comes back after any pause and finds what 64 bits would have kept.
func TestWordAges(t *testing.T) {
	const day = 24 * int64(time.Hour)
	for _, test := range []struct {
		name  string
		burst int
		spent int // requests at once after the first
	}{
		{"idle long since", 10, 10},
		{"in debt for months", 100_000, 100_000},
		{"in debt for 20 days", 30_000, 27_648},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, others := range []bool{false, true} {
				for days := int64(1); days < 120; days += 7 {
					z := mustZone[uint64](t, "1r/m", WithCapacity(64))
					c := mustChain(t, On(z, self[uint64], Burst(test.burst), NoDelay()))
					ref := []refLimit{{zone: newRefZone(16), burst: int64(test.burst) * 1000, delay: math.MaxInt64}}
					base := 300 * day
					c.Decide(base-day, 9) // the zone is in use
					for range test.spent + 1 {
						c.Decide(base, 1)
						refDecide(ref, []string{"a"}, base/1e6)
					}
					if others { // somebody comes every day, so that words age
						for now := base + day/2; now < base+days*day; now += day {
							c.Decide(now, 2)
						}
					}
					now := base + days*day + 12345e6
					for range 3 {
						got, want := describe(c.Decide(now, 1)), refDecide(ref, []string{"a"}, now/1e6).describe()
						if got != want {
							t.Fatalf("after %d days (others: %v): Decide() = %s, want %s", days, others, got, want)
						}
						now += 70e9
					}
				}
			}
		})
	}
}
