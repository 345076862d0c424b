package upstream

// Fair is the rule of nginx's third-party module upstream_fair in its default
// mode. An idle peer is taken first, going around from the peer that was taken
// last. When all are busy, the one with the fewest requests in flight, the new one
// included, for its weight is taken, and among about equals the one that was left
// alone for the most requests. Failures lessen the weight: with fails of max_fails counted, it
// is weight * (max_fails - fails) / max_fails, and such a peer is idle for the
// first rule only when its [FailTimeout] is over.
//
// Many instructions praise fair for preferring the peer with the shortest
// response time. The module never did; that rule is [LeastTime].
func Fair() Balancer { return Balancer{"fair", fair{}} }

type fair struct{}

// fairBits is how many low bits of a score say how recently the peer was taken;
// beyond so many requests it does not matter how many.
const fairBits = 20

// fairMost is how many requests in flight a score tells apart: products with any
// weight stay in range.
const fairMost = 1<<16 - 1

// rotation is the table of a tier. Guarded by the pool's mu.
type rotation struct{ next int }

func (fair) remembers() {}

func (fair) build([]*Backend) any { return new(rotation) }

// pick compares score / weight by cross multiplication. The module compares
// whole quotients, which only blurs the order of peers that were left alone for
// about as long; as there, the later one around is preferred among equals.
func (f fair) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	at = -1
	var least, weight int64
	around := t.table.(*rotation)
	i := around.next
	for range t.peers {
		if i >= len(t.peers) {
			i = 0
		}
		b, here := t.peers[i], i
		i++
		if retry && r.has(t.base+here) {
			continue
		}
		g := b.gate.Load()
		if g&gatePick != 0 {
			if a := b.admit(g, now); a != yes {
				busy = busy || a == full
				continue
			}
		}
		conns := b.connsLocked()
		if conns == 0 && (g&gateFailed == 0 || now-b.checked > b.failTimeout) {
			at = here
			break
		}
		s, w := b.fairScore(conns), b.fairWeight(g)
		if at < 0 || s*weight <= least*w {
			at, least, weight = here, s, w
		}
	}
	if at >= 0 {
		around.next = at + 1
		f.chosen(now, t.peers[at], r)
	}
	return at, busy
}

// fairScore is the requests in flight, and in the low bits how recently the peer
// was taken. The caller holds the pool's mu.
func (b *Backend) fairScore(conns int64) int64 {
	const most = 1<<fairBits - 1
	alone := min(b.pool.turn-b.memo.turn, most)
	return min(conns, fairMost)<<fairBits | (most - alone)
}

// fairWeight is the weight less the failures, at least 1. The caller holds the
// pool's mu.
func (b *Backend) fairWeight(g uint32) int64 {
	if g&gateFailed == 0 || b.maxFails == 0 {
		return b.weight
	}
	return max(1, b.weight*(b.maxFails-b.fails)/b.maxFails)
}

// chosen numbers the picks.
func (fair) chosen(_ int64, b *Backend, _ *Request) {
	b.pool.turn++
	b.memo.turn = b.pool.turn
}
