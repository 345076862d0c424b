package ratelimit

import (
	"math/bits"
	"runtime"
	"sync/atomic"
)

// table is a set-associative map of fixed size from fingerprints to words. A key may stand in either of two buckets of
// four slots, one cache line each, so that every operation costs a bounded number of steps and a table filled to a half
// hardly ever runs out of room. It holds no pointers, so the garbage collector does not read it.
//
// Words change by compare-and-swap. A slot changes hands while its word is the mark claimed, which only one goroutine
// can have set and which no other may use. Whoever claims a slot looks for the same key in the other slots before it
// publishes its word, and kills an unfinished claim that it finds there: so a key never has two words, and a goroutine
// that was stopped in the middle holds nobody up.
type table struct {
	slots   []slot
	buckets uint64
	debt    func(state uint64, now uint32) uint32 // what dropping the word would forget: 0 nothing, pinned never

	_ [64]byte // what follows changes, what is above is read by everyone

	used      atomic.Int64  // slots that hold a key
	added     atomic.Uint64 // keys that got a slot
	reclaimed atomic.Uint64 // ... of a key that had nothing to lose
	displaced atomic.Uint64 // ... of a key that had
}

// slot is one key: its fingerprint (0: empty) and its word.
type slot struct {
	print, state atomic.Uint64
}

const (
	ways      = 4
	slotBytes = 16

	claimed = ^uint64(0) - 1 // the slot changes hands
	killed  = ^uint64(0)     // and its new owner has to start again
	pinned  = ^uint32(0)
)

func newTable(slots int, debt func(uint64, uint32) uint32) table {
	n := (slots + ways - 1) / ways
	return table{slots: make([]slot, n*ways), buckets: uint64(n), debt: debt}
}

// places returns the first slots of the key's two buckets, which differ.
func (t *table) places(print uint64) (home, away uint64) {
	home, _ = bits.Mul64(print, t.buckets)
	away, _ = bits.Mul64(bits.RotateLeft64(print, 32), t.buckets)
	if away == home {
		if away++; away == t.buckets {
			away = 0
		}
	}
	return home * ways, away * ways
}

func (t *table) bucket(at uint64) *[ways]slot { return (*[ways]slot)(t.slots[at : at+ways]) }

// find returns the key's slot and its word, or -1.
func (t *table) find(print uint64) (int, uint64) {
	home, away := t.places(print)
	if i, state := t.scan(home, print); i >= 0 {
		return i, state
	}
	return t.scan(away, print)
}

func (t *table) scan(at, print uint64) (int, uint64) {
	b := t.bucket(at)
	for i := range b {
		if b[i].print.Load() == print {
			// A word that is read before the print says so is the key's, and so is a swap of that very word.
			if state := b[i].state.Load(); state < claimed && b[i].print.Load() == print {
				return int(at) + i, state
			}
		}
	}
	return -1, 0
}

type inserted uint8

const (
	again inserted = iota // somebody was faster: look the key up again
	done                  // the key has the word
	full                  // every slot it could have is pinned
)

// patience is how often an insert steps back for another of the same key before it takes a slot of its own.
const patience = 8

// insert gives a key that find did not find a slot with the given word.
func (t *table) insert(print, state uint64, now uint32) (int, inserted) {
	i, was, debt := t.choose(print, now, true)
	for try := 1; i < 0; try++ {
		if debt == pinned {
			return -1, full
		}
		runtime.Gosched()
		if found, _ := t.find(print); found >= 0 {
			return -1, again
		}
		i, was, debt = t.choose(print, now, try < patience)
	}
	s := &t.slots[i]
	if !s.state.CompareAndSwap(was.state, claimed) {
		return -1, again
	}
	if s.print.Load() != was.print { // another key came since, with an equal word: give it back
		if !s.state.CompareAndSwap(claimed, was.state) {
			t.clear(s)
		}
		return -1, again
	}
	s.print.Store(print)
	if was.print == 0 {
		t.used.Add(1)
	}
	if t.rival(print, i) || !s.state.CompareAndSwap(claimed, state) {
		t.clear(s)
		return -1, again
	}
	t.added.Add(1)
	if was.print != 0 && debt == 0 {
		t.reclaimed.Add(1)
	} else if was.print != 0 {
		t.displaced.Add(1)
	}
	return i, done
}

// clear empties a slot whose word is a mark that the caller set.
func (t *table) clear(s *slot) {
	if s.print.Load() != 0 {
		t.used.Add(-1)
	}
	s.print.Store(0)
	s.state.Store(0)
}

// content is what a slot held when it was chosen.
type content struct{ print, state uint64 }

// choose returns the slot that a new key takes: a free one at home, unless the other bucket is emptier and home nearly
// full; otherwise the one with the least debt. Free is an empty slot, or one with a word that has nothing to lose. It
// returns -1 when there is none, with the debt pinned, and when all are changing hands or, if polite, one is just being
// taken for the same key.
func (t *table) choose(print uint64, now uint32, polite bool) (at int, was content, debt uint32) {
	home, away := t.places(print)
	var free, slot [2]int
	var held [2]content
	at, debt = -1, pinned
	wait := false
	for side, base := range [2]uint64{home, away} {
		b := t.bucket(base)
		for i := range b {
			p, state := b[i].print.Load(), b[i].state.Load()
			if state >= claimed {
				if polite && p == print {
					return -1, content{}, 0
				}
				wait = true
				continue
			}
			d := uint32(0)
			if p != 0 {
				d = t.debt(state, now)
			}
			if d == 0 {
				if free[side]++; free[side] == 1 || p == 0 && held[side].print != 0 {
					slot[side], held[side] = int(base)+i, content{p, state}
				}
			} else if d < debt {
				at, was, debt = int(base)+i, content{p, state}, d
			}
		}
	}
	switch {
	case free[0] >= ways-1, free[0] > 0 && free[0] >= free[1]:
		return slot[0], held[0], 0
	case free[1] > 0:
		return slot[1], held[1], 0
	case at < 0 && wait:
		debt = 0
	}
	return at, was, debt
}

// rival reports whether the key stands in a slot other than mine. It kills a claim that is not published.
func (t *table) rival(print uint64, mine int) bool {
	home, away := t.places(print)
	for _, base := range [2]uint64{home, away} {
		b := t.bucket(base)
		for i := range b {
			s := &b[i]
			if int(base)+i == mine {
				continue
			}
			for s.print.Load() == print {
				state := s.state.Load()
				if state == killed || state == claimed && s.state.CompareAndSwap(claimed, killed) {
					break
				}
				if state != claimed && s.print.Load() == print {
					return true
				}
			}
		}
	}
	return false
}

// drop empties a slot whose content is still what it was.
func (t *table) drop(i int, was content) {
	s := &t.slots[i]
	if s.state.CompareAndSwap(was.state, claimed) {
		if s.print.Load() == was.print || !s.state.CompareAndSwap(claimed, was.state) {
			t.clear(s)
		}
	}
}
