package ratelimit

import (
	"math"
	"sync/atomic"
	"time"
)

// leaky is a rate zone without its key type: a table of words, the rate they leak at, and the counts.
type leaky struct {
	table
	hasher
	rate int64 // thousandths of a request per second
	name string
	base time.Time
	aged atomic.Int64 // when the words were last aged, in the zone's nanoseconds

	tallies [8]tally // striped by key, so that counting does not make keys share a cache line
}

// tally counts limited requests. Those that pass at once are not counted: that would be a second atomic operation, of
// two, and whoever serves them counts them anyway.
type tally struct {
	delayed, rejected atomic.Uint64
	_                 [48]byte
}

// grant is a request that was charged, with what it takes to take it back.
type grant struct {
	slot        int
	print       uint64
	before, now word
	excess      int64
}

const (
	// ageEvery is how often every word of a zone is looked at, in milliseconds: 6.2 days. A word that is older is idle
	// and dropped, or moved forward, so that 32 bits of milliseconds are enough.
	ageEvery = 1 << 29
	never    = math.MinInt64 / 2
	idle     = 1 << 30 // ms: older than any debt that is not aged
)

func (z *leaky) tally(print uint64) *tally { return &z.tallies[print>>61] }

// tick returns the zone's millisecond for its nanosecond now, and lets old words age when it is time.
func (z *leaky) tick(now int64) uint32 {
	if now-z.aged.Load() >= ageEvery*int64(time.Millisecond) {
		z.age(now)
	}
	return uint32(now / int64(time.Millisecond))
}

// look returns what one more request of the key would leave, without charging it: an excess over burst comes with the
// milliseconds after which it would be accepted.
func (z *leaky) look(print uint64, ms uint32, burst int64) (excess, retry int64) {
	i, state := z.find(print)
	if i < 0 {
		return 0, 0
	}
	w := word(state)
	excess, passed := w.next(ms, z.rate)
	if excess > burst {
		return excess, w.retry(passed, z.rate, burst)
	}
	return excess, 0
}

// take charges one request to the key, or, when that would exceed burst, charges nothing and returns the milliseconds
// after which it would be accepted.
func (z *leaky) take(print uint64, ms uint32, burst int64, g *grant) (excess, retry int64) {
	for {
		i, state := z.find(print)
		if i < 0 {
			w := first(ms)
			i, result := z.insert(print, uint64(w), ms)
			if result != done {
				continue
			}
			if g != nil {
				*g = grant{i, print, first(ms - idle), w, 0}
			}
			return 0, 0
		}
		w := word(state)
		excess, passed := w.next(ms, z.rate)
		if excess > burst {
			return excess, w.retry(passed, z.rate, burst)
		}
		next := w.charged(excess, passed, ms)
		if z.slots[i].state.CompareAndSwap(state, uint64(next)) {
			if g != nil {
				*g = grant{i, print, w, next, excess}
			}
			return excess, 0
		}
	}
}

// undo takes a charge back. When others were charged in between, the excess gives back what this request added at
// least, so that a key never gains by it.
func (z *leaky) undo(g *grant) {
	s := &z.slots[g.slot]
	if s.print.Load() == g.print && s.state.CompareAndSwap(uint64(g.now), uint64(g.before)) {
		return
	}
	for {
		state := s.state.Load()
		if state >= claimed || s.print.Load() != g.print {
			return // the slot went to another key
		}
		w := word(state)
		back := pack(max(w.excess()-min(unit, g.excess), 0), w.last())
		if s.state.CompareAndSwap(state, uint64(back)) {
			return
		}
	}
}

// weigh is a rate zone's measure of a word for [table.choose]: the excess that the key's next request would leave.
// Zero is as good as new.
func (z *leaky) weigh(state uint64, now uint32) uint32 {
	excess, _ := word(state).next(now, z.rate)
	return uint32(min(excess, int64(pinned)-1))
}

// age drops idle words and moves old ones forward. It runs once in ageEvery on the caller that comes first, and reads
// the table once; others go on meanwhile. After a longer pause it tells the true age of a word from the pause: no word
// was touched later than ageEvery after the last time, nor left older than that.
func (z *leaky) age(now int64) {
	last := z.aged.Load()
	if now-last < ageEvery*int64(time.Millisecond) || !z.aged.CompareAndSwap(last, now) || last == never {
		return
	}
	ms := uint32(now / int64(time.Millisecond))
	least := (now-last)/int64(time.Millisecond) - 2*ageEvery
	for i := range z.slots {
		s := &z.slots[i]
		for {
			print, state := s.print.Load(), s.state.Load()
			if print == 0 || state >= claimed {
				break
			}
			w := word(state)
			age := least + int64(ms-w.last()-uint32(least))
			if age < ageEvery {
				break
			}
			if age >= ((w.excess()+unit)*1000+z.rate-1)/z.rate {
				z.drop(i, content{print, state})
				break
			}
			if s.state.CompareAndSwap(state, uint64(w.aged(age, z.rate))) {
				break
			}
		}
	}
}
