package vrrp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
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

// One signature for all peers, a checksum for each.
func TestSenderSignsOnce(t *testing.T) {
	link := newFake().link
	link.local, link.peers = authFrom, nil
	for i := range 3 {
		link.peers = append(link.peers, netip.AddrPortFrom(authTo.Addr().Next(), uint16(1000+i)), netip.AddrPortFrom(authTo.Addr(), uint16(1000+i)))
	}
	auth, _ := authPair(5 * time.Second)
	s := &sender{link: link, self: authFrom, family: IPv4, auth: auth, advert: Advert{VRID: 51, Addrs: addrsOf(vips4)}}
	for range 2 { // the buffers are used again
		packets := s.build(150, time.Second, wall0)
		if len(packets) != len(link.peers) {
			t.Fatalf("%d packets for %d peers", len(packets), len(link.peers))
		}
		for i, p := range packets {
			n := messageLen(p.Data, IPv4)
			var a Advert
			if err := a.Parse(p.Data[:n], p.From.Addr(), p.To.Addr()); err != nil || a.Priority != 150 || p.To != link.peers[i] || p.From != authFrom {
				t.Errorf("packet %d to %v: %+v, %v", i, p.To, a, err)
			}
			if !bytes.Equal(p.Data[n:], packets[0].Data[n:]) {
				t.Errorf("packet %d has a trailer of its own", i)
			}
		}
	}
	_, receiver := authPair(5 * time.Second)
	p := s.build(0, time.Second, wall0)[5]
	if why := receiver.verify(p.Data, messageLen(p.Data, IPv4), authFrom, wall0); why != 0 {
		t.Errorf("the last copy is dropped: %v", why)
	}
}
