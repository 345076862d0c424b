package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Add brings a backend into service. It fails with [ErrDuplicate] when the id
// is taken and lists every problem of the options; nothing has changed then.
func (p *Pool) Add(addr string, opts ...ServerOption) error {
	s := newSpec(addr, opts)
	err := p.add(&s)
	defer p.say()
	if err == nil {
		p.log.Info("backend added", slog.String("backend", s.id), slog.String("addr", s.address))
	}
	return err
}

func (p *Pool) add(s *spec) error {
	p.config.Lock()
	defer p.config.Unlock()
	v := p.view.Load()
	err := p.validate(s, fmt.Sprintf("group %q: add %q", p.name, s.address), true)
	if _, taken := v.byID[s.id]; taken {
		err = errors.Join(err, fmt.Errorf("%w: group %q: id %q", ErrDuplicate, p.name, s.id))
	} else if n := p.names.clash(s, v.all); n != "" {
		err = errors.Join(err, fmt.Errorf("%w: group %q: the ids of %q and of %q", ErrDuplicate, p.name, s.id, n))
	}
	if err != nil {
		return err
	}
	if s.resolve {
		p.names.add(p.newName(s))
		p.names.wakeUp()
		return nil
	}
	p.swap(append(slices.Clone(v.all), p.newBackend(s)), nil)
	return nil
}

// Remove takes a backend out. No pick that begins afterwards returns it; leases
// in hand stay valid and end as usual. A server that is a name goes with all its
// addresses; one address of a name cannot be removed.
func (p *Pool) Remove(id string) error {
	err := p.remove(id)
	defer p.say()
	if err == nil {
		p.log.Info("backend removed", slog.String("backend", id))
	}
	return err
}

func (p *Pool) remove(id string) error {
	p.config.Lock()
	defer p.config.Unlock()
	if n := p.names.find(id); n != nil {
		p.removeName(n)
		return nil
	}
	b, err := p.findOwn(id)
	if err != nil {
		return err
	}
	all := slices.Clone(p.view.Load().all)
	p.swap(slices.DeleteFunc(all, func(o *Backend) bool { return o == b }), b.leaveLocked)
	p.leaving = append(p.leaving, b)
	p.forgetLeft()
	return nil
}

// Update changes the named options of a backend and keeps the others. Its
// running state (requests in flight, failures, health verdicts, counters) goes
// on, unless [Address] moves it: then a backend with fresh state takes its id
// and its place, draining if the old one was. [ID] cannot be changed. A change
// of a server that is a name is one of all its addresses; one of them cannot be
// changed, nor where a name leads. On an error nothing has changed.
func (p *Pool) Update(id string, opts ...ServerOption) error {
	s, err := p.update(id, opts)
	defer p.say()
	if err == nil {
		p.log.Info("backend updated", slog.String("backend", id), slog.String("addr", s.address),
			slog.Int("weight", s.weight), slog.Bool("backup", s.backup), slog.Bool("down", s.down))
	}
	return err
}

func (p *Pool) update(id string, opts []ServerOption) (s spec, err error) {
	p.config.Lock()
	defer p.config.Unlock()
	n := p.names.find(id)
	var b *Backend
	if n != nil {
		s = n.spec
	} else if b, err = p.findOwn(id); err != nil {
		return s, err
	} else {
		s = b.spec
	}
	was := s
	s.apply(opts)
	where := fmt.Sprintf("group %q: update %q", p.name, id)
	err = p.validate(&s, where, false)
	if s.id != id {
		err = errors.Join(err, fmt.Errorf("upstream: %s: the id cannot become %q", where, s.id))
	}
	if s.resolve != was.resolve || s.service != was.service || n != nil && s.address != was.address {
		err = errors.Join(err, fmt.Errorf("upstream: %s: what is resolved cannot change", where))
	}
	if err != nil {
		return s, err
	}
	if n != nil {
		n.spec = s
		p.publish(n, n.targets)
		return s, nil
	}

	all := p.view.Load().all
	if s.address == b.spec.address {
		b.spec = s
		p.swap(all, func() { b.adoptLocked(&s, p.Now()) })
		return s, nil
	}
	heir := p.newBackend(&s)
	heir.order = b.order
	heir.setLocked(gateDrain, b.gate.Load()&gateDrain != 0) // under config, nobody else sees heir
	all = slices.Clone(all)
	all[slices.Index(all, b)] = heir
	p.swap(all, b.leaveLocked)
	p.leaving = append(p.leaving, b)
	p.forgetLeft()
	return s, nil
}

// SetWeight is [Pool.Update] with [Weight].
func (p *Pool) SetWeight(id string, w int) error { return p.Update(id, Weight(w)) }

// Drain, while on, keeps new requests away from a backend and lets those in
// flight finish. The backend stays in the pool. [Pool.DrainFor] waits for them.
// With [Sticky] it goes on taking the requests that name it. For a server that is
// a name, it holds for all its addresses, those to come too.
func (p *Pool) Drain(id string, on bool) error {
	if p.drainName(id, on) {
		return nil
	}
	_, err := p.drain(id, on)
	return err
}

func (p *Pool) drain(id string, on bool) (*Backend, error) {
	p.config.Lock()
	b, err := p.find(id)
	changed := err == nil && p.flip(b, gateDrain, on)
	p.config.Unlock()
	defer p.say()
	if changed {
		p.log.Info("drain", slog.String("backend", id), slog.Bool("on", on))
	}
	return b, err
}

// find returns the backend with that id. The caller holds p.config.
func (p *Pool) find(id string) (*Backend, error) {
	if b := p.view.Load().byID[id]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%w: group %q: id %q", ErrUnknown, p.name, id)
}

// findOwn is find for changes that one address of a name cannot have. The caller
// holds p.config.
func (p *Pool) findOwn(id string) (*Backend, error) {
	b, err := p.find(id)
	if err == nil && b.from != nil {
		return nil, fmt.Errorf("upstream: group %q: %q is an address of %q: change that", p.name, id, b.from.spec.id)
	}
	return b, err
}

// flip switches a bit of the gate and reports whether it changed.
func (p *Pool) flip(b *Backend, bit uint32, on bool) bool {
	now := p.Now()
	p.mu.Lock()
	if (b.gate.Load()&bit != 0) == on {
		p.mu.Unlock()
		return false
	}
	b.setLocked(bit, on)
	b.changed = now
	if bit == gateHealth && !on {
		b.riseLocked(now)
	}
	p.changedLocked(now)
	p.mu.Unlock()
	return true
}

// swap puts a membership into service, together with what change does to the
// backends under mu. The caller holds p.config.
func (p *Pool) swap(all []*Backend, change func()) { p.swapIn(all, change, true) }

// swapIn is swap; with rise, backends that were not there start slowly.
func (p *Pool) swapIn(all []*Backend, change func(), rise bool) {
	was := p.view.Load()
	v := p.newView(was.generation+1, all)
	now := p.Now()
	p.mu.Lock()
	if change != nil {
		change()
	}
	p.scaleLocked(all)
	p.view.Store(v)
	for _, b := range all {
		if rise && was.byID[b.id] != b {
			b.riseLocked(now)
		}
	}
	for _, t := range v.tiers {
		boundLocked(t.peers)
	}
	p.changedLocked(now)
	p.mu.Unlock()
}

// changedLocked lets a change reach those who wait. What there is to log is left
// for say. The caller holds config and mu.
func (p *Pool) changedLocked(now int64) {
	p.stirLocked()
	if p.queue.n > 0 {
		p.tendLocked(now)
	}
}

// boundLocked limits every peer's credit and debt to one round of its tier.
// Without it, peers that stood beside a much heavier one would take turns in
// long runs after that one left or shrank. The caller holds the pool's mu.
func boundLocked(peers []*Backend) {
	var round int64
	for _, b := range peers {
		round += b.weight
	}
	for _, b := range peers {
		b.current = min(max(b.current, -round), round)
	}
}

// forgetLeft drops the removed backends that have no request left. The caller
// holds p.config.
func (p *Pool) forgetLeft() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving = slices.DeleteFunc(p.leaving, func(b *Backend) bool { return b.connsLocked() == 0 })
}
