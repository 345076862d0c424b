package vrrp

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Speaker is another speaker of the virtual router, as its last good advert
// showed it; see [Status].
type Speaker struct {
	Addr     netip.AddrPort `json:"addr"`
	Priority uint8          `json:"priority"`
	Interval time.Duration  `json:"advertise-interval"`
	Checksum Checksum       `json:"checksum"` // the form it uses; "auto" where there is only one
	Signed   bool           `json:"signed"`   // with an HMAC trailer that was right
}

// speakers remembers those heard lately: every unicast peer, or minMarks of a
// group. Its methods may be called by any goroutine.
type speakers struct {
	mu    sync.Mutex // guards everything below
	slots []speaker
	room  int
	clock uint64
}

type speaker struct {
	Speaker
	used uint64
}

// grow makes room for as many peers.
func (s *speakers) grow(peers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = max(s.room, peers, minMarks)
}

// keep forgets who is not among the peers.
func (s *speakers) keep(peers []listed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots = slices.DeleteFunc(s.slots, func(k speaker) bool {
		return !slices.ContainsFunc(peers, func(l listed) bool { return l.id == k.Addr })
	})
}

// note remembers a good advert. Where there is no room, who was heard longest
// ago gives way.
func (s *speakers) note(from netip.AddrPort, a *Advert, signed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := -1
	for i := range s.slots {
		if s.slots[i].Addr == from {
			slot = i
			break
		}
		if slot < 0 || s.slots[i].used < s.slots[slot].used {
			slot = i
		}
	}
	if len(s.slots) < s.room && (slot < 0 || s.slots[slot].Addr != from) {
		slot = len(s.slots)
		s.slots = append(s.slots, speaker{})
	}
	s.clock++
	s.slots[slot] = speaker{Speaker{from, a.Priority, a.Interval, a.Checksum, signed}, s.clock}
}

// list returns them in the order of their addresses.
func (s *speakers) list() []Speaker {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Speaker, len(s.slots))
	for i := range s.slots {
		out[i] = s.slots[i].Speaker
	}
	slices.SortFunc(out, func(a, b Speaker) int { return a.Addr.Compare(b.Addr) })
	return out
}
