package ratelimit

import "math"

// word is the state of one key of a rate zone: nginx's leaky bucket in 64 bits. The high half is the excess over the
// rate in thousandths of a request, the low half the millisecond of the last request that counted. Milliseconds wrap
// after 49.7 days; a zone's ageing keeps every word younger than 24 days, so that the difference of two of them, taken
// as a signed number, is the time between them.
type word uint64

const (
	unit      = 1000                // one request, in thousandths
	maxExcess = math.MaxUint32 - 16 // leaves the largest words for the marks of a table
	stepBack  = -60_000             // ms: a clock that went back further than this is taken at its word
)

func pack(excess int64, last uint32) word {
	return word(uint64(min(excess, maxExcess))<<32 | uint64(last))
}

func (w word) excess() int64 { return int64(w >> 32) }
func (w word) last() uint32  { return uint32(w) }

// since returns the milliseconds that count as passed at now. A clock that steps back leaks nothing, and one that
// stepped back by more than a minute starts again from where it is.
func (w word) since(now uint32) int64 {
	ms := int64(int32(now - w.last()))
	if ms >= 0 {
		return ms
	}
	if ms < stepBack {
		return 1
	}
	return 0
}

// next returns the excess that one more request at now leaves, and the milliseconds counted as passed. The product fits:
// a rate is below 2^32 and ms below 2^31.
func (w word) next(now uint32, rate int64) (excess, ms int64) {
	ms = w.since(now)
	leak := int64(uint64(rate*ms) / 1000)
	return max(w.excess()-leak+unit, 0), ms
}

// charged returns the word after the request that next spoke of. Time that counts as zero leaves the last request where
// it was, so what it leaks later is not lost.
func (w word) charged(excess, ms int64, now uint32) word {
	if ms == 0 {
		return pack(excess, w.last())
	}
	return pack(excess, now)
}

// first returns the word of a key whose first request passed at now: it costs nothing.
func first(now uint32) word { return pack(0, now) }

// retry returns after how many milliseconds from now one more request would be accepted, when it is not now: the
// smallest time at which the whole milliseconds have leaked enough.
func (w word) retry(ms, rate, burst int64) int64 {
	need := w.excess() + unit - burst
	return max((need*1000+rate-1)/rate-ms, 1)
}

// wait returns the delay in milliseconds of an accepted request that leaves the given excess: what is over delay has to
// leak first. Less than a millisecond is no delay.
func wait(excess, delay, rate int64) int64 {
	if excess <= delay {
		return 0
	}
	return (excess - delay) * 1000 / rate
}

// aged returns the word moved forward by whole seconds, in which the leak is a whole number, so that no later decision
// differs. age is the true time since the last request in milliseconds.
func (w word) aged(age, rate int64) word {
	seconds := min(age/1000, w.excess()/rate)
	return pack(w.excess()-seconds*rate, w.last()+uint32(seconds*1000))
}
