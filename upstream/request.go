package upstream

import (
	"net/netip"
	"slices"
)

// Request is what a balancer may know of one request, and the memory that its
// retries share: which peers were tried, and whether the backups are in use.
// The zero value is ready. It is meant to be embedded in a pooled object and
// reset between requests.
//
// Most balancers place requests without looking at them: only [Sticky] reads
// Sticky, and none reads Key, Addr and Safe.
//
// A Request serves one attempt at a time: [Pool.TryPick] refuses a Request
// whose last [Lease] has not been ended. It is not safe for concurrent use and
// must not be copied or given to another request while a lease is in hand.
type Request struct {
	// Key is the bytes that hashing balancers place the request by. The pool
	// neither keeps nor changes it after TryPick returned.
	Key []byte
	// Addr is the client's address, which [IPHash] places the request by.
	Addr netip.Addr
	// Sticky is the [Backend.StickyID] that the client brought, empty for none.
	// Only the balancer [Sticky] heeds it.
	Sticky string
	// Safe reports that the request may be repeated without harm.
	Safe bool
	// Cause says why the attempt failed. Set it before [Lease.Done] with
	// [Failure]: the log and the snapshot then name it. Optional; Done takes it.
	Cause error
	// Status is the status of the peer's answer, 0 for none; Headed is when its
	// head had come, on the clock of [Pool.Now], 0 for never. Set them before
	// [Lease.Done], for rules that learn from answers; Done takes them.
	Status int
	Headed int64
	// Dropped reports that no peer works on the request any more: there was no
	// connection, or the peer broke it. Set it before [Lease.Done]: the next
	// attempt is then no retry that a budget counts ([WithRetryBudget]). Done
	// takes it.
	Dropped bool

	view  *view    // the membership whose ranks the tried bits are
	tried uint64   // ranks 0 to 63
	spill []uint64 // ranks 64 and up; the memory is kept by Reset
	seq   uint32   // the number of the last lease
	open  uint32   // the number of the lease in hand, 0 for none
	tries int32    // attempts that count
	rank  int32    // of the last peer
	tier  uint8    // the level of the last peer's tier: a retry asks no earlier one
	probe bool     // the lease in hand is a half-open probe
	waits uint8    // what the lease in hand has to do with memo.waiting
	since int64    // the window that the probe ended
	began int64    // when the lease in hand was given
	hash  uint32   // what a hashing balancer goes on from
	hops  uint32   // how often it has done so; draws that missed

	missed  uint8 // places of its hash where no peer could take it
	spent   bool  // the lease in hand, or the wait for one, is counted as a retry
	dropped bool  // no peer works on the last attempt any more
}

// Reset makes r ready for the next request. It clears every exported field and
// keeps the memory. A lease in hand stays in hand and must still be ended.
func (r *Request) Reset() {
	r.Key, r.Addr, r.Sticky, r.Safe = nil, netip.Addr{}, "", false
	if r.Cause != nil {
		r.Cause = nil
	}
	r.view, r.tried = nil, 0
	r.tries, r.rank, r.tier = 0, -1, 0
	r.Status, r.Headed = 0, 0
	r.hash, r.hops, r.missed = 0, 0, 0
	r.Dropped, r.dropped = false, false
	if r.spill != nil {
		clear(r.spill)
	}
}

// Tries is the number of attempts made so far. An attempt that ended with
// [Free] does not count.
func (r *Request) Tries() int { return int(r.tries) }

// has reports whether the peer of rank i was tried.
func (r *Request) has(i int) bool {
	if i < 64 {
		return r.tried&(1<<uint(i)) != 0
	}
	w := i/64 - 1
	return w < len(r.spill) && r.spill[w]&(1<<uint(i%64)) != 0
}

// mark notes that the peer of rank i was tried.
func (r *Request) mark(i int) {
	if i < 64 {
		r.tried |= 1 << uint(i)
		return
	}
	w := i/64 - 1
	for len(r.spill) <= w {
		r.spill = append(r.spill, 0)
	}
	r.spill[w] |= 1 << uint(i%64)
}

// see makes v the membership that r is placed in.
func (r *Request) see(v *view) {
	if r.view != v {
		if r.tries != 0 {
			r.follow(v)
		}
		r.view = v
	}
}

// given makes the lease of b, which the last choice gave to r, and mark has
// noted.
func (r *Request) given(b *Backend) Lease {
	r.tries++
	if r.seq++; r.seq == 0 {
		r.seq = 1
	}
	r.open = r.seq
	return Lease{b, r, r.seq}
}

// free takes the last attempt back. After a Reset there is none.
func (r *Request) free() {
	if r.rank < 0 {
		return
	}
	r.tries--
	if i := int(r.rank); i < 64 {
		r.tried &^= 1 << uint(i)
	} else {
		r.spill[i/64-1] &^= 1 << uint(i%64)
	}
}

// follow makes the tried set that of v. Peers are recognised by identity, so a
// peer that was tried stays tried wherever it moved, and a peer that took its
// rank is not mistaken for it.
func (r *Request) follow(v *view) {
	var was []*Backend
	if r.view != nil {
		for i, b := range r.view.ranks {
			if r.has(i) {
				was = append(was, b)
			}
		}
	}
	r.tried = 0
	clear(r.spill)
	for i, b := range v.ranks {
		if slices.Contains(was, b) {
			r.mark(i)
		}
	}
}
