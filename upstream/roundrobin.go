package upstream

// RoundRobin is nginx's smooth weighted round robin, the default: weights
// 5, 1, 1 give a a b a c a a. A failure lowers a peer's effective weight by
// weight / max_fails, and it recovers by one each time the peer takes part in
// a choice.
func RoundRobin() Balancer { return Balancer{"round_robin", roundRobin{}} }

type roundRobin struct{}

// pick gives every eligible peer its effective weight and takes the first of
// those that have most, which pays for the round. A peer that is not eligible
// gains nothing meanwhile.
func (roundRobin) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	at = -1
	var most, total int64
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
		e, c := b.gain()
		total += e
		if at < 0 || c > most {
			at, most = i, c
		}
	}
	if at >= 0 {
		t.peers[at].current -= total
	}
	return at, busy
}

// gain gives the peer its share of the round and lets its effective weight
// recover by one. It returns the share and what the peer has now. The caller
// holds the pool's mu.
func (b *Backend) gain() (share, current int64) {
	share = b.effective
	if share < b.weight {
		b.effective = min(share+b.pool.unit, b.weight)
	}
	current = b.current + share
	b.current = current
	return share, current
}
