package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// sequence is the 64-bit number of a signed advert: seconds, 1/65536 s, and a
// counter, so one unit is 2^-32 s. It is compared by serial arithmetic, which
// survives the wrap of the seconds in 2106.
type sequence uint64

// sequenceAt is the sequence of a moment, with the counter 0.
func sequenceAt(t time.Time) sequence {
	return sequence(uint32(t.Unix()))<<32 | sequence(int64(t.Nanosecond())<<16/1e9)<<16
}

// sequenceSpan is a span in units of sequence.
func sequenceSpan(d time.Duration) sequence {
	return sequence(d/time.Second)<<32 | sequence(d%time.Second<<32/time.Second)
}

// time is the moment of a sequence, before the seconds wrap.
func (s sequence) time() time.Time {
	return time.Unix(int64(s>>32), int64(s>>16&0xffff)*1e9>>16).UTC()
}

// newer reports whether s comes after t.
func (s sequence) newer(t sequence) bool { return int64(s-t) > 0 }

// distance is how far apart two sequences are.
func (s sequence) distance(t sequence) sequence { return min(s-t, t-s) }

// marks remembers the last verified sequence of a bounded number of speakers;
// the one that was heard longest ago gives way.
type marks struct {
	slots []mark
	clock uint64
}

type mark struct {
	from netip.AddrPort
	seq  sequence
	used uint64 // 0: free
}

// minMarks is how many speakers are remembered where they are not listed.
const minMarks = 16

func newMarks(peers int) marks { return marks{slots: make([]mark, max(minMarks, peers))} }

// grow makes room for as many peers.
func (m *marks) grow(peers int) {
	if n := peers - len(m.slots); n > 0 {
		m.slots = append(slices.Clip(m.slots), make([]mark, n)...)
	}
}

// keep forgets who is not among the peers.
func (m *marks) keep(peers []listed) {
	for i := range m.slots {
		if !slices.ContainsFunc(peers, func(l listed) bool { return l.id == m.slots[i].from }) {
			m.slots[i] = mark{}
		}
	}
}

// find returns the mark of a speaker, or nil.
func (m *marks) find(from netip.AddrPort) *mark {
	for i := range m.slots {
		if s := &m.slots[i]; s.used != 0 && s.from == from {
			return s
		}
	}
	return nil
}

// set moves the mark of a speaker.
func (m *marks) set(from netip.AddrPort, seq sequence) {
	slot := m.find(from)
	if slot == nil {
		slot = &m.slots[0]
		for i := range m.slots {
			if m.slots[i].used < slot.used {
				slot = &m.slots[i]
			}
		}
	}
	m.clock++
	*slot = mark{from, seq, m.clock}
}
