package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is a group of backends and the rule that spreads requests over them.
// All methods are safe for concurrent use. A Pool starts no goroutine and holds
// nothing open outside [Pool.Run], which only a pool with names to resolve needs;
// it needs no Close.
type Pool struct {
	base time.Time // the clock's zero
	name string
	bal  Balancer
	rule picker
	log  *slog.Logger

	// Set once, by what the rule and the options ask for.
	watchers []watcher
	header   header // nil for none
	memos    bool   // backends have a memo
	hints    bool   // Request.Sticky is heeded

	waiting atomic.Int32 // requests in the queue, and drains: the ends of leases matter

	view atomic.Pointer[view] // what picks read; stored under mu

	// mu guards the running state of the backends. It is held for one choice
	// or one verdict at a time, never while the membership is worked out.
	mu     sync.Mutex
	dry    bool // the last fresh request found no peer
	noPeer uint64
	busy   uint64
	random rand.PCG // of random
	turn   int64    // picks; of fair

	tending // guarded by mu

	config  sync.Mutex // guards spec and health of the backends, leaving; held around changes
	leaving []*Backend // removed with requests in flight

	names names // servers to resolve
}

// New returns a pool. It reports every problem of its options at once, joined.
// A pool may start empty and be filled by [Pool.Add].
func New(opts ...Option) (*Pool, error) {
	c := config{name: "default", resolve: defaultResolve()}
	for i, o := range opts {
		if o == nil {
			c.errs = append(c.errs, fmt.Errorf("upstream: option %d is nil", i+1))
			continue
		}
		o(&c)
	}
	if c.name == "" || !printable(c.name) {
		c.errs = append(c.errs, fmt.Errorf("upstream: group name %q is empty or has a space or a control character", c.name))
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.balancer.rule == nil {
		c.balancer = RoundRobin()
	}
	c.errs = append(c.errs, c.admission.validate(c.name))
	for rule := c.balancer.rule; rule != nil; rule = inner(rule) {
		if k, ok := rule.(checker); ok {
			c.errs = append(c.errs, k.check())
		}
	}
	p := &Pool{
		base: time.Now(),
		name: c.name,
		bal:  c.balancer,
		rule: c.balancer.rule,
		log:  c.log.With(slog.String("group", c.name)),
	}
	p.start(&c)
	if c.seed == nil {
		c.seed = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	p.random = *c.seed
	p.serve(p.rule)
	c.errs = append(c.errs, c.resolve.validate(c.name))
	p.names.init(c.resolve)
	first := make(map[string]int)
	all := make([]*Backend, 0, len(c.servers))
	for i := range c.servers {
		s := &c.servers[i]
		where := fmt.Sprintf("group %q: server %d", c.name, i+1)
		c.errs = append(c.errs, p.validate(s, where, true))
		if n, ok := first[s.id]; ok && s.id != "" {
			c.errs = append(c.errs, fmt.Errorf("%w: group %q: server %d has the id %q of server %d", ErrDuplicate, c.name, i+1, s.id, n))
			continue
		}
		first[s.id] = i + 1
		if n := p.names.clash(s, all); n != "" {
			c.errs = append(c.errs, fmt.Errorf("%w: group %q: the ids of %q and of %q", ErrDuplicate, c.name, s.id, n))
			continue
		}
		if s.resolve {
			p.names.add(p.newName(s))
			continue
		}
		all = append(all, p.newBackend(s))
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	if p.outlier != nil {
		p.watchers = append(p.watchers, p.outlier)
	}
	p.scaleLocked(all) // nobody else sees p yet
	p.view.Store(p.newView(1, all))
	return p, nil
}

// watch tells the watchers how an attempt ended.
func (p *Pool) watch(now int64, b *Backend, r *Request, o Outcome) {
	for _, w := range p.watchers {
		w.ended(now, b, r, o)
	}
}

// Now is the pool's clock: monotonic nanoseconds since New. Every now that the
// pool's methods take is on it.
func (p *Pool) Now() int64 { return int64(time.Since(p.base)) }

// Name is the group.
func (p *Pool) Name() string { return p.name }

// Peers is the number of backends, backups included, that are not configured
// down: as many attempts can one request make.
func (p *Pool) Peers() int { return p.view.Load().peers }

// TryPick chooses a backend for the next attempt of r at time now and never
// waits. It fails with [ErrNoPeer], [ErrBusy] or [ErrBudget] and then leaves r
// as it was. Within one request no backend is chosen twice, except after a
// [Free] attempt. A tier is asked when no peer of those before it is eligible, the
// backups last; a request that reached a tier does not go back. Requests that wait
// in [Pool.Pick] go first: TryPick gets what none of them can take.
func (p *Pool) TryPick(now int64, r *Request) (Lease, error) {
	l, _, err := p.pick(now, r, false)
	return l, err
}

// pick is TryPick, and with wait, where the answer would be ErrBusy, the place
// in the queue instead.
func (p *Pool) pick(now int64, r *Request, wait bool) (Lease, *waiter, error) {
	if r.open != 0 {
		return Lease{}, nil, errLeaseOpen
	}
	v := p.view.Load()
	r.see(v)
	// Should the membership change before mu is taken, the gates of the
	// backends that left keep them from being chosen.
	p.mu.Lock()
	noted := false
	if now >= p.due {
		p.tendLocked(now)
		noted = p.notes != nil
	}
	if r.tries != 0 && !p.spendLocked(v, r) {
		p.unlock()
		return Lease{}, nil, ErrBudget
	}
	b, busy := p.chooseLocked(v, now, r)
	if b == nil {
		w, err := p.turnAwayLocked(now, r, busy, wait)
		return Lease{}, w, err
	}
	p.beginLocked(b, now, r)
	wasDry := p.dry
	if wasDry {
		p.dry = false
	}
	if noted {
		p.unlock()
	} else {
		p.mu.Unlock()
	}
	r.mark(int(r.rank))
	l := r.given(b)
	if wasDry {
		p.log.Info("peers are eligible again", slog.String("backend", b.id))
	}
	return l, nil, nil
}

// beginLocked counts the attempt that r is about to make. The caller holds mu.
func (p *Pool) beginLocked(b *Backend, now int64, r *Request) {
	r.probe = false
	if now-b.checked > b.failTimeout {
		r.probe, r.since = b.gate.Load()&gateFails != 0, b.checked
		b.checked = now
	}
	b.begun++
	b.selected = now
	r.began = now
}

// turnAwayLocked answers a pick that found nothing. The caller holds mu and is
// relieved of it.
func (p *Pool) turnAwayLocked(now int64, r *Request, busy, wait bool) (w *waiter, err error) {
	warn := false
	if busy && wait && p.queue.limit > 0 {
		if w = p.joinLocked(now, r); w == nil {
			p.unspendLocked(r)
			err = ErrQueueFull
		}
	} else {
		warn = p.refuseLocked(r, busy)
		if err = ErrNoPeer; busy {
			err = ErrBusy
		}
	}
	p.unlock()
	if warn {
		p.log.Warn("no peer is eligible")
	}
	return w, err
}

// chooseLocked picks from the request's tier, and from the next one while a tier
// has nothing. The caller holds mu.
func (p *Pool) chooseLocked(v *view, now int64, r *Request) (b *Backend, busy bool) {
	if v.single {
		return onlyLocked(v, now, r)
	}
	retry := r.tries != 0
	for i := range v.tiers {
		t := &v.tiers[i]
		if t.level < r.tier {
			continue
		}
		at, full := p.rule.pick(t, now, r, retry)
		if at >= 0 {
			r.tier, r.rank = t.level, int32(t.base+at)
			return t.peers[at], false
		}
		busy = busy || full
	}
	return nil, busy
}

// onlyLocked asks the only backend of a pool without backups. Its failures do
// not count, and it is not asked twice by one request. The caller holds mu.
func onlyLocked(v *view, now int64, r *Request) (*Backend, bool) {
	b := v.ranks[0]
	if r.tries != 0 && r.has(0) {
		return nil, false
	}
	pass := gateFails | gateEjected
	if b.named(r) {
		pass |= gateDrain // as in any pool with Sticky
	}
	if a := b.admit(b.gate.Load()&^pass, now); a != yes {
		return nil, a == full
	}
	r.tier, r.rank = v.tiers[len(v.tiers)-1].level, 0
	return b, false
}

// refuseLocked counts a pick that found nothing, and reports whether to warn:
// once, when not even a fresh request finds a peer. The caller holds mu.
func (p *Pool) refuseLocked(r *Request, busy bool) (warn bool) {
	p.unspendLocked(r)
	if busy {
		p.busy++
		return false
	}
	p.noPeer++
	if r.tries != 0 || p.dry {
		return false
	}
	p.dry = true
	return true
}
