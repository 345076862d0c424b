package vrrp

import "sync"

// notices holds what an AddressManager and an Announcer say until the router
// takes it: the latest of each kind, and how many there were.
type notices struct {
	mu    sync.Mutex // guards everything below
	open  bool       // somebody is there to take them
	asked bool       // and knows that there are some
	box   *noticeBox // nil: empty
}

type noticeBox struct {
	n    [addressEvents]uint64
	last [addressEvents]AddressEvent
}

// post adds a notice. It reports whether somebody has to be asked to take it.
func (n *notices) post(ev AddressEvent) (ask bool) {
	if ev.Kind >= addressEvents {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.box == nil {
		n.box = new(noticeBox)
	}
	n.box.n[ev.Kind]++
	n.box.last[ev.Kind] = ev
	ask = n.open && !n.asked
	n.asked = n.asked || ask
	return ask
}

// take returns what has come, or nil.
func (n *notices) take() *noticeBox {
	n.mu.Lock()
	defer n.mu.Unlock()
	box := n.box
	n.box, n.open, n.asked = nil, true, false
	return box
}

// noticed takes the notices, on the engine's goroutine.
func (s *session) noticed() {
	box := s.notices.take()
	if box == nil {
		return
	}
	count, last := &box.n, &box.last
	if n := count[AddressConflict]; n > 0 {
		s.r.mu.Lock()
		s.r.stats.AddressConflicts += n
		s.r.mu.Unlock()
		if ev := last[AddressConflict]; due(&s.talk.complaints().conflict, s.engine.now()) {
			s.log.Warn("another host holds a virtual address", "addr", ev.Addr, "err", ev.Err)
		}
	}
	if ev := last[AddressLost]; count[AddressLost] > 0 && s.machine.state == Active {
		s.log.Error("a virtual address was taken away", "addr", ev.Addr, "err", ev.Err)
		s.tell(event{kind: evFault, fault: faultAddresses, retry: true}, ev.Err)
	}
	if count[AddressRestored] > 0 {
		s.tell(event{kind: evNeighbors}, nil)
	}
}
