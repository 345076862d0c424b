package upstream

import (
	"math"
	"sync/atomic"
)

// memo is what a rule remembers of one backend. It exists in pools whose rule
// is a rememberer, from the backend's first moment on.
type memo struct {
	average ewma // of the time that answers took, in steps; least_time

	// Guarded by the pool's mu.
	turn    int64 // the number of the last pick; fair
	waiting int64 // requests without an answer; least_time inflight
	age     int64 // the sum of their ages at the time aged, microseconds
	aged    int64 // microseconds
	late    ewma  // of their mean age, a sample per pick, in steps
}

// ewma is an exponentially weighted moving average by nginx's rule: 95 % of
// what it was, 5 % of the new sample; the first sample is taken as it is. Its
// bits are a float64, so that small changes are not rounded away.
type ewma struct{ bits atomic.Uint64 }

func (m *ewma) load() float64 { return math.Float64frombits(m.bits.Load()) }

func (m *ewma) add(sample float64) {
	for {
		old := m.bits.Load()
		v := sample
		if old != 0 {
			// The conversions keep every platform from fusing the sum.
			v = float64(0.05*sample) + float64(0.95*math.Float64frombits(old))
		}
		if m.bits.CompareAndSwap(old, math.Float64bits(v)) {
			return
		}
	}
}

// micros turns the clock's nanoseconds into microseconds: sums of ages stay in
// range for any number of requests of any age.
func micros(now int64) int64 { return now / 1000 }

// enter counts a request that waits for its answer. The caller holds the pool's
// mu.
func (m *memo) enter(now int64) {
	m.grow(now)
	m.waiting++
}

// leave takes out a request that began then. The caller holds the pool's mu.
func (m *memo) leave(now, began int64) {
	m.grow(now)
	m.age -= micros(now) - micros(began)
	if m.waiting--; m.waiting == 0 {
		m.age = 0
	}
}

// grow brings the sum of the ages up to now.
func (m *memo) grow(now int64) {
	u := micros(now)
	m.age += (u - m.aged) * m.waiting
	m.aged = u
}

// lateness takes a sample of the mean age of those that wait, and returns the
// average of the samples. The caller holds the pool's mu and has looked that
// somebody waits.
func (m *memo) lateness(now int64) float64 {
	age := m.age/m.waiting + micros(now) - m.aged
	m.late.add(inSteps(1000 * age))
	return m.late.load()
}
