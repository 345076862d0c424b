package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/internal/notify"
	"github.com/mainstay-ha/mainstay/internal/option"
)

// Manager checks targets. Its methods may be called at any time from any
// goroutine, Run once.
type Manager struct {
	config config
	base   time.Time                       // nanoseconds count from here
	queue  *notify.Queue[delivery, uint64] // subject: the generation
	poke   chan struct{}                   // to the scheduler: something is due earlier than planned
	done   chan struct{}                   // closed when Run has ended
	probes sync.WaitGroup                  // checks in flight

	mu       sync.Mutex // guards everything below, and the handles
	schedule schedule
	targets  map[name]*Handle
	slots    []*Handle     // by index; nil where free
	free     []uint32      // indexes to use again
	pending  int           // targets without a result
	ready    chan struct{} // closed when pending falls to 0; nil while nobody waits
	running  bool
	stopped  bool            // Run starts no checks any more
	ctx      context.Context // of Run
	planned  int64           // when the scheduler wakes next
	ended    int64           // when a check last ended
	warned   int64           // when the last local error was logged
	totals   totals
}

// name is what a target is known by.
type name struct{ group, id string }

// totals count since New.
type totals struct {
	generation, events           uint64
	passes, fails, locals        uint64
	late, heldUp, overdue, stale uint64
}

// New returns a manager without targets; it starts nothing. The error lists
// every option that is out of range.
func New(opts ...Option) (*Manager, error) {
	c := defaults()
	if err := errors.Join(option.Apply(&c, opts), c.validate()); err != nil {
		return nil, fmt.Errorf("healthcheck: new: %w", err)
	}
	m := &Manager{
		config:  c,
		base:    time.Now().Add(-warnPause), // so that 0 is long ago: never
		poke:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		targets: make(map[name]*Handle),
		planned: never,
		schedule: schedule{
			limit:  c.concurrency,
			seed:   c.seed,
			jitter: c.jitter,
			spread: int64(c.spread),
		},
	}
	m.queue = notify.New(delivery.subject, m.deliver)
	return m, nil
}

// now returns the manager's monotonic nanoseconds.
func (m *Manager) now() int64 { return int64(time.Since(m.base)) }

// Add has a target checked by c from now on, or from Run on when that has not
// been called: first within [WithMaxSpread], then as p says. Zero fields of t
// and p take their defaults.
//
// The error lists every problem: a field of p out of range, a checker that
// refuses the target or was given bad options, a name that is taken
// ([ErrDuplicate]), a manager that has stopped ([ErrClosed]).
func (m *Manager) Add(t Target, c Checker, p Policy) (*Handle, error) {
	t, p = t.withDefaults(), p.withDefaults()
	problems := []error{p.validate()}
	if t.ID == "" {
		problems = append(problems, errors.New("neither ID nor Addr is given"))
	}
	if f, ok := c.(CheckerFunc); c == nil || ok && f == nil {
		problems = append(problems, errors.New("no checker"))
	} else if v, ok := c.(validator); ok {
		problems = append(problems, v.Validate(t))
	}
	h := &Handle{manager: m, target: t, checker: c, policy: p, hash: hashOf(t.Group, t.ID)}

	m.mu.Lock()
	defer m.mu.Unlock()
	if m.targets[name{t.Group, t.ID}] != nil {
		problems = append(problems, ErrDuplicate)
	}
	if m.stopped {
		problems = append(problems, ErrClosed)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("healthcheck: add %s: %w", t, err)
	}
	m.totals.generation++
	h.generation = m.totals.generation
	if n := len(m.free); n > 0 {
		h.index, m.free = m.free[n-1], m.free[:n-1]
		m.slots[h.index] = h
	} else {
		h.index = uint32(len(m.slots))
		m.slots = append(m.slots, h)
	}
	m.targets[name{t.Group, t.ID}] = h
	m.pending++
	if m.running {
		m.lockedFirst(h, m.now())
	}
	return h, nil
}

func (m *Manager) remove(h *Handle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.removed.Swap(true) {
		return
	}
	h.round++ // makes the result of a check in flight stale
	if h.cancel != nil {
		h.cancel()
	}
	m.schedule.remove(h.index)
	m.slots[h.index] = nil
	m.free = append(m.free, h.index)
	delete(m.targets, name{h.target.Group, h.target.ID})
	if !h.verdict.known {
		m.lockedSettled()
	}
}

// Ready reports whether every target has had a check that passed or failed; a
// manager without targets is ready.
func (m *Manager) Ready() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pending == 0
}

// WaitReady waits until [Manager.Ready]. With all targets added before Run that
// takes [WithMaxSpread] and one timeout at most, unless more checks are due than
// [WithConcurrency] lets start. The error is that of ctx, or [ErrClosed] when
// Run has ended first.
func (m *Manager) WaitReady(ctx context.Context) error {
	for ended := false; ; {
		m.mu.Lock()
		pending := m.pending
		if m.ready == nil {
			m.ready = make(chan struct{})
		}
		ready := m.ready
		m.mu.Unlock()
		switch {
		case pending == 0:
			return nil
		case ended:
			return fmt.Errorf("healthcheck: wait for %d first results: %w", pending, ErrClosed)
		}
		select {
		case <-ready:
		case <-m.done:
			ended = true
		case <-ctx.Done():
			return fmt.Errorf("healthcheck: wait for %d first results: %w", pending, ctx.Err())
		}
	}
}

// lockedSettled counts a target that has its first result or needs none any
// more; m.mu is held.
func (m *Manager) lockedSettled() {
	m.pending--
	if m.pending == 0 && m.ready != nil {
		close(m.ready)
		m.ready = nil
	}
}

// delivery is what goes through the queue: an event, or an error of this
// machine to be logged.
type delivery struct {
	Event
	handle *Handle // nil for an error of this machine
}

func (d delivery) subject() uint64 { return d.Generation }

// deliver runs in the goroutine of the queue.
func (m *Manager) deliver(d delivery) {
	log := m.config.logger
	switch {
	case d.handle == nil:
		log.Warn("checks could not be carried out", "err", d.Err)
		return
	case d.handle.removed.Load():
		return
	case d.Up:
		log.Info("backend up", "group", d.Group, "backend", d.ID, "state", Up)
	default:
		log.Info("backend down", "group", d.Group, "backend", d.ID, "state", Down, "err", d.Err)
	}
	for _, f := range m.config.onChange {
		f(d.Event)
	}
}
