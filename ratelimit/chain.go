package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// MaxRules is how many rules a chain can have.
const MaxRules = 16

// Chain decides by several rules at once, as nginx does for several limit_req of one location: a request passes when
// every rule lets it, is charged in all zones or in none, and waits for the longest delay. All methods may be used by
// many goroutines at once.
//
// Requests that are decided at the same time may see each other's charges before one of them is rejected and gives
// its own back: then a request can be rejected that would have passed a moment later. The reverse does not happen: no
// zone lets more requests pass than its rate and burst allow.
type Chain[R any] struct {
	rules []Rule[R]
	base  time.Time
}

// NewChain returns the chain of the rules, in the order of configuration. A chain without rules limits nothing. Two
// rules must not use the same zone. Errors name the rule by its index and the value that is wrong; all are reported.
func NewChain[R any](rules ...Rule[R]) (*Chain[R], error) {
	c := &Chain[R]{rules: slices.Clone(rules), base: time.Now()}
	var errs []error
	if len(rules) > MaxRules {
		errs = append(errs, fmt.Errorf("ratelimit: %d rules: a chain has at most %d", len(rules), MaxRules))
	}
	for i := range c.rules {
		r := &c.rules[i]
		if r.err == nil && r.zone == nil {
			r.err = errors.New("a rule is made with On")
		}
		if r.err != nil {
			errs = append(errs, fmt.Errorf("ratelimit: rule %d: %w", i, r.err))
			continue
		}
		if j := slices.IndexFunc(rules[:i], func(other Rule[R]) bool { return other.zone == r.zone }); j >= 0 {
			errs = append(errs, fmt.Errorf("ratelimit: rule %d: zone %q is used by rule %d already", i, r.zone.name, j))
		}
		if i == 0 {
			c.base = r.zone.base
		}
		r.shift = int64(c.base.Sub(r.zone.base))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Now returns the chain's time: monotonic nanoseconds since the base of its first zone.
func (c *Chain[R]) Now() int64 { return int64(time.Since(c.base)) }

// Name returns the name of the zone of a rule, by the index that a [Decision] gives, or "" when there is none.
func (c *Chain[R]) Name(rule int) string {
	if rule < 0 || rule >= len(c.rules) {
		return ""
	}
	return c.rules[rule].zone.name
}

// Decide charges the request at the given time and says what becomes of it. The time is [Chain.Now]'s, or that of any
// other monotonic clock in nanoseconds that is used for all chains of these zones. It may step back a little between
// calls; by nginx's rule no time counts as passed then, and 1 ms when it steps back by more than a minute.
//
// It allocates nothing and takes no lock.
func (c *Chain[R]) Decide(now int64, r R) Decision {
	if len(c.rules) != 1 {
		return c.several(now, r)
	}
	rule := &c.rules[0]
	print, ok := rule.key(r)
	if !ok {
		return Decision{detail: unlimited}
	}
	excess, retry := rule.zone.take(print, rule.tick(now), rule.burst, nil)
	if retry > 0 {
		rule.zone.tally(print).rejected.Add(1)
		return Decision{Outcome: Rejected, RetryAfter: millis(retry), detail: newDetail(0, 0, excess)}
	}
	d := Decision{detail: newDetail(0, rule.remaining(excess), excess)}
	if ms := wait(excess, rule.delay, rule.zone.rate); ms > 0 {
		rule.zone.tally(print).delayed.Add(1)
		d.Outcome, d.Delay = Delayed, millis(ms)
	}
	return d
}

// charge is what one decision does in one zone.
type charge struct {
	grant
	ms uint32
	ok bool // the request has a key
}

// several is Decide for any number of rules but one.
func (c *Chain[R]) several(now int64, r R) Decision {
	if n := len(c.rules); n <= 4 {
		var charges [4]charge
		return c.all(now, r, charges[:n])
	}
	var charges [MaxRules]charge
	return c.all(now, r, charges[:len(c.rules)])
}

// all decides by several rules: it looks at each first, and charges only when none objects.
func (c *Chain[R]) all(now int64, r R, charges []charge) Decision {
	var d Decision
	for i := range charges {
		rule, ch := &c.rules[i], &charges[i]
		if ch.print, ch.ok = rule.key(r); !ch.ok {
			continue
		}
		ch.ms = rule.tick(now)
		excess, retry := rule.zone.look(ch.print, ch.ms, rule.burst)
		d.refuse(i, excess, retry)
	}
	if d.Outcome == Rejected {
		c.rules[d.Rule()].zone.tally(charges[d.Rule()].print).rejected.Add(1)
		return d
	}
	for i := range charges {
		rule, ch := &c.rules[i], &charges[i]
		if !ch.ok {
			continue
		}
		if excess, retry := rule.zone.take(ch.print, ch.ms, rule.burst, &ch.grant); retry > 0 {
			// Another request came in between.
			for j := range charges[:i] {
				if charges[j].ok {
					c.rules[j].zone.undo(&charges[j].grant)
				}
			}
			d.refuse(i, excess, retry)
			rule.zone.tally(ch.print).rejected.Add(1)
			return d
		}
	}
	return c.longest(charges)
}

// refuse notes that a rule lets a request pass only after retry milliseconds, 0 for now. The first rule to object stays
// the deciding one.
func (d *Decision) refuse(rule int, excess, retry int64) {
	if retry == 0 {
		return
	}
	if d.Outcome != Rejected {
		d.Outcome, d.detail = Rejected, newDetail(rule, 0, excess)
	}
	d.RetryAfter = max(d.RetryAfter, millis(retry))
}

// longest returns the decision for a charged request. Of two delays alike the later configured counts, as in nginx,
// which goes through the limits from the last to the first.
func (c *Chain[R]) longest(charges []charge) Decision {
	winner, remaining, delay := RuleNone, math.MaxInt, int64(0)
	for i := len(charges) - 1; i >= 0; i-- {
		rule, ch := &c.rules[i], &charges[i]
		if !ch.ok {
			continue
		}
		if ms := wait(ch.excess, rule.delay, rule.zone.rate); winner == RuleNone || ms > delay {
			winner, delay = i, ms
		}
		remaining = min(remaining, rule.remaining(ch.excess))
	}
	if winner == RuleNone {
		return Decision{detail: unlimited}
	}
	d := Decision{detail: newDetail(winner, remaining, charges[winner].excess)}
	if delay > 0 {
		c.rules[winner].zone.tally(charges[winner].print).delayed.Add(1)
		d.Outcome, d.Delay = Delayed, millis(delay)
	}
	return d
}
