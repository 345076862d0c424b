package upstream

// First is HAProxy's first: the first peer in configured order that is
// eligible. With [MaxConns] the first peers fill up and the last ones stay idle,
// so that they can be switched off; without it the others only stand by. Weights
// mean nothing to it.
func First() Balancer { return Balancer{"first", firstFit{}} }

type firstFit struct{}

func (firstFit) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	for i, b := range t.peers {
		if retry && r.has(t.base+i) {
			continue
		}
		switch b.admit(b.gate.Load(), now) {
		case yes:
			return i, false
		case full:
			busy = true
		}
	}
	return -1, busy
}
