package upstream

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// Maglev places requests by [Request.Key] over a table of 65537 slots that
// every peer fills in an order of its own, in proportion to the weights. It is
// quicker than [HashConsistent] and spreads the keys more evenly; when a
// backend comes or goes, a few of the others' keys move with those that have to.
// Requests without a key go by [RoundRobin], and so do those of a tier with a
// single peer.
//
// The table depends on the addresses and weights alone, not on the order in which
// the backends came, their ids or the process: instances with the same backends
// agree on every key. Of backends with the same address the ids tell which is
// which.
//
// A peer that cannot take the request sends it to another slot of the key, 20
// times at most in the life of the request; after that it goes by [RoundRobin]. So
// the keys of a peer that is out spread over all others and come back with it,
// while no other key moves. A retry goes on from where the last attempt went.
//
// The table takes 128 kilobytes for the primaries and as much for the backups,
// and is made anew, in milliseconds, with every change of the membership. A peer
// that has less than about a 65537th of the weights may be left without a slot.
//
// The construction is that of Eisenbud and others, Maglev: A Fast and Reliable
// Software Network Load Balancer, section 3.4, with the hashes of this package.
func Maglev() Balancer { return Balancer{"maglev", maglev{}} }

type maglev struct{}

func (maglev) steady() bool { return true }

func (maglev) build(peers []*Backend) any { return newSlots(peers) }

func (m maglev) pick(t *tier, now int64, r *Request, retry bool) (int, bool) {
	return m.place(t, now, r, retry, 0)
}

func (maglev) place(t *tier, now int64, r *Request, retry bool, l limit) (int, bool) {
	if len(t.peers) < 2 || len(r.Key) == 0 {
		return roundRobin{}.pick(t, now, r, retry)
	}
	s := t.table.(*slots)
	_, hops, missed := r.trail(t, retry)
	key := hash64(r.Key)
	if hops > 0 {
		if at := s.at(key, hops-1); t.takes(at, now, r, retry, l) {
			return at, false
		}
	}
	for ; missed < maxMisses; missed++ {
		at := s.at(key, hops)
		hops++
		if t.takes(at, now, r, retry, l) {
			r.hops, r.missed = hops, missed
			return at, false
		}
	}
	return astray(t, now, r, retry, l)
}

// numSlots is a prime, so that every step visits all slots.
const numSlots = 65537

// slots says which peer has a slot.
type slots [numSlots]uint16

// maxSlotted is how many peers a slot can tell apart.
const maxSlotted = 1 << 16

// at returns the peer at place n of a key.
func (s *slots) at(key uint64, n uint32) int {
	if n > 0 {
		key = mix(key+uint64(n), factor2)
	}
	slot, _ := bits.Mul64(key, numSlots)
	return int(s[slot])
}

func newSlots(peers []*Backend) *slots {
	if len(peers) < 2 {
		return nil // nobody asks
	}
	s := new(slots)
	type walker struct {
		peer       uint16
		weight     int64
		credit     int64
		next, skip uint32 // the slot that it wants, and the step from there
	}
	order := make([]int, len(peers))
	var heaviest int64
	for i, b := range peers {
		order[i] = i
		heaviest = max(heaviest, int64(b.spec.weight))
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := peers[i], peers[j]
		return cmp.Or(cmp.Compare(a.spec.address, b.spec.address), cmp.Compare(a.id, b.id))
	})
	order = order[:min(len(order), maxSlotted)]
	walkers := make([]walker, len(order))
	twins := uint64(0) // the number among those of one address
	for n, i := range order {
		b := peers[i]
		if n > 0 && peers[order[n-1]].spec.address == b.spec.address {
			twins++
		} else {
			twins = 0
		}
		name := hash64([]byte(b.spec.address)) + twins
		walkers[n] = walker{
			peer:   uint16(i),
			weight: int64(b.spec.weight),
			next:   uint32(mix(name, factor1) % numSlots),
			skip:   uint32(mix(name, factor2)%(numSlots-1)) + 1,
		}
	}

	// In every round the heaviest take a slot, and another peer whenever its
	// weights of the rounds add up to the heaviest.
	var taken [numSlots]bool
	for left := numSlots; ; {
		for i := range walkers {
			w := &walkers[i]
			if w.credit += w.weight; w.credit < heaviest {
				continue
			}
			w.credit -= heaviest
			for taken[w.next] {
				if w.next += w.skip; w.next >= numSlots {
					w.next -= numSlots
				}
			}
			taken[w.next] = true
			s[w.next] = w.peer
			if left--; left == 0 {
				return s
			}
		}
	}
}

const (
	factor1 = 0x9e3779b97f4a7c15
	factor2 = 0xd6e8feb86659fd93
)

// hash64 hashes a key, eight bytes at a time, each folded in by a long
// multiplication. It is the same in every process and on every platform.
func hash64(key []byte) uint64 {
	h := uint64(len(key)) * factor2
	for len(key) >= 8 {
		h = mix(h^binary.LittleEndian.Uint64(key), factor1)
		key = key[8:]
	}
	var tail uint64
	for i, c := range key {
		tail |= uint64(c) << (8 * i)
	}
	return mix(mix(h^tail, factor1), factor2)
}

// mix multiplies and folds the upper half of the product onto the lower.
func mix(h, factor uint64) uint64 {
	high, low := bits.Mul64(h, factor)
	return high ^ low
}
