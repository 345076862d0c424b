package upstream

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// admission is what New was given beside servers and balancer.
type admission struct {
	queue        int
	queueTimeout time.Duration
	budget       *budget
	outlier      *outlier
	panicBelow   int
}

// validate returns every problem of the options.
func (a *admission) validate(group string) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("upstream: group %q: %w", group, fmt.Errorf(format, args...)))
	}
	switch {
	case a.queue < 0:
		bad("queue of %d is negative", a.queue)
	case a.queue > 0 && a.queueTimeout <= 0:
		bad("queue timeout %v is not above 0", a.queueTimeout)
	}
	if b := a.budget; b != nil {
		if !(b.share >= 0 && b.share <= 1) { // also what is not a number
			bad("retry budget %v is outside 0 to 1", b.share)
		}
		if b.floor < 0 {
			bad("retry budget floor %d is negative", b.floor)
		}
	}
	if a.outlier != nil {
		a.outlier.validate(bad)
	}
	if a.panicBelow < 0 || a.panicBelow > 100 {
		bad("panic threshold %d is outside 0 to 100", a.panicBelow)
	}
	return errors.Join(errs...)
}

// tending is the part of a Pool that looks after requests and peers between
// picks. Guarded by mu, but for the atomics.
type tending struct {
	due     int64 // when the next pick has to tend
	tended  bool  // changes of standing matter even if nobody waits; set once
	stirred bool  // somebody's standing has changed
	notes   []note

	queue  queue
	alarm  *time.Timer // runs while somebody waits
	drains []*draining

	queued, queueFull, queueTimeout uint64

	budget     budget       // set once
	retries    atomic.Int64 // counted retries in flight
	retried    uint64
	overBudget uint64

	unit  int64 // a weight of 1
	ramps int   // slow starts on the way

	outlier *outlier // set once; nil for none

	panicBelow int // percent, 0 for never; set once
	panicking  bool
	panics     uint64
}

// start sets the pool up for what New was given.
func (t *tending) start(c *config) {
	t.due = never
	t.unit = 1
	t.queue.limit, t.queue.timeout = c.queue, int64(c.queueTimeout)
	t.budget = defaultBudget
	if c.budget != nil {
		t.budget = *c.budget
	}
	t.outlier, t.panicBelow = c.outlier, c.panicBelow
	if t.outlier != nil {
		t.due = asap
	}
	t.tended = t.outlier != nil || t.panicBelow > 0
}
