package vrrp

import (
	"bytes"
	"testing"
)

func TestInbox(t *testing.T) {
	q := newInbox()
	ready := func() bool {
		select {
		case <-q.ready:
			return true
		default:
			return false
		}
	}
	var p [inboxLen + 1]Packet
	if ready() || q.take(p[:]) != 0 || q.full() {
		t.Error("a new inbox is not empty")
	}
	// Around the ring a few times, in order, and what was taken stays.
	next, seen := byte(0), byte(0)
	for _, n := range []int{1, 5, inboxLen, 3, inboxLen, inboxLen - 1} {
		for range n {
			if !q.put([]byte{next, next}, lowPeer, self) {
				t.Fatal("put() found no room")
			}
			next++
		}
		if q.full() != (n == inboxLen) || q.put([]byte{255}, lowPeer, self) != (n != inboxLen) {
			t.Errorf("with %d packets full() = %v", n, q.full())
		}
		if !ready() || ready() {
			t.Error("not ready once")
		}
		got := q.take(p[:])
		if n < inboxLen {
			n++ // the 255
		}
		if got != n {
			t.Fatalf("take() = %d, want %d", got, n)
		}
		q.put([]byte("over it"), highPeer, self) // must not show in what was taken
		for _, p := range p[:n] {
			if p.Data[0] == 255 {
				continue
			}
			if !bytes.Equal(p.Data, []byte{seen, seen}) || p.From != lowPeer || p.To != self {
				t.Fatalf("took %v from %v to %v, want %d", p.Data, p.From, p.To, seen)
			}
			seen++
		}
		if q.take(p[:]) != 1 || !ready() {
			t.Error("the last packet is gone")
		}
	}
}
