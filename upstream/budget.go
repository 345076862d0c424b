package upstream

// budget limits the retries in flight to a share of the requests in flight, so
// that peers in trouble are not buried under the repetition of what they could
// not answer.
type budget struct {
	share float64
	floor int
}

// Envoy's values.
var defaultBudget = budget{share: 0.2, floor: 3}

// allows reports whether one more retry may begin beside so many others, with so
// many requests active.
func (b budget) allows(retries, active int64) bool {
	const ulps = 1e-9 // 29 % of 100 are 29
	return b.share == 1 || retries < max(int64(b.floor), int64(b.share*float64(active)+ulps))
}

// WithRetryBudget limits how many of the requests in flight in the pool may be
// retries at a time: the share of them, from 0 to 1, or floor if that is more;
// floor is 0 or more. Beyond it a retry fails with [ErrBudget]. Default 0.2 and
// 3, as Envoy's retry budget; a share of 1 lifts the limit, as in nginx.
//
// A retry is an attempt of a request that has had one ([Request.Tries]). Not
// counted is the attempt after one that its peer does not work on any more:
// after [Free], and after a connection that could not be made or that the peer
// broke ([Request.Dropped]). It adds no load, and a peer that dies must not cost
// requests. What is counted are attempts after a timeout, and after an answer
// that was refused, which come in storms when peers are overloaded.
//
// Requests in flight are the leases in hand, what waits in the queue, and the
// retry itself.
func WithRetryBudget(share float64, floor int) Option {
	return func(c *config) { c.budget = &budget{share, floor} }
}

// spendLocked takes the next attempt of r out of the budget, if it is one that
// counts. The caller holds mu.
func (p *Pool) spendLocked(v *view, r *Request) bool {
	if p.budget.share == 1 || r.dropped {
		return true
	}
	active := 1 + int64(p.queue.n)
	for _, b := range v.ranks {
		active += b.connsLocked()
	}
	if !p.budget.allows(p.retries.Load(), active) {
		p.overBudget++
		return false
	}
	p.retried++
	p.retries.Add(1)
	r.spent = true
	return true
}

// unspendLocked takes back what a retry that found no peer has spent. The caller
// holds mu.
func (p *Pool) unspendLocked(r *Request) {
	if r.spent {
		p.retried--
		p.refund(r)
	}
}

// refund ends a retry.
func (p *Pool) refund(r *Request) {
	r.spent = false
	p.retries.Add(-1)
}
