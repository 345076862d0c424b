package notify

import "sync"

// Limit is the number of events that wait without loss.
const Limit = 1024

// Queue is an ordered queue of events between those who push and one callback.
// It works in a synctest bubble: an idle Run is durably blocked.
type Queue[E any, S comparable] struct {
	subject func(E) S
	deliver func(E)

	mu        sync.Mutex // guards everything below
	wake      sync.Cond  // for Run: an event or the close
	head      *node[E, S]
	tail      *node[E, S]
	free      *node[E, S] // spent nodes
	spare     int         // length of free, at most Limit
	length    int
	past      map[S]*node[E, S] // the event of each subject pushed past the limit
	coalesced uint64
	closed    bool
}

// node is one waiting event.
type node[E any, S comparable] struct {
	event      E
	subject    S
	past       bool // pushed past the limit: in Queue.past
	prev, next *node[E, S]
}

// New returns an empty queue and starts nothing. subject names what an event is
// about and must not call the queue; deliver is called by [Queue.Run] only, may
// call any method of the queue, and may block for as long as it likes.
func New[E any, S comparable](subject func(E) S, deliver func(E)) *Queue[E, S] {
	q := &Queue[E, S]{subject: subject, deliver: deliver}
	q.wake.L = &q.mu
	return q
}

// Push adds e. It never blocks, and does not allocate once the queue has been
// as long as it is now. After [Queue.Close] it does nothing.
func (q *Queue[E, S]) Push(e E) {
	s := q.subject(e)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	n := q.lockedNode()
	n.event, n.subject = e, s
	if q.length >= Limit {
		n.past = true
		if old := q.past[s]; old != nil {
			q.lockedRemove(old)
			q.coalesced++
		}
		if q.past == nil {
			q.past = make(map[S]*node[E, S])
		}
		q.past[s] = n
	}
	n.prev = q.tail
	if q.tail == nil {
		q.head = n
	} else {
		q.tail.next = n
	}
	q.tail = n
	q.length++
	q.wake.Signal()
}

// Run delivers events until the queue is closed and empty. The owner runs it in
// one goroutine and joins that after [Queue.Close]; it must not run twice at a
// time. Nothing else ends it, so a parting event is never lost.
func (q *Queue[E, S]) Run() {
	for {
		e, ok := q.next()
		if !ok {
			return
		}
		q.deliver(e)
	}
}

// Drain delivers the events that wait, and returns when there is none: for an
// owner that starts a goroutine when there is something to deliver. Neither Run
// nor Drain must run twice at a time.
func (q *Queue[E, S]) Drain() {
	for {
		q.mu.Lock()
		e, ok := q.lockedTake()
		q.mu.Unlock()
		if !ok {
			return
		}
		q.deliver(e)
	}
}

// next takes the oldest event, waiting for one; false when there will be none.
func (q *Queue[E, S]) next() (e E, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == nil && !q.closed {
		q.wake.Wait()
	}
	return q.lockedTake()
}

// lockedTake takes the oldest event; false when there is none. q.mu is held.
func (q *Queue[E, S]) lockedTake() (e E, ok bool) {
	n := q.head
	if n == nil {
		return e, false
	}
	e = n.event
	if n.past {
		delete(q.past, n.subject)
	}
	q.lockedRemove(n)
	return e, true
}

// Close refuses further events and lets [Queue.Run] return once it has
// delivered those that wait. It does not wait for that. Idempotent.
func (q *Queue[E, S]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Broadcast()
}

// Len returns the number of events that wait, without the one being delivered.
func (q *Queue[E, S]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// Coalesced returns the number of events that a later one of the same subject
// has replaced since New.
func (q *Queue[E, S]) Coalesced() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.coalesced
}

// lockedNode returns a node to fill; q.mu is held.
func (q *Queue[E, S]) lockedNode() *node[E, S] {
	n := q.free
	if n == nil {
		return new(node[E, S])
	}
	q.free, n.next = n.next, nil
	q.spare--
	return n
}

// lockedRemove unlinks n and keeps it for reuse; q.mu is held.
func (q *Queue[E, S]) lockedRemove(n *node[E, S]) {
	if n.prev == nil {
		q.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		q.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	q.length--
	*n = node[E, S]{} // drops what the event refers to
	if q.spare < Limit {
		n.next, q.free = q.free, n
		q.spare++
	}
}
