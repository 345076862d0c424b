package ratelimit

// The reference: nginx's limit_req as its module computes it, with 64-bit milliseconds, a node for each key in a plain
// map, and no regard for speed. It shares no code with the package.

const (
	refOK    = 0
	refAgain = -2
	refBusy  = -3
)

type refNode struct {
	excess int64 // thousandths of a request
	last   int64 // ms
}

type refZone struct {
	rate  int64 // thousandths of a request per second
	nodes map[string]*refNode
}

func newRefZone(rate int64) *refZone { return &refZone{rate: rate, nodes: map[string]*refNode{}} }

type refLimit struct {
	zone         *refZone
	burst, delay int64 // thousandths of a request
}

// refStep is the answer of one limit, refResult that of all.
type refStep struct{ limit, rc, excess int64 }

type refResult struct {
	outcome string // PASSED, DELAYED, REJECTED; "" when nothing applied
	limit   int
	excess  int64
	delay   int64 // ms
	steps   []refStep
}

func refElapsed(now, last int64) int64 {
	ms := now - last
	if ms < -60000 {
		return 1
	}
	if ms < 0 {
		return 0
	}
	return ms
}

func refExcess(n *refNode, now, rate int64) int64 {
	excess := n.excess - rate*refElapsed(now, n.last)/1000 + 1000
	if excess < 0 {
		return 0
	}
	return excess
}

// refLookup is the first step at one limit.
func refLookup(l refLimit, key string, now int64, account bool) (rc, excess int64, node *refNode) {
	n := l.zone.nodes[key]
	if n == nil {
		n = &refNode{}
		l.zone.nodes[key] = n
		if account {
			n.last = now
			return refOK, 0, nil
		}
		return refAgain, 0, n
	}
	excess = refExcess(n, now, l.zone.rate)
	if excess > l.burst {
		return refBusy, excess, nil
	}
	if account {
		if refElapsed(now, n.last) != 0 {
			n.last = now
		}
		n.excess = excess
		return refOK, excess, nil
	}
	return refAgain, excess, n
}

// refDecide is the whole decision; a key "" is none.
func refDecide(limits []refLimit, keys []string, now int64) refResult {
	nodes := make([]*refNode, len(limits))
	rc, excess, n := int64(-5), int64(0), 0
	var steps []refStep
	for n = 0; n < len(limits); n++ {
		if keys[n] == "" {
			continue
		}
		rc, excess, nodes[n] = refLookup(limits[n], keys[n], now, n == len(limits)-1)
		steps = append(steps, refStep{int64(n), rc, excess})
		if rc != refAgain {
			break
		}
	}
	if rc == -5 {
		return refResult{limit: -1}
	}
	if rc == refBusy {
		return refResult{outcome: "REJECTED", limit: n, excess: excess, steps: steps}
	}
	winner := n
	if rc == refAgain {
		excess, winner = 0, len(limits)-1
	}
	longest := int64(0)
	if excess > limits[winner].delay {
		longest = (excess - limits[winner].delay) * 1000 / limits[winner].zone.rate
	}
	for i := n - 1; i >= 0; i-- {
		node := nodes[i]
		if node == nil {
			continue
		}
		l := limits[i]
		e := refExcess(node, now, l.zone.rate)
		if refElapsed(now, node.last) != 0 {
			node.last = now
		}
		node.excess = e
		if e <= l.delay {
			continue
		}
		if d := (e - l.delay) * 1000 / l.zone.rate; d > longest {
			longest, excess, winner = d, e, i
		}
	}
	if longest == 0 {
		return refResult{outcome: "PASSED", limit: winner, excess: excess, steps: steps}
	}
	return refResult{outcome: "DELAYED", limit: winner, excess: excess, delay: longest, steps: steps}
}
