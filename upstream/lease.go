package upstream

// Outcome says how an attempt ended, for the peer's passive health.
type Outcome uint8

const (
	// Success: the peer answered. It clears the peer's failures when its
	// fail_timeout window has rolled over since the last one. An answer that
	// makes a proxy turn to the next peer without blaming this one (nginx: 403
	// and 404) is a Success too.
	Success Outcome = iota
	// Failure is charged: no connection, a timeout, a reset, an invalid answer,
	// or a status that the caller retries as the peer's fault (nginx: 429, 500,
	// 502, 503, 504).
	Failure
	// Free: a kept connection turned out to be closed before the peer saw the
	// request. Nothing is charged, the attempt does not count, and the same
	// peer may be picked again.
	Free
	// Pass says nothing about the peer: the client went away, or the caller
	// gave the peer up for reasons of its own.
	Pass
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Free:
		return "free"
	case Pass:
		return "pass"
	}
	return "unknown"
}

// Lease is the right to send one attempt to one backend. It is a value: the
// zero Lease holds nothing. It stays valid when its backend is removed.
type Lease struct {
	b   *Backend
	r   *Request
	seq uint32
}

// Backend is the peer to send the attempt to; nil for the zero Lease.
func (l Lease) Backend() *Backend { return l.b }

// Headed notes that the head of the answer has come at time now on the clock of
// [Pool.Now]: it sets [Request.Headed], and tells [LeastTime] at once when it
// measures [ByHeader] the requests [Inflight]. It is optional. After the lease
// has ended it does nothing.
func (l Lease) Headed(now int64) {
	if r := l.r; r != nil && r.open == l.seq {
		r.Headed = now
		if h := l.b.pool.header; h != nil {
			h.headed(now, l.b, r)
		}
	}
}

// Done ends the attempt and must be called exactly once, at time now on the
// clock of [Pool.Now]. A further call, also through a copy of the Lease, is
// recognised and does nothing; that holds for calls made by whoever owns the
// [Request], not for two at the same moment.
func (l Lease) Done(now int64, o Outcome) {
	r := l.r
	if r == nil || r.open != l.seq {
		return
	}
	r.open = 0
	b := l.b
	if b.pool.watchers != nil {
		b.pool.watch(now, b, r, o)
	}
	if o != Success || b.gate.Load()&gateFailed != 0 {
		b.pool.settle(now, b, r, o)
	}
	r.Status, r.Headed = 0, 0
	if r.spent {
		b.pool.refund(r)
	}
	b.ended.Add(1)
	if b.pool.waiting.Load() != 0 {
		b.pool.release(now)
	}
}
