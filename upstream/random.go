package upstream

import (
	"math/bits"
	"math/rand/v2"
)

// Random is nginx's random: a peer by chance, by weight. A draw that is not
// eligible is a miss; after 20 misses of one request the round robin decides.
// It suits several proxies before the same peers, which a round robin would
// lead in step. The primaries have no order and the backups still stand by,
// which nginx refuses to combine.
func Random() Balancer { return Balancer{"random", random{}} }

// RandomTwo is nginx's random two least_conn: of two different peers drawn by
// weight, the one with fewer requests in flight for its weight, the second when
// they are equal. It spreads nearly as well as [LeastConn], looks at two peers
// instead of all, and several proxies do not rush at the same idle peer. Weights
// show under load: of two idle peers the second drawn is rather the lighter
// one. A draw that is not eligible or comes twice is a miss, as in [Random].
func RandomTwo() Balancer { return Balancer{"random two least_conn", random{two: true}} }

type random struct{ two bool }

// steady: the lots are worked out before.
func (random) steady() bool { return true }

// randomMisses is how many draws of one request may fail; one more and the round
// robin decides.
const randomMisses = 20

// ranges is the table of a tier: where each peer's part of the total weight
// begins, and after the last one the total.
type ranges struct {
	start []uint64
	guide []int32 // for equal parts of the total, the peer where each begins
}

func (random) build(peers []*Backend) any {
	t := &ranges{start: make([]uint64, 1, len(peers)+1), guide: make([]int32, 4*len(peers))}
	var total uint64
	for _, b := range peers {
		total += uint64(b.spec.weight)
		t.start = append(t.start, total)
	}
	at := int32(0)
	for i := range t.guide {
		for t.start[at+1] <= uint64(i)*total/uint64(len(t.guide)) {
			at++
		}
		t.guide[i] = at
	}
	return t
}

// draw returns the index of a peer. The guide leaves a step or none of the search
// in the ranges, in place of branches that depend on chance. The caller holds the
// pool's mu, which guards the source.
func (t *ranges) draw(source *rand.PCG) int32 {
	u := source.Uint64()
	x, _ := bits.Mul64(u, t.start[len(t.start)-1]) // from 0 to the total less one
	part, _ := bits.Mul64(u, uint64(len(t.guide)))
	at := t.guide[part]
	for t.start[at+1] <= x {
		at++
	}
	return at
}

// pick keeps the misses in r.hops: like nginx it counts them over all attempts
// of a request.
func (p random) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	if len(t.peers) > 1 {
		table, source := t.table.(*ranges), &t.peers[0].pool.random
		first := -1
		for r.hops <= randomMisses {
			i := int(table.draw(source))
			b := t.peers[i]
			switch {
			case i == first || retry && r.has(t.base+i) || b.admit(b.gate.Load(), now) != yes:
				r.hops++
			case !p.two:
				return i, false
			case first < 0:
				first = i
			default:
				if a := t.peers[first]; b.connsLocked()*a.weight > a.connsLocked()*b.weight {
					return first, false
				}
				return i, false
			}
		}
	}
	at, busy = roundRobin{}.pick(t, now, r, retry)
	if at < 0 {
		r.hops = 0 // the next tier is another draw
	}
	return at, busy
}

// withSeed makes the draws of a pool repeat.
func withSeed(n uint64) Option { return func(c *config) { c.seed = rand.NewPCG(n, n) } }
