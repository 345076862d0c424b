package healthcheck

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Option configures a [Manager].
type Option func(*config)

type config struct {
	onChange    []func(Event)
	logger      *slog.Logger
	concurrency int
	jitter      float64
	spread      time.Duration
	seed        uint64
}

func defaults() config {
	return config{
		logger:      slog.New(slog.DiscardHandler),
		concurrency: 1024,
		jitter:      0.1,
		spread:      time.Second,
		seed:        rand.Uint64(),
	}
}

// WithOnChange has f called with every event, in order, from one goroutine of
// [Manager.Run] that does nothing else: f may block, and may call any method of
// the manager and its handles. Given several times, all are called, in the
// order given. Run returns after the last call has.
func WithOnChange(f func(Event)) Option {
	return func(c *config) { c.onChange = append(c.onChange, f) }
}

// WithLogger gives the logger; default none, which is also what nil means. Changes of state are logged at
// Info with group, backend, state and err; checks that could not be carried out
// at Warn, at most one line in ten seconds.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) {
		if c.logger = l; l == nil {
			c.logger = slog.New(slog.DiscardHandler)
		}
	}
}

// WithConcurrency limits the checks in flight; default 1024, range 1 to 1048576.
// Those that are due wait, the longest due first. A check in flight holds a
// goroutine and, in [TCP] and [HTTP], a socket.
func WithConcurrency(n int) Option {
	return func(c *config) { c.concurrency = n }
}

// WithJitter sets how far an interval varies, as a fraction of it; default 0.1
// (plus or minus 10 %), range 0 to 0.5. Each check starts within half of that
// around its place in the round, by a random sequence of the manager's own.
func WithJitter(fraction float64) Option {
	return func(c *config) { c.jitter = fraction }
}

// WithMaxSpread sets the longest time from adding a target (or from Run, for
// those added before) to its first check; default 1s, 0 checks at once, never
// more than the target's interval. Targets added together are spread evenly over
// it by a hash of their names, and over the whole interval from the second
// check on; so all have a verdict a second and a timeout after the start, and
// no two restarts produce a wave.
func WithMaxSpread(d time.Duration) Option {
	return func(c *config) { c.spread = d }
}

// validate reports every problem.
func (c *config) validate() error {
	var problems []error
	for _, f := range c.onChange {
		if f == nil {
			problems = append(problems, errors.New("WithOnChange of nil"))
		}
	}
	if c.concurrency < 1 || c.concurrency > 1<<20 {
		problems = append(problems, fmt.Errorf("WithConcurrency of %d, want 1 to %d", c.concurrency, 1<<20))
	}
	if !(c.jitter >= 0 && c.jitter <= 0.5) {
		problems = append(problems, fmt.Errorf("WithJitter of %v, want 0 to 0.5", c.jitter))
	}
	if c.spread < 0 {
		problems = append(problems, fmt.Errorf("WithMaxSpread of %v, want 0 or more", c.spread))
	}
	return errors.Join(problems...)
}
