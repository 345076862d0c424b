package ratelimit

import (
	"math"
	"time"
)

// Outcome is what a decision says about a request.
type Outcome uint8

const (
	Passed   Outcome = iota // pass it now
	Delayed                 // pass it after the delay: it is charged already
	Rejected                // refuse it: it is not charged
)

// String returns the outcome as nginx's $limit_req_status does: PASSED, DELAYED, REJECTED.
func (o Outcome) String() string {
	switch o {
	case Passed:
		return "PASSED"
	case Delayed:
		return "DELAYED"
	case Rejected:
		return "REJECTED"
	}
	return "UNKNOWN"
}

// What [Decision.Rule] says when it is not the index of a rule.
const (
	RuleNone = -1 // no rule had a key for the request: it is not limited
	RuleConn = -2 // a limit on connections refused it, not a rule of the chain
)

// Decision is the answer to one request. It is a value of four words, which a caller gets in registers.
type Decision struct {
	Outcome Outcome

	// Delay is how long to hold a delayed request: whole milliseconds, above zero.
	Delay time.Duration

	// RetryAfter is how long from now a rejected request would be rejected for, should no other come: whole
	// milliseconds, the longest over the rules, above zero.
	RetryAfter time.Duration

	detail detail
}

// Rule returns the index of the deciding rule in its chain: the first whose burst was exceeded when rejected, the one
// with the longest delay (the later of two alike) when delayed, the last that had a key when passed; or [RuleNone].
func (d Decision) Rule() int { return d.detail.rule() }

// Remaining returns how many further requests with these keys would pass at the same moment, delayed or not: the least
// over the rules, -1 without a rule.
func (d Decision) Remaining() int { return d.detail.remaining() }

// Excess returns the deciding rule's excess over its rate, with this request, in thousandths of a request: nginx logs
// it as "excess: 1.234".
func (d Decision) Excess() int64 { return d.detail.excess() }

// detail is a rule (8 bits), a remainder (24) and an excess (32) in one word.
type detail uint64

// unlimited is the detail of a request that no rule has a key for.
var unlimited = newDetail(RuleNone, -1, 0)

func newDetail(rule, remaining int, excess int64) detail {
	return detail(uint64(uint8(rule))<<56 | uint64(remaining)&0xff_ffff<<32 | uint64(min(excess, math.MaxUint32)))
}

func (d detail) rule() int      { return int(int8(d >> 56)) }
func (d detail) remaining() int { return int(int32(d>>24) >> 8) }
func (d detail) excess() int64  { return int64(d & math.MaxUint32) }

// Verdict is a decision in the shape in which a proxy's gate takes it: with fields of the same names, types and order as
// the proxy's own, it converts in one step.
type Verdict struct {
	Status     int           // 0: pass, else the status to refuse with
	Wait       time.Duration // hold the request first
	RetryAfter time.Duration // for the Retry-After header of a refusal
	Token      uint64        // what to give to [ConnRule.Leave] in the end, or 0
}

// Verdict returns the decision for a gate, with the status for a refusal: 429 is usual, nginx's default is 503.
func (d Decision) Verdict(status int) Verdict {
	switch d.Outcome {
	case Rejected:
		return Verdict{Status: status, RetryAfter: d.RetryAfter}
	case Delayed:
		return Verdict{Wait: d.Delay}
	}
	return Verdict{}
}
