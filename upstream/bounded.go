package upstream

import (
	"errors"
	"fmt"
	"math"
)

// BoundedLoad keeps a balancer that hashes from loading one peer with more than
// its share of the requests in flight. While a peer carries at least factor times
// its part, by weight, of the requests in flight at the peers that take requests,
// the new one included, requests go past it to the next place of their hash, as
// if it were at its [MaxConns] (HAProxy: hash-balance-factor, there in percent;
// Mirrokni, Thorup and Zadimoghaddam, Consistent Hashing with Bounded Loads). A
// request that finds no place goes to the peer that carries least. A pick takes
// time in proportion to the peers.
//
// The factor is greater than 1; 1.25 to 2 are usual. Near 1 the load is even and
// keys move often, a large one leaves the keys where they are. b is [IPHash],
// [Hash], [HashConsistent] or [Maglev]; [New] refuses others. Requests that do
// not go by a hash, having no key or a single peer to go to, know no limit.
func BoundedLoad(b Balancer, factor float64) Balancer {
	rule := boundedLoad{name: b.String(), factor: factor}
	rule.inner, _ = b.rule.(placer)
	return Balancer{fmt.Sprintf("%v, hash-balance-factor %.6g", b, 100*factor), rule}
}

type boundedLoad struct {
	inner  placer // nil if it hashes nothing
	name   string
	factor float64
}

var _ builder = boundedLoad{}

func (boundedLoad) steady() bool { return true }

func (l boundedLoad) check() error {
	var errs []error
	if l.inner == nil {
		errs = append(errs, fmt.Errorf("upstream: BoundedLoad: balancer %q places nothing by a hash", l.name))
	}
	if !(l.factor > 1) || math.IsInf(l.factor, 0) {
		errs = append(errs, fmt.Errorf("upstream: BoundedLoad: factor %v is not a number greater than 1", l.factor))
	}
	return errors.Join(errs...)
}

func (l boundedLoad) build(peers []*Backend) any { return l.inner.build(peers) }

func (l boundedLoad) pick(t *tier, now int64, r *Request, retry bool) (int, bool) {
	var conns, weight int64
	for _, b := range t.peers {
		if g := b.gate.Load(); g&gatePick == 0 || b.admit(g, now) != no {
			conns += b.connsLocked()
			weight += b.weight
		}
	}
	if weight == 0 {
		return -1, false
	}
	return l.inner.place(t, now, r, retry, limit(l.factor*float64(conns+1)/float64(weight)))
}

// limit is how many requests in flight a unit of weight may carry; 0 for no limit.
type limit float64

// room reports whether the peer may carry one more: its requests are less than
// its limit, rounded up. The caller holds the pool's mu.
func (l limit) room(b *Backend) bool {
	return float64(b.connsLocked()) < float64(l)*float64(b.weight)
}
