package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// queue is the requests that wait for a peer, in the order of their arrival. It
// is a value without a clock and without a lock.
type queue struct {
	limit      int   // how many may wait, 0 for no queue
	timeout    int64 // how long one may wait
	n          int
	head, tail *waiter
}

// waiter is one request in the queue. Its answer is set before ready is closed,
// once, by whoever takes it out of the queue.
type waiter struct {
	r          *Request
	deadline   int64
	prev, next *waiter
	queued     bool

	ready chan struct{}
	b     *Backend // the answer, or
	err   error
	warn  bool // not even a fresh request found a peer: to be logged
	wet   bool // one was found again: to be logged
}

// push lets w wait from now on, behind everybody else. It reports whether there
// was room.
func (q *queue) push(w *waiter, now int64) bool {
	if q.n >= q.limit {
		return false
	}
	w.deadline = now + q.timeout
	w.prev, w.queued = q.tail, true
	if q.tail == nil {
		q.head = w
	} else {
		q.tail.next = w
	}
	q.tail = w
	q.n++
	return true
}

// remove takes w out, from wherever it stands. It reports whether w was in.
func (q *queue) remove(w *waiter) bool {
	if !w.queued {
		return false
	}
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	q.n--
	return true
}

// late returns the first waiter if its time is over, or nil. All wait equally
// long, so nobody's time is over before the first one's.
func (q *queue) late(now int64) *waiter {
	if q.head == nil || now < q.head.deadline {
		return nil
	}
	return q.head
}

// WithQueue lets up to n requests at a time wait in [Pool.Pick] while the peers
// that could take them are at their [MaxConns], each for at most timeout (nginx:
// queue). n is 0 or more, the timeout above 0 where n is. Default 0: nobody
// waits, and Pick is [Pool.TryPick].
func WithQueue(n int, timeout time.Duration) Option {
	return func(c *config) { c.queue, c.queueTimeout = n, timeout }
}

// Pick chooses a backend for the next attempt of r, as [Pool.TryPick] at
// [Pool.Now]. In a pool that has a queue ([WithQueue]) it waits where TryPick
// would fail with [ErrBusy].
//
// The queue is served in the order of arrival: each place that a peer gives back
// is handed to the first request that can take it, and wakes only that one. A
// later request gets a peer first only when the earlier ones cannot use it,
// because they have tried it. No pick overtakes the queue, TryPick included.
// Waiting requests see every change of the membership, of limits and of health,
// also the end of a [FailTimeout].
//
// Pick fails with [ErrQueueFull] when there is no room to wait, with
// [ErrQueueTimeout] when the time is over, with [ErrNoPeer] as soon as every
// peer is out rather than full, and with an error that wraps ctx.Err() when ctx
// ends. A place that was handed over at that very moment is not lost: Pick
// then returns the lease. ctx matters only while Pick waits.
func (p *Pool) Pick(ctx context.Context, r *Request) (Lease, error) {
	l, w, err := p.pick(p.Now(), r, true)
	if w != nil {
		return p.await(ctx, w)
	}
	return l, err
}

// joinLocked puts r into the queue; if there is no room, the waiter is nil. The
// caller holds mu.
func (p *Pool) joinLocked(now int64, r *Request) *waiter {
	w := &waiter{r: r, ready: make(chan struct{})}
	if !p.queue.push(w, p.Now()) {
		p.queueFull++
		return nil
	}
	p.queued++
	// From here on a Done sees the waiter, or the look that follows sees the
	// place that the Done gave back.
	p.waiting.Add(1)
	if p.queue.n == 1 {
		p.stirLocked()
	}
	p.tendLocked(now)
	return w
}

// await waits for the answer to w.
func (p *Pool) await(ctx context.Context, w *waiter) (Lease, error) {
	select {
	case <-w.ready:
	case <-ctx.Done():
		p.mu.Lock()
		if w.queued {
			p.answerLocked(w, nil, fmt.Errorf("upstream: waiting for a peer: %w", ctx.Err()))
			p.calmLocked()
		}
		p.mu.Unlock()
	}
	if w.warn {
		p.log.Warn("no peer is eligible")
	}
	if w.err != nil {
		return Lease{}, w.err
	}
	if w.wet {
		p.log.Info("peers are eligible again", slog.String("backend", w.b.id))
	}
	w.r.mark(int(w.r.rank))
	return w.r.given(w.b), nil
}

// answerLocked takes w out of the queue with a peer or an error. The caller
// holds mu.
func (p *Pool) answerLocked(w *waiter, b *Backend, err error) {
	p.queue.remove(w)
	p.waiting.Add(-1)
	if err != nil {
		p.unspendLocked(w.r)
	}
	w.b, w.err = b, err
	close(w.ready)
}

// serveLocked hands to the waiters what there is for them, in order. Whoever
// has tried nothing can take any peer: when such a one finds none, nobody behind
// does, and only when somebody's standing has changed are those asked that the
// change may have left without a peer. The caller holds mu.
func (p *Pool) serveLocked(v *view, now int64) {
	none := false
	for w := p.queue.head; w != nil; {
		r, next := w.r, w.next
		if none && r.tries == 0 {
			w = next
			continue
		}
		r.see(v)
		hash, hops := r.hash, r.hops
		b, busy := p.chooseLocked(v, now, r)
		switch {
		case b != nil:
			p.beginLocked(b, now, r)
			w.wet, p.dry = p.dry, false
			p.answerLocked(w, b, nil)
		case !busy:
			w.warn = p.refuseLocked(r, false)
			p.answerLocked(w, nil, ErrNoPeer)
		default:
			r.hash, r.hops = hash, hops
			none = none || r.tries == 0
			if none && !p.stirred {
				return
			}
		}
		w = next
	}
}

// release is what the end of a lease does while somebody waits for it.
func (p *Pool) release(now int64) {
	p.mu.Lock()
	for _, d := range p.drains {
		d.lookLocked()
	}
	p.tendLocked(now)
	p.unlock()
}

// armLocked sets the alarm for the moment at which the first waiter has to give
// up or a peer comes back by itself. The caller holds mu.
func (p *Pool) armLocked(v *view, now int64) {
	at := p.queue.head.deadline
	for _, b := range v.ranks {
		if t := b.backLocked(); t > now && t < at {
			at = t
		}
	}
	d := time.Duration(at - p.Now())
	if p.alarm == nil {
		p.alarm = time.AfterFunc(d, p.ring)
		return
	}
	p.alarm.Reset(d)
}

// calmLocked stops the alarm when nobody waits any more. The caller holds mu.
func (p *Pool) calmLocked() {
	if p.queue.n == 0 && p.alarm != nil {
		p.alarm.Stop()
	}
}

// ring is the alarm, in a goroutine of its own. It serves before it turns away.
func (p *Pool) ring() {
	p.mu.Lock()
	now := p.Now()
	if p.queue.n > 0 {
		p.stirLocked()
		p.tendLocked(now)
	}
	gone := false
	for w := p.queue.late(now); w != nil; w = p.queue.late(now) {
		p.queueTimeout++
		p.answerLocked(w, nil, ErrQueueTimeout)
		gone = true
	}
	if p.queue.n == 0 {
		p.calmLocked()
	} else if gone {
		p.armLocked(p.view.Load(), now)
	}
	p.unlock()
}
