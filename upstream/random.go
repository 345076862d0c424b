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

// maxMisses is how many draws of one request may fail; one more and the round
// robin decides.
const maxMisses = 20

// ranges is the table of a tier: where each peer's part of the total weight
// begins.
type ranges struct {
	start []int64
	total uint64
}

func (random) build(peers []*Backend) any {
	t := &ranges{start: make([]int64, len(peers))}
	for i, b := range peers {
		t.start[i] = int64(t.total)
		t.total += uint64(b.spec.weight)
	}
	return t
}

// draw returns the index of a peer. The caller holds the pool's mu, which
// guards the source.
func (t *ranges) draw(source *rand.PCG) int {
	high, _ := bits.Mul64(source.Uint64(), t.total) // from 0 to total-1
	x := int64(high)
	low, end := 0, len(t.start)
	for end-low > 1 {
		if mid := int(uint(low+end) / 2); x < t.start[mid] {
			end = mid
		} else {
			low = mid
		}
	}
	return low
}

// pick keeps the misses in r.hops: like nginx it counts them over all attempts
// of a request.
func (p random) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	if len(t.peers) > 1 {
		table, source := t.table.(*ranges), &t.peers[0].pool.random
		first := -1
		for r.hops <= maxMisses {
			i := table.draw(source)
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
