package ratelimit

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// ConnZone counts what is in progress per key, connections or requests, and refuses what exceeds the limit: nginx's
// limit_conn_zone and limit_conn in one. It takes 32 bytes for each key of its capacity, at once, and 8 bytes for each
// slot that was ever held at the same time. All methods may be used by many goroutines at once, and take no lock.
//
// A key with a slot is never displaced. When a new key finds all its places taken by such keys, it is refused, while
// the others go on; at the capacity this meets about one key in fifty thousand.
type ConnZone[K Key] struct {
	conns
	hasher
}

// conns is a zone without its key type. A word is the number of the insertion, which tells one stay of a key from the
// next, and in the low 16 bits the slots that are held.
type conns struct {
	table
	tickets
	name  string
	limit uint64
	stays atomic.Uint64 // insertions

	counts [8]connCount // striped by key
}

type connCount struct {
	acquired, released, refused, full atomic.Uint64
	_                                 [32]byte
}

const countBits = 16

// NewConnZone returns a zone that lets each key hold limit slots at a time, from 1 to 65,535. Errors name the value
// that is wrong; all are reported.
func NewConnZone[K Key](limit int, opts ...ZoneOption) (*ConnZone[K], error) {
	c, err := newZoneConfig[K](opts)
	var errs []error
	if limit < 1 || limit >= 1<<countBits {
		errs = append(errs, fmt.Errorf("ratelimit: zone %q: limit %d: must be from 1 to 65535", c.name, limit))
	}
	if c.hasBase {
		errs = append(errs, fmt.Errorf("ratelimit: zone %q: WithBase is for zones that have a clock", c.name))
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	z := &ConnZone[K]{hasher: newHasher(c.prefix4, c.prefix6)}
	z.name, z.limit = c.name, uint64(limit)
	z.table = newTable(c.slots(), holding)
	return z, nil
}

// holding is a connection zone's measure of a word for [table.choose].
func holding(state uint64, _ uint32) uint32 {
	if state&(1<<countBits-1) != 0 {
		return pinned
	}
	return 0
}

// Name returns the zone's name.
func (z *ConnZone[K]) Name() string { return z.name }

// Limit returns how many slots a key can hold.
func (z *ConnZone[K]) Limit() int { return int(z.limit) }

// Slot is the right to be in progress, as [ConnZone.Acquire] gives it. It is a value: copies stand for the same slot.
// The zero Slot stands for none.
type Slot struct {
	zone  *conns
	token uint64
}

// Acquire takes a slot for the key, to be released when what it counts is over, or returns false when the key holds as
// many as the limit, or when there is no place for a new key. An empty key (see [Key]) is not limited: it gets the zero
// Slot.
func (z *ConnZone[K]) Acquire(key K) (Slot, bool) {
	print, ok := fingerprint(&z.hasher, key)
	if !ok {
		return Slot{}, true
	}
	return z.conns.acquire(print)
}

// Release gives a slot back by its token, once: it reports whether it did. A token that was released before, or is
// none, changes nothing.
func (z *ConnZone[K]) Release(token uint64) bool { return z.conns.release(token) }

// Token returns the slot in the form that [ConnZone.Release] takes, 0 for the zero Slot: a number to carry where no
// value of this package can be carried.
func (s Slot) Token() uint64 { return s.token }

// Release gives the slot back. Only the first Release of a slot does, through whichever copy.
func (s Slot) Release() {
	if s.zone != nil {
		s.zone.release(s.token)
	}
}

func (z *conns) count(print uint64) *connCount { return &z.counts[print>>61] }

func (z *conns) acquire(print uint64) (Slot, bool) {
	i, ok := z.enter(print)
	if !ok {
		return Slot{}, false
	}
	token := z.take(uint32(i))
	if token == 0 {
		z.leave(uint32(i))
		z.count(print).full.Add(1)
		return Slot{}, false
	}
	z.count(print).acquired.Add(1)
	return Slot{z, token}, true
}

// enter raises the key's count and returns its slot in the table.
func (z *conns) enter(print uint64) (int, bool) {
	for {
		i, state := z.find(print)
		if i < 0 {
			i, result := z.insert(print, z.stays.Add(1)<<countBits|1, 0)
			switch result {
			case done:
				return i, true
			case full:
				z.count(print).full.Add(1)
				return -1, false
			}
			continue
		}
		if state&(1<<countBits-1) >= z.limit {
			z.count(print).refused.Add(1)
			return -1, false
		}
		if z.slots[i].state.CompareAndSwap(state, state+1) {
			return i, true
		}
	}
}

// leave lowers a count that enter raised. The slot in the table is still the key's: a count keeps it.
func (z *conns) leave(i uint32) uint64 {
	s := &z.slots[i]
	print := s.print.Load()
	s.state.Add(^uint64(0))
	return print
}

func (z *conns) release(token uint64) bool {
	i, ok := z.give(token)
	if ok {
		z.count(z.leave(i)).released.Add(1)
	}
	return ok
}
