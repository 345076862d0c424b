package upstream

import "math/bits"

// LeastConn is nginx's least_conn: the peer with the fewest requests in flight
// for its weight, and smooth weighted round robin among equals.
func LeastConn() Balancer { return Balancer{"least_conn", leastConn{}} }

type leastConn struct{}

// pick compares conns / weight by cross multiplication. When several peers
// share the least load, only they take part in the round robin.
func (leastConn) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	at = -1
	var conns, weight int64 // of the first of those that carry least
	var equals uint64       // all of them, as far as they are among 64 peers
	ties := 0
	for i, b := range t.peers {
		if retry && r.has(t.base+i) {
			continue
		}
		if g := b.gate.Load(); g&gatePick != 0 {
			if a := b.admit(g, now); a != yes {
				busy = busy || a == full
				continue
			}
		}
		c, w := b.connsLocked(), b.weight
		mine, theirs := c*weight, conns*w
		if mine == theirs && at >= 0 {
			equals |= 1 << uint(i&63)
			ties++
		} else if mine < theirs || at < 0 {
			at, conns, weight = i, c, w
			equals, ties = 1<<uint(i&63), 0
		}
	}
	switch {
	case ties == 0:
		return at, busy
	case len(t.peers) <= 64:
		return among(t.peers, equals), busy
	}
	return amongMany(t, at, conns, now, r, retry), busy
}

// among runs the round robin over the peers whose bits are set.
func among(peers []*Backend, set uint64) int {
	at := -1
	var most, total int64
	for ; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		e, c := peers[i].gain()
		total += e
		if at < 0 || c > most {
			at, most = i, c
		}
	}
	peers[at].current -= total
	return at
}

// amongMany is among for tiers of more than 64 peers: it finds those that
// carry as much as the first one, with conns requests, once more.
func amongMany(t *tier, first int, conns, now int64, r *Request, retry bool) int {
	peers := t.peers
	at, weight := first, peers[first].weight
	total, most := peers[first].gain()
	for i := first + 1; i < len(peers); i++ {
		b := peers[i]
		if b.connsLocked()*weight != conns*b.weight || retry && r.has(t.base+i) {
			continue
		}
		if g := b.gate.Load(); g&gatePick != 0 && b.admit(g, now) != yes {
			continue
		}
		e, c := b.gain()
		total += e
		if c > most {
			at, most = i, c
		}
	}
	peers[at].current -= total
	return at
}
