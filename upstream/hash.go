package upstream

import "hash/crc32"

// Hash is nginx's hash KEY: the CRC-32 of [Request.Key] picks one of the shares
// of weight, in configured order, as Cache::Memcached does. Requests without a
// key go by [RoundRobin], and so do those of a tier with a single peer.
//
// A peer that cannot take the request sends it on: the key is hashed again with
// the number of the attempt before it, 20 times at most in the life of the
// request; after that it goes by [RoundRobin]. A retry goes on from where the
// last attempt went, or returns there if that one ended with [Free]. A peer that
// is out, even one that is [Down], keeps its shares, so nothing moves between
// the others; a change of weights or of the membership moves almost every key:
// see [HashConsistent] and [Maglev].
func Hash() Balancer { return Balancer{"hash", keyHash{}} }

type keyHash struct{}

func (keyHash) steady() bool { return true }

func (keyHash) build(peers []*Backend) any { return newShares(peers) }

func (h keyHash) pick(t *tier, now int64, r *Request, retry bool) (int, bool) {
	return h.place(t, now, r, retry, 0)
}

func (keyHash) place(t *tier, now int64, r *Request, retry bool, l limit) (int, bool) {
	if len(t.peers) < 2 || len(r.Key) == 0 {
		return roundRobin{}.pick(t, now, r, retry)
	}
	s := t.table.(*shares)
	hash, hops, missed := r.trail(t, retry)
	if hops > 0 {
		if at := s.at(hash); t.takes(at, now, r, retry, l) {
			return at, false
		}
	}
	for ; missed < maxMisses; missed++ {
		hash += rehash(r.Key, hops)
		hops++
		if at := s.at(hash); t.takes(at, now, r, retry, l) {
			r.hash, r.hops, r.missed = hash, hops, missed
			return at, false
		}
	}
	return astray(t, now, r, retry, l)
}

// rehash is what round n adds to the hash of a key: the upper 15 bits, less the
// sign, of the CRC-32 of the key behind the decimal n, which round 0 omits.
func rehash(key []byte, n uint32) uint32 {
	var c uint32
	if n > 0 {
		c = crcDecimal(n)
	}
	return crc32.Update(c, crc32.IEEETable, key) >> 16 & 0x7fff
}

// crcDecimal is the CRC-32 of a number in decimal, digit by digit: what is given
// to package crc32 goes to the heap.
func crcDecimal(n uint32) uint32 {
	unit := uint32(1)
	for n/unit >= 10 {
		unit *= 10
	}
	c := ^uint32(0)
	for ; unit > 0; unit /= 10 {
		c = crc32.IEEETable[byte(c)^byte('0'+n/unit%10)] ^ c>>8
	}
	return ^c
}

// maxMisses is how many places of one request may lead to peers that cannot
// take it before chance takes over (nginx: 20 are forgiven).
const maxMisses = 21

// placer is a picker that leads a request along places which a hash of it gives.
type placer interface {
	picker
	builder
	// place is pick, passing over peers beyond the limit.
	place(t *tier, now int64, r *Request, retry bool, l limit) (at int, busy bool)
}

// trail returns where r goes on in t: where its last attempt went, or the
// beginning when none was made among these peers. A picker writes it back only
// with a choice, so that a request which found nobody, and waits, begins at the
// peer that its hash means.
func (r *Request) trail(t *tier, retry bool) (hash, hops uint32, missed uint8) {
	if !retry || r.tier != t.level {
		return 0, 0, 0
	}
	return r.hash, r.hops, r.missed
}

// takes reports whether the peer can have the request. The caller holds the
// pool's mu.
func (t *tier) takes(at int, now int64, r *Request, retry bool, l limit) bool {
	if retry && r.has(t.base+at) {
		return false
	}
	b := t.peers[at]
	if g := b.gate.Load(); g&gatePick != 0 && b.admit(g, now) != yes {
		return false
	}
	return l == 0 || l.room(b)
}

// astray chooses for a request whose places lead nowhere, now and in its further
// attempts: round robin, or where load is limited the peer that carries least,
// which is within the limit if any is.
func astray(t *tier, now int64, r *Request, retry bool, l limit) (at int, busy bool) {
	if l == 0 {
		at, busy = roundRobin{}.pick(t, now, r, retry)
	} else {
		at, busy = leastConn{}.pick(t, now, r, retry)
	}
	if at >= 0 {
		r.hash, r.hops, r.missed = 0, 0, maxMisses
	}
	return at, busy
}

// shares is where the weights of a tier end, one after the other in configured
// order. Peers that are out have theirs.
type shares struct {
	ends  []uint64
	total uint64
}

func newShares(peers []*Backend) *shares {
	s := &shares{ends: make([]uint64, len(peers))}
	for i, b := range peers {
		s.total += uint64(b.spec.weight)
		s.ends[i] = s.total
	}
	return s
}

// at returns the peer that has share hash mod total. There must be a peer.
func (s *shares) at(hash uint32) int {
	w := uint64(hash)
	if s.total <= uint64(^uint32(0)) {
		w = uint64(hash % uint32(s.total)) // the short division
	}
	low, high := 0, len(s.ends)
	for low < high {
		if mid := int(uint(low+high) >> 1); s.ends[mid] > w {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}
