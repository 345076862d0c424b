package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// names is the servers of a pool that are resolved at run time.
type names struct {
	// Guarded by the pool's config mutex.
	all     []*name
	serial  int
	running bool
	changed chan struct{} // closed at the next change; nil while nobody waits

	cfg  resolveConfig // set once
	wake chan struct{} // the set of names has changed
	core *lookups      // owned by Run
}

func (ns *names) init(cfg resolveConfig) {
	ns.cfg = cfg
	ns.wake = make(chan struct{}, 1)
	ns.core = newLookups(&ns.cfg, rand.Float64)
}

// next numbers servers in configured order.
func (ns *names) next() int {
	ns.serial++
	return ns.serial
}

func (ns *names) add(n *name) { ns.all = append(ns.all, n) }

// find returns the name with that id, or nil.
func (ns *names) find(id string) *name {
	for _, n := range ns.all {
		if n.spec.id == id {
			return n
		}
	}
	return nil
}

// clash returns the id of a server whose id, or whose peers' ids, s could have or
// give out; "" for none. Equal ids of servers that are no names are not looked
// for.
func (ns *names) clash(s *spec, static []*Backend) string {
	for _, n := range ns.all {
		if n.spec.id == s.id || strings.HasPrefix(s.id, n.prefix+"/") ||
			s.resolve && (n.prefix == s.prefix() || strings.HasPrefix(n.spec.id, s.prefix()+"/")) {
			return n.spec.id
		}
	}
	if s.resolve {
		prefix := s.prefix() + "/"
		for _, b := range static {
			if b.from == nil && strings.HasPrefix(b.id, prefix) {
				return b.id
			}
		}
	}
	return ""
}

// tell wakes those who wait for names to be resolved. The caller holds config.
func (ns *names) tell() {
	if ns.changed != nil {
		close(ns.changed)
		ns.changed = nil
	}
}

// wakeUp makes Run look at the names again.
func (ns *names) wakeUp() {
	select {
	case ns.wake <- struct{}{}:
	default:
	}
}

// lookedUp is the end of a lookup.
type lookedUp struct {
	q       question
	records []Record
	ttl     time.Duration
	err     error
}

// Run resolves the names of the pool, those of servers given with [Resolve] or
// [Service], until ctx is done. It returns nil then, and has ended every lookup.
// The addresses last found stay, and a later Run goes on from there. One Run may
// go on at a time; another is refused. A pool without names needs no Run, and one
// that has it finds the names of later calls of [Pool.Add].
//
// [New] does not wait for the first answer as nginx does when it starts: the pool
// has no peers for a name until Run has resolved it. [Pool.Resolved] waits.
//
// Run starts a goroutine for each lookup, 16 at a time.
func (p *Pool) Run(ctx context.Context) error {
	ns := &p.names
	p.config.Lock()
	if ns.running {
		p.config.Unlock()
		return fmt.Errorf("upstream: group %q: Run goes on already", p.name)
	}
	ns.running = true
	p.config.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	ended := make(chan lookedUp, maxFlying) // as many as are under way: none waits
	defer func() {
		cancel()
		wg.Wait()
		ns.core.stop()
		p.config.Lock()
		ns.running = false
		p.config.Unlock()
	}()

	timer := time.NewTimer(0)
	defer timer.Stop()
	p.refresh()
	for {
		for _, q := range ns.core.due(time.Now()) {
			wg.Go(func() { ended <- ns.lookup(ctx, q) })
		}
		timer.Stop()
		if d := ns.core.deadline(); !d.IsZero() {
			timer.Reset(time.Until(d))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ns.wake:
			p.refresh()
		case r := <-ended:
			p.took(r)
		case <-timer.C:
		}
	}
}

// lookup asks one question.
func (ns *names) lookup(ctx context.Context, q question) lookedUp {
	ctx, cancel := context.WithTimeout(ctx, ns.cfg.timeout)
	defer cancel()
	r := lookedUp{q: q}
	r.records, r.ttl, r.err = ns.cfg.resolver.Lookup(ctx, q.name, q.kind)
	return r
}

// refresh brings the lookups in line with the names.
func (p *Pool) refresh() {
	ns := &p.names
	var log []logLine
	p.config.Lock()
	var roots []question
	for _, n := range ns.all {
		roots = append(roots, n.root...)
	}
	ns.core.want(time.Now(), roots)
	for _, n := range ns.all {
		log = append(log, p.settleName(n)...)
	}
	p.config.Unlock()
	p.write(log)
}

// took takes the end of a lookup to the names that asked for it.
func (p *Pool) took(r lookedUp) {
	ns := &p.names
	var log []logLine
	p.config.Lock()
	asked := make([]bool, len(ns.all))
	for i, n := range ns.all {
		asked[i] = n.asks(ns.core, r.q) // before the answer changes what is asked
	}
	ns.core.answered(time.Now(), r.q, r.records, r.ttl, r.err)
	for i, n := range ns.all {
		if !asked[i] {
			continue
		}
		n.lookups++
		if r.err != nil && !errors.Is(r.err, ErrNoRecords) {
			n.failed++
		}
		log = append(log, p.settleName(n)...)
	}
	p.config.Unlock()
	p.write(log)
}

// settleName puts into service what is now known about a name. The caller holds
// p.config.
func (p *Pool) settleName(n *name) (log []logLine) {
	targets, ok := n.expand(p.names.core)
	if !ok {
		return nil
	}
	if bad := n.err != nil; bad != n.bad {
		n.bad = bad
		id := slog.String("backend", n.spec.id)
		if bad {
			log = append(log, logLine{slog.LevelWarn, "name does not resolve", []slog.Attr{id, slog.Int("addresses", len(targets)), slog.Any("err", n.err)}})
		} else {
			log = append(log, logLine{slog.LevelInfo, "name resolves again", []slog.Attr{id}})
		}
	}
	// A service may have moved to hosts that cannot be looked up: then what it had
	// is better than nothing.
	if keep := len(targets) == 0 && n.lost; !keep && !slices.Equal(targets, n.targets) {
		added, removed := p.publish(n, targets)
		for _, b := range added {
			log = append(log, logLine{slog.LevelInfo, "backend added", []slog.Attr{slog.String("backend", b.id), slog.String("addr", b.addr)}})
		}
		for _, b := range removed {
			log = append(log, logLine{slog.LevelInfo, "backend removed", []slog.Attr{slog.String("backend", b.id)}})
		}
	}
	if !n.known && len(targets) > 0 {
		n.known = true
		p.names.tell()
	}
	return log
}

// logLine is what there is to log when the lock is free again.
type logLine struct {
	level slog.Level
	text  string
	attrs []slog.Attr
}

func (p *Pool) write(lines []logLine) {
	for _, l := range lines {
		p.log.LogAttrs(context.Background(), l.level, l.text, l.attrs...)
	}
}

// Resolved waits until every name of the pool has had its first addresses, while
// [Pool.Run] runs somewhere. When ctx is done first it says which have not, and
// why: the error wraps ctx's and those of the lookups. A pool without names is
// resolved.
func (p *Pool) Resolved(ctx context.Context) error {
	for {
		missing, changed := p.unresolved()
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(append([]error{fmt.Errorf("upstream: group %q: names without an address: %w", p.name, context.Cause(ctx))}, missing...)...)
		case <-changed:
		}
	}
}

// unresolved returns an error for each name without a first address, and what is
// closed when one got it or left.
func (p *Pool) unresolved() (missing []error, changed <-chan struct{}) {
	p.config.Lock()
	defer p.config.Unlock()
	for _, n := range p.names.all {
		switch {
		case n.known:
		case n.err != nil:
			missing = append(missing, fmt.Errorf("upstream: group %q: %q: %w", p.name, n.spec.id, n.err))
		default:
			missing = append(missing, fmt.Errorf("upstream: group %q: %q: no answer yet", p.name, n.spec.id))
		}
	}
	if p.names.changed == nil {
		p.names.changed = make(chan struct{})
	}
	return missing, p.names.changed
}
