package healthcheck

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

const second = int64(time.Second)

func testSchedule() *schedule {
	return &schedule{limit: 1024, seed: 1, jitter: 0.1, spread: second}
}

// buckets counts how many of the instants fall into each of n equal parts of span.
func buckets(instants []int64, span int64, n int) []int {
	count := make([]int, n)
	for _, at := range instants {
		count[at%span*int64(n)/span]++
	}
	return count
}

// uniform reports the largest deviation from the mean, as a fraction of it.
func uniform(count []int) float64 {
	total, worst := 0, 0.0
	for _, c := range count {
		total += c
	}
	mean := float64(total) / float64(len(count))
	for _, c := range count {
		worst = max(worst, math.Abs(float64(c)-mean)/mean)
	}
	return worst
}

func testName(i int) string { return fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255) }

func TestScheduleFirstIsSpread(t *testing.T) {
	const targets = 100_000
	for _, c := range []struct {
		name     string
		spread   time.Duration
		interval time.Duration
		within   time.Duration
	}{
		{"default", time.Second, 5 * time.Second, time.Second},
		{"interval shorter than the spread", time.Second, 200 * time.Millisecond, 200 * time.Millisecond},
		{"spread over the interval", time.Hour, 5 * time.Second, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testSchedule()
			s.spread = int64(c.spread)
			var firsts, places []int64
			for i := range targets {
				hash := hashOf("web", testName(i))
				at, place := s.first(1000*second, hash, c.interval)
				if again, _ := s.first(1000*second, hash, c.interval); again != at {
					t.Fatalf("first() = %d, then %d", at, again)
				}
				firsts = append(firsts, at-1000*second)
				places = append(places, place+int64(c.interval)-1000*second)
			}
			if got := uniform(buckets(firsts, int64(c.within), 20)); got > 0.05 {
				t.Errorf("first checks differ by %.3f from uniform", got)
			}
			if got := uniform(buckets(places, int64(c.interval), 20)); got > 0.05 {
				t.Errorf("places differ by %.3f from uniform", got)
			}
			for _, at := range firsts {
				if at < 0 || at >= int64(c.within) {
					t.Fatalf("first check at %v, want within %v", time.Duration(at), c.within)
				}
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		s := testSchedule()
		s.spread = 0
		if at, _ := s.first(7, hashOf("a", "b"), time.Second); at != 7 {
			t.Errorf("first() = %d, want 7", at)
		}
	})
}

func TestScheduleHash(t *testing.T) {
	if hashOf("a", "bc") == hashOf("ab", "c") {
		t.Error("group and id run together")
	}
	seen := map[uint64]bool{}
	for i := range 100_000 {
		seen[hashOf("web", testName(i))] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("%d hashes of 100000 names", len(seen))
	}
}

func TestScheduleNext(t *testing.T) {
	const every = 5 * second
	for _, c := range []struct {
		name              string
		place, start, now int64
		from, to          int64 // bounds of the answer
	}{
		{"on time", 100 * second, 100 * second, 100*second + 1, 100*second + every*95/100, 100*second + every*105/100},
		{"late by a second keeps its place", 100 * second, 101 * second, 101*second + 1, 100*second + every*95/100, 100*second + every*105/100},
		{"late by almost an interval keeps its place", 100 * second, 104 * second, 104*second + 1, 100*second + every*95/100, 100*second + every*105/100},
		{"late by an interval leaves a round out", 100 * second, 105 * second, 105*second + 1, 100*second + every*195/100, 100*second + every*205/100},
		{"late by rounds leaves them out", 100 * second, 163 * second, 163*second + 1, 163*second + every*5/100, 163*second + every*115/100},
		{"first check, second in its place", 100*second - every, 100*second + second/2, 100*second + second/2, 100*second + every*95/100, 100*second + every*105/100},
		{"a check longer than the interval", 100 * second, 100 * second, 109 * second, 109*second + int64(minInterval), 109*second + int64(minInterval)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testSchedule()
			distinct := map[int64]bool{}
			for round := range uint32(10_000) {
				got, _ := s.next(c.place, c.start, c.now, hashOf("g", "id"), round, time.Duration(every))
				if got < c.from || got > c.to {
					t.Fatalf("next() = %v, want %v to %v", time.Duration(got), time.Duration(c.from), time.Duration(c.to))
				}
				if got < c.start+every*5/100 {
					t.Fatalf("next() = %v: caught up", time.Duration(got))
				}
				distinct[got] = true
			}
			if c.from != c.to && len(distinct) < 9000 {
				t.Errorf("%d different answers in 10000 rounds: no jitter", len(distinct))
			}
		})
	}
}

func TestScheduleJitterIsSeeded(t *testing.T) {
	a, b, other := testSchedule(), testSchedule(), testSchedule()
	other.seed = 2
	none := testSchedule()
	none.jitter = 0
	same, equal := 0, 0
	for round := range uint32(100) {
		next := func(s *schedule) int64 { at, _ := s.next(0, 0, 0, 42, round, 5*time.Second); return at }
		if next(a) == next(b) {
			equal++
		}
		if next(a) == next(other) {
			same++
		}
		if next(none) != 5*second {
			t.Fatalf("without jitter next() = %d", next(none))
		}
	}
	if equal != 100 || same != 0 {
		t.Errorf("equal seeds agree in %d of 100 rounds, different ones in %d", equal, same)
	}
}

// simulate runs targets of one interval from time 0 with checks that take no
// time, and returns the starts in order. The process does nothing from stall to
// resume.
func simulate(s *schedule, targets int, interval time.Duration, stall, resume, end int64) (starts []int64, by [][]int64) {
	hashes := make([]uint64, targets)
	places := make([]int64, targets)
	rounds := make([]uint32, targets)
	by = make([][]int64, targets)
	for i := range targets {
		var at int64
		hashes[i] = hashOf("web", testName(i))
		at, places[i] = s.first(0, hashes[i], interval)
		s.waiting.push(uint32(i), at)
	}
	for {
		now := s.wake()
		if now >= stall && now < resume {
			now = resume
		}
		if now >= end {
			return starts, by
		}
		i, _, _, ok := s.due(now)
		if !ok {
			panic("wake without work")
		}
		rounds[i]++
		starts = append(starts, now)
		by[i] = append(by[i], now)
		s.release(now)
		var at int64
		at, places[i] = s.next(places[i], now, now, hashes[i], rounds[i], interval)
		s.waiting.push(i, at)
	}
}

// TestScheduleSpreadStays: every interval's worth of starts is uniform, also
// right after the first burst, and no interval leaves the bounds of the jitter.
func TestScheduleSpreadStays(t *testing.T) {
	if race.Enabled {
		t.Skip("pure and long: nothing to race with")
	}
	const targets, interval = 100_000, 5 * second
	starts, by := simulate(testSchedule(), targets, time.Duration(interval), never, never, 4*interval)
	var later []int64
	for _, at := range starts {
		if at >= 2*interval && at < 3*interval {
			later = append(later, at)
		}
	}
	if got := float64(len(later)) / targets; got < 0.98 || got > 1.02 {
		t.Errorf("%.3f checks a target in one interval", got)
	}
	if got := uniform(buckets(later, interval, 20)); got > 0.05 {
		t.Errorf("starts differ by %.3f from uniform", got)
	}
	for i, times := range by {
		for k := 1; k < len(times); k++ {
			gap := times[k] - times[k-1]
			least, most := interval*9/10, interval*11/10
			if k == 1 { // from the first burst to the target's place
				least, most = interval*5/100, interval*115/100
			}
			if gap < least || gap > most {
				t.Fatalf("target %d: interval %d is %v", i, k, time.Duration(gap))
			}
		}
	}
}

// TestScheduleNoLockstepAfterStall stops the process for a while: each target is
// checked once on resuming, not once for each round missed, and the checks
// after that are as spread as before.
func TestScheduleNoLockstepAfterStall(t *testing.T) {
	if race.Enabled {
		t.Skip("pure and long: nothing to race with")
	}
	const targets, interval = 10_000, 5 * second
	for _, stop := range []int64{2 * second, 4 * second, 12 * second, 61 * second} {
		t.Run(time.Duration(stop).String(), func(t *testing.T) {
			resume := 30*second + stop
			starts, by := simulate(testSchedule(), targets, time.Duration(interval), 30*second, resume, resume+4*interval)
			burst := 0
			var later []int64
			for _, at := range starts {
				if at == resume {
					burst++
				}
				if at >= resume+2*interval && at < resume+3*interval {
					later = append(later, at-resume)
				}
			}
			if most := int(min(1.05, 1.05*float64(stop)/float64(interval)) * targets); burst > most || burst > targets {
				t.Errorf("%d checks on resuming, want at most %d", burst, most)
			}
			if got := uniform(buckets(later, interval, 10)); got > 0.12 {
				t.Errorf("starts after the stall differ by %.3f from uniform", got)
			}
			for i, times := range by {
				for k := 1; k < len(times); k++ {
					if times[k]-times[k-1] < interval*5/100 {
						t.Fatalf("target %d: interval %v: caught up", i, time.Duration(times[k]-times[k-1]))
					}
				}
			}
		})
	}
}

func TestScheduleLimit(t *testing.T) {
	s := testSchedule()
	s.limit = 2
	for i := range uint32(4) {
		s.waiting.push(i, int64(i))
	}
	take := func(now int64) (index uint32, own int64) {
		t.Helper()
		index, _, own, ok := s.due(now)
		if !ok {
			t.Fatalf("due(%d): nothing", now)
		}
		return index, own
	}
	if i, own := take(10); i != 0 || own != 10 {
		t.Errorf("due = %d late by %d, want 0 late by 10", i, own)
	}
	take(10)
	if _, _, _, ok := s.due(10); ok {
		t.Error("a third check started")
	}
	if got := s.wake(); got != never {
		t.Errorf("full: wake() = %d", got)
	}
	s.release(100)
	if got := s.wake(); got != 2 {
		t.Errorf("wake() = %d, want 2", got)
	}
	// It waited for a place, not for the scheduler.
	if i, own := take(103); i != 2 || own != 3 {
		t.Errorf("due = %d late by %d of its own, want 2 late by 3", i, own)
	}
}

// TestScheduleDoesNotAllocate is the gate: one round of a check allocates nothing.
func TestScheduleDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	round := rounds(10_000)
	if got := testing.AllocsPerRun(10, func() {
		for range 1000 {
			round()
		}
	}); got != 0 {
		t.Errorf("1000 rounds allocate %v times", got)
	}
}

// rounds returns a function that performs the scheduling of one check, start
// and end, among targets at an interval of 5 s.
func rounds(targets int) func() {
	s := testSchedule()
	hashes := make([]uint64, targets)
	places := make([]int64, targets)
	for i := range targets {
		var at int64
		hashes[i] = hashOf("web", testName(i))
		at, places[i] = s.first(0, hashes[i], 5*time.Second)
		s.waiting.push(uint32(i), at)
	}
	s.running.push(uint32(targets-1), 0)
	s.running.remove(uint32(targets - 1))
	var n uint32
	return func() {
		now := s.wake()
		i, _, _, _ := s.due(now)
		s.running.push(i, now+3*second)
		s.running.remove(i)
		s.release(now)
		n++
		var at int64
		at, places[i] = s.next(places[i], now, now, hashes[i], n, 5*time.Second)
		s.waiting.push(i, at)
	}
}

// BenchmarkSchedule measures the pure scheduling of one check: its start, its
// deadline, its end and the next one. At 100,000 targets and 5 s there are
// 20,000 of them a second.
func BenchmarkSchedule(b *testing.B) {
	for _, targets := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(targets), func(b *testing.B) {
			round := rounds(targets)
			b.ReportAllocs()
			used := cpuTime()
			for b.Loop() {
				round()
			}
			b.ReportMetric((cpuTime()-used).Seconds()/float64(b.N)*float64(targets)/5*100, "%core")
		})
	}
}
