package vrrp

import (
	"net/netip"
	"sync"
)

// inboxLen is how many packets wait in an inbox.
const inboxLen = 32

// inbox is the bounded queue between a goroutine that reads packets and a
// router that takes them. Its buffers grow to the largest packet and are reused.
type inbox struct {
	ready chan struct{} // capacity 1: something was put in

	mu    sync.Mutex // guards slots, first, n
	slots [inboxLen]Packet
	first int
	n     int
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

// put adds a copy of data; false when the inbox is full.
func (q *inbox) put(data []byte, from, to netip.AddrPort) bool {
	q.mu.Lock()
	ok := q.n < inboxLen
	if ok {
		p := &q.slots[(q.first+q.n)%inboxLen]
		p.Data, p.From, p.To = append(p.Data[:0], data...), from, to
		q.n++
	}
	q.mu.Unlock()
	q.signal()
	return ok
}

// full reports whether put would fail.
func (q *inbox) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n == inboxLen
}

// take moves packets out by exchanging them, and returns how many.
func (q *inbox) take(packets []Packet) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(q.n, len(packets))
	for i := range n {
		packets[i], q.slots[q.first] = q.slots[q.first], packets[i]
		q.first = (q.first + 1) % inboxLen
	}
	q.n -= n
	return n
}

// signal makes ready have a value.
func (q *inbox) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
