package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// Rule limits requests of type R by one zone: nginx's limit_req. Make one with [On].
type Rule[R any] struct {
	zone  *leaky
	key   func(R) (print uint64, ok bool)
	burst int64 // thousandths of a request, like the following
	delay int64
	shift int64 // of the zone's clock against the chain's, in nanoseconds
	err   error
}

// RuleOption changes a [Rule].
type RuleOption func(*ruleConfig)

type ruleConfig struct {
	burst, delay int
	noDelay      bool
}

// MaxBurst is the largest [Burst] of a rule, in requests.
const MaxBurst = 4_000_000

// Burst sets how many requests may exceed the rate before further ones are rejected: default 0, at most [MaxBurst].
// nginx: burst=n. At an idle key n+1 requests pass at once, as with a limiter of package x/time/rate of burst n+1.
func Burst(n int) RuleOption { return func(c *ruleConfig) { c.burst = n } }

// Delay sets how many excessive requests pass at once before further ones, up to the burst, are delayed to keep the
// rate: default 0, every excessive request is delayed; 0 or more. nginx: delay=n. It has no effect without [Burst].
func Delay(n int) RuleOption { return func(c *ruleConfig) { c.delay, c.noDelay = n, false } }

// NoDelay lets every excessive request within the burst pass at once. nginx: nodelay. Of Delay and NoDelay the later
// counts.
func NoDelay() RuleOption { return func(c *ruleConfig) { c.noDelay = true } }

// On returns the rule that a request is limited in the zone by the key that the function gives. A request for which it
// returns false, or an empty key (see [Key]), is not limited by this rule. The key is not kept.
//
// Mistakes in the options are reported by [NewChain].
func On[R any, K Key](z *Zone[K], key func(R) (K, bool), opts ...RuleOption) Rule[R] {
	if z == nil || key == nil {
		return Rule[R]{err: errors.New("a zone and a key function are required")}
	}
	var c ruleConfig
	if err := option.Apply(&c, opts); err != nil {
		return Rule[R]{err: fmt.Errorf("zone %q: %w", z.name, err)}
	}
	r := Rule[R]{zone: &z.leaky, key: bind(&z.hasher, key), burst: int64(c.burst) * unit, delay: int64(c.delay) * unit}
	if c.noDelay {
		r.delay = math.MaxInt64
	}
	switch {
	case c.burst < 0 || c.burst > MaxBurst:
		r.err = fmt.Errorf("zone %q: burst %d: must be from 0 to %d", z.name, c.burst, MaxBurst)
	case c.delay < 0:
		r.err = fmt.Errorf("zone %q: delay %d: must not be negative", z.name, c.delay)
	}
	return r
}

// tick returns the zone's millisecond for the chain's now.
func (r *Rule[R]) tick(now int64) uint32 { return r.zone.tick(now + r.shift) }

// remaining returns how many further requests fit into the burst above the excess.
func (r *Rule[R]) remaining(excess int64) int { return int((r.burst - excess) / unit) }

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
