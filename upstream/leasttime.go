package upstream

import "time"

// LeastTime is nginx's least_time: the peer that is expected to answer first.
//
// Each peer has a moving average of the time its answers took: 5 % of the last
// one and 95 % of what was. Only successful attempts count. The expectation is
// that average times the requests in flight and this one, for the peer's weight;
// the least wins, and among equals smooth weighted round robin decides. To let
// peers of about the same speed share, the average is rounded up to a multiple
// of 20ms; from 5s up all are alike. A peer that was not picked for its
// [FailTimeout] counts as twice as fast, and once more for every such span, so
// that a slow one is tried again. A new peer counts as fast until it has
// answered.
//
// The time is measured from the pick on. The default is [ByHeader].
//
// Many instructions call this rule fair ("shortest response time"); what nginx's
// module of that name does is [Fair].
func LeastTime(opts ...LeastTimeOption) Balancer {
	var l leastTime
	for _, o := range opts {
		switch o.is {
		case byHeader:
			l.whole = false
		case byLastByte:
			l.whole = true
		case inflight:
			l.inflight = true
		}
	}
	name := "least_time header"
	if l.whole {
		name = "least_time last_byte"
	}
	if l.inflight {
		name += " inflight"
	}
	return Balancer{name, &l}
}

// LeastTimeOption configures [LeastTime]. The zero value changes nothing.
type LeastTimeOption struct{ is uint8 }

const (
	byHeader uint8 = 1 + iota
	byLastByte
	inflight
)

// ByHeader measures until the head of the answer had come: [Request.Headed]. An
// attempt without it is not measured. It is the default; of ByHeader and
// [ByLastByte] the later one counts.
func ByHeader() LeastTimeOption { return LeastTimeOption{byHeader} }

// ByLastByte measures until [Lease.Done].
func ByLastByte() LeastTimeOption { return LeastTimeOption{byLastByte} }

// Inflight looks at the requests that still wait as well: a peer counts as at
// least as slow as their age, by a moving average that takes a sample with every
// pick. So a peer that hangs is avoided before its first request has failed.
// With [ByHeader] a request waits until [Lease.Headed], otherwise until
// [Lease.Done]. A pick costs more.
func Inflight() LeastTimeOption { return LeastTimeOption{inflight} }

type leastTime struct {
	whole    bool // until the last byte
	inflight bool
}

// Averages are kept in steps of 20ms: what is compared is a whole number of them.
const (
	timeStep  = float64(20 * time.Millisecond)
	timeSteps = 250 // 5s
)

// inSteps turns a span of the clock into steps. It is none while time goes back.
func inSteps(ns int64) float64 { return float64(max(0, ns)) / timeStep }

func (*leastTime) remembers() {}

// tied is the table of a tier: the indexes of the peers that are equal, where
// they are too many for the bits of a word. Guarded by the pool's mu.
type tied struct{ at []int32 }

func (*leastTime) build(peers []*Backend) any {
	if len(peers) <= 64 {
		return new(tied)
	}
	return &tied{make([]int32, len(peers))}
}

// pick compares expectation / weight by cross multiplication.
func (l *leastTime) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	at = -1
	var least, weight int64 // of the first of those that are expected first
	var equals uint64       // all of them, as far as they are among 64 peers
	wide := t.table.(*tied).at
	ties := 0
	before := now - int64(time.Second)
	for i, b := range t.peers {
		if retry && r.has(t.base+i) {
			continue
		}
		if g := b.gate.Load(); g&gatePick != 0 {
			if a := b.admit(g, now); a != yes {
				busy = busy || a == full
				continue
			}
		}
		d := int64(b.memo.average.load())
		if before-b.checked >= b.failTimeout || l.inflight {
			d = l.closer(b, now, d)
		}
		e, w := min(d+1, timeSteps)*(1+b.connsLocked()), b.weight
		mine, theirs := e*weight, least*w
		if mine == theirs && at >= 0 {
			equals |= 1 << uint(i&63)
			ties++
		} else if mine < theirs || at < 0 {
			at, least, weight = i, e, w
			equals, ties = 1<<uint(i&63), 0
		} else {
			continue
		}
		if wide != nil {
			wide[ties] = int32(i)
		}
	}
	switch {
	case ties == 0:
	case wide == nil:
		at = among(t.peers, equals)
	default:
		at = amongThese(t.peers, wide[:ties+1])
	}
	if l.inflight && at >= 0 {
		l.chosen(now, t.peers[at], r)
	}
	return at, busy
}

// closer looks closer at a peer that was not picked for long, or whose requests
// in flight matter: d is its average, and what it returns is what counts. The
// caller holds the pool's mu.
func (l *leastTime) closer(b *Backend, now, d int64) int64 {
	// nginx counts in whole seconds: fail_timeout is over in the next one.
	if idle := now - b.checked; idle-int64(time.Second) >= b.failTimeout {
		d >>= uint64(min(idle/(b.failTimeout+int64(time.Second)), 63))
	}
	if l.inflight && b.memo.waiting > 0 {
		d = max(d, int64(b.memo.lateness(now)))
	}
	return d
}

// amongThese runs the round robin over the peers of these indexes. The caller
// holds the pool's mu.
func amongThese(peers []*Backend, set []int32) int {
	at := -1
	var most, total int64
	for _, i := range set {
		e, c := peers[i].gain()
		total += e
		if at < 0 || c > most {
			at, most = int(i), c
		}
	}
	peers[at].current -= total
	return at
}

// What a request has to do with the requests that wait.
const (
	waitsNot    uint8 = iota
	waits             // it is one of them
	waitsNoMore       // it was, and has been measured
)

// chosen counts a request that a peer was chosen for.
func (l *leastTime) chosen(now int64, b *Backend, r *Request) {
	if l.inflight {
		b.memo.enter(now)
		r.waits = waits
	}
}

// headed measures at the head of the answer, which may be long before the end:
// with nginx's inflight the average learns then.
func (l *leastTime) headed(now int64, b *Backend, r *Request) {
	if l.whole || r.waits != waits {
		return
	}
	l.left(now, b, r)
	r.waits = waitsNoMore
	b.memo.average.add(inSteps(now - r.began))
}

func (l *leastTime) ended(now int64, b *Backend, r *Request, o Outcome) {
	was := r.waits
	if was == waits {
		l.left(now, b, r)
	}
	r.waits = waitsNot
	end := now
	if !l.whole {
		end = r.Headed
	}
	if o == Success && was != waitsNoMore && end != 0 {
		b.memo.average.add(inSteps(end - r.began))
	}
}

// left takes a request out of those that wait.
func (l *leastTime) left(now int64, b *Backend, r *Request) {
	p := b.pool
	p.mu.Lock()
	b.memo.leave(now, r.began)
	p.mu.Unlock()
}
