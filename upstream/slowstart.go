package upstream

import (
	"errors"
	"fmt"
	"time"
)

// slowUnit is a weight of 1 in a pool that has slow starts: their shares are
// fractions of a weight.
const slowUnit = 1000

// slowest is the share of its weight, in percent, that a peer begins with
// (Envoy: min_weight_percent).
const slowest = 10

// ramp is the way of a peer back to its full weight.
type ramp struct {
	from int64 // when it began
	span int64 // how long it takes
}

// share returns what a peer of that weight has of it now: from a tenth, in
// proportion to the time. It reports whether the way has come to its end. Before
// its beginning, the clock having been put back, it is at its beginning.
func (a ramp) share(now, weight int64) (share int64, over bool) {
	gone := now - a.from
	if gone >= a.span {
		return weight, true
	}
	least := max(1, weight*slowest/100)
	return max(least, int64(float64(weight)*(float64(gone)/float64(a.span)))), false
}

// steady is a picker that takes no notice of a share that moves: one that places
// requests by a hash would move the requests with it, and one that draws lots has
// worked its lots out before.
type steady interface{ steady() bool }

// SlowStart lets the backend's weight rise linearly to its full value over d when
// it comes into service: after [Pool.Add] or a move to another [Address], when
// the health sources report it up again, when it recovers from its failures or
// from an ejection, and after [Up]. It begins at a tenth of the weight, so that
// the first requests can show how it fares. The backends that [New] is given
// start at their full weights, and so does one that is taken back from draining.
// 0 or more; default 0, no slow start (nginx: slow_start).
//
// It works with every balancer that goes by weights. Those that place requests
// by a hash or at random refuse it, as nginx does. It is ignored where the backend is the only
// one of the pool.
func SlowStart(d time.Duration) ServerOption { return func(s *spec) { s.slowStart = d } }

// validate is spec.validate, and what the balancer has to say.
func (p *Pool) validate(s *spec, where string, isNew bool) error {
	err := s.validate(where, isNew)
	if s.slowStart > 0 && isSteady(p.rule) {
		err = errors.Join(err, fmt.Errorf("upstream: %s: slow_start %v with %v", where, s.slowStart, p.bal))
	}
	return err
}

// isSteady looks through wrappers.
func isSteady(rule picker) bool {
	for ; rule != nil; rule = inner(rule) {
		if h, ok := rule.(steady); ok {
			return h.steady()
		}
	}
	return false
}

// riseLocked begins the slow start of b, if it has one and is in the pool; its
// failures may clear after it has left. The caller holds the pool's mu.
func (b *Backend) riseLocked(now int64) {
	p := b.pool
	if b.ramp.span == 0 || b.gate.Load()&gateGone != 0 || p.view.Load().single {
		return
	}
	if !b.rising {
		b.rising = true
		p.ramps++
	}
	b.ramp.from = now
	p.due = asap
	share, _ := b.ramp.share(now, b.nominal)
	b.weighLocked(share)
}

// rampLocked lets the slow starts rise. The caller holds mu.
func (p *Pool) rampLocked(v *view, now int64) {
	for _, b := range v.ranks {
		if b.rising {
			b.climbLocked(now)
		}
	}
}

// climbLocked gives a rising peer the weight that it has by now. The caller holds
// the pool's mu.
func (b *Backend) climbLocked(now int64) {
	share, over := b.ramp.share(now, b.nominal)
	b.weighLocked(share)
	if over {
		b.landLocked()
	}
}

// landLocked ends a slow start. The caller holds the pool's mu.
func (b *Backend) landLocked() {
	if b.rising {
		b.rising = false
		b.pool.ramps--
	}
}

// weighLocked changes the weight that balancers see. A penalty on the effective
// weight stays, as far as the new weight has room for it. The caller holds the
// pool's mu.
func (b *Backend) weighLocked(w int64) {
	b.effective = min(max(0, b.effective+w-b.weight), w)
	b.weight = w
}

// scaleLocked brings all weights to the unit of slow starts, when the first
// backend with one has come. The caller holds config and mu.
func (p *Pool) scaleLocked(all []*Backend) {
	if p.unit != 1 || !anySlow(all) {
		return
	}
	p.unit = slowUnit
	for _, b := range all {
		b.nominal *= slowUnit
		b.weight *= slowUnit
		b.effective *= slowUnit
		b.current *= slowUnit
	}
}

// anySlow reports whether a backend has a slow start. The caller holds config.
func anySlow(all []*Backend) bool {
	for _, b := range all {
		if b.spec.slowStart > 0 {
			return true
		}
	}
	return false
}
