package lvs

import (
	"runtime"
	"sync/atomic"
)

// RoundRobin is the kernel's rr (net/netfilter/ipvs/ip_vs_rr.c): it remembers the destination picked last and takes the
// next one in list order, newest first, whose weight is above 0. Weights count for nothing else. A new destination goes to the
// head of the list; when the remembered one is removed, the mark moves to its predecessor, so that nobody is passed over.
//
// A pick takes no memory and no lock: it is one compare-and-swap, and the sequence is exact however many goroutines pick.
func RoundRobin() Scheduler {
	return Scheduler{name: "rr", start: func() picker { return roundRobin{} }}
}

// Marks that are not the index of the destination picked last.
const (
	head   = -1 // before the first destination, as in a new list
	sealed = -2 // the membership is being replaced, and its mark has gone to the next one
)

// roundRobin keeps its mark in the membership that the mark is an index of, so that no pick can mix two of them up.
type roundRobin struct{}

func (roundRobin) pick(cur *atomic.Pointer[members]) (*members, int) {
	for {
		m := cur.Load()
		mark := m.mark.Load()
		if mark == sealed {
			runtime.Gosched() // swap is two stores away from publishing the next membership
			continue
		}
		i := m.next(int(mark))
		if i < 0 || m.mark.CompareAndSwap(mark, int64(i)) {
			return m, i
		}
	}
}

func (roundRobin) swap(cur *atomic.Pointer[members], next *members, c change) {
	mark := cur.Load().mark.Swap(sealed)
	switch {
	case c.op == added && int64(c.at) <= mark:
		mark++
	case c.op == removed && int64(c.at) <= mark:
		mark-- // the predecessor, when c.at is the mark itself
	}
	next.mark.Store(mark)
	cur.Store(next)
}
