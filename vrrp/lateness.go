package vrrp

import "time"

// lateBounds are the upper ends of the buckets of [Lateness].
var lateBounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	50 * time.Millisecond, 250 * time.Millisecond, time.Second,
}

// Lateness tells how late deadlines were honoured: adverts, takeovers, and
// every other timer of the router.
type Lateness struct {
	Count   uint64           `json:"count"`   // deadlines
	Sum     time.Duration    `json:"sum"`     // of their lateness
	Max     time.Duration    `json:"max"`     // the latest one
	Buckets []LatenessBucket `json:"buckets"` // by lateness, each without those before it
}

// LatenessBucket counts the deadlines that were late by at most To, and by more
// than the bucket before it says.
type LatenessBucket struct {
	To    time.Duration `json:"to,omitzero"` // absent: no bound
	Count uint64        `json:"count"`
}

// lateness is a Lateness that costs nothing to count in.
type lateness struct {
	sum     time.Duration
	max     time.Duration
	buckets [len(lateBounds) + 1]uint64
}

func (l *lateness) add(d time.Duration) {
	i := 0
	for i < len(lateBounds) && d > lateBounds[i] {
		i++
	}
	l.buckets[i]++
	l.sum += d
	l.max = max(l.max, d)
}

func (l *lateness) show() Lateness {
	out := Lateness{Sum: l.sum, Max: l.max, Buckets: make([]LatenessBucket, len(l.buckets))}
	for i, n := range l.buckets {
		out.Buckets[i].Count = n
		out.Count += n
		if i < len(lateBounds) {
			out.Buckets[i].To = lateBounds[i]
		}
	}
	return out
}
