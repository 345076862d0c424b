package vrrp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Run takes part in the elections of all routers until ctx ends; see
// [Router.Run], whose rules hold for all of them. It uses the calling goroutine.
// An error of one is an error of all.
func (g *Group) Run(ctx context.Context) error { return g.error(g.serve(ctx)) }

func (g *Group) serve(ctx context.Context) error {
	if err := g.begin(); err != nil {
		return err
	}
	defer g.end()
	if ctx.Err() != nil {
		return nil
	}
	var transports []Transport
	for _, r := range g.routers {
		r.mu.Lock()
		transports = append(transports, r.config.transport)
		r.mu.Unlock()
	}
	e, err := engineFor(transports...)
	if err != nil {
		return err
	}
	defer e.close()
	var sessions []*session
	closeAll := func() {
		for _, s := range sessions {
			s.close()
		}
	}
	for _, r := range g.routers {
		s, err := r.open(ctx, e)
		if err != nil {
			closeAll()
			return fmt.Errorf("virtual router %d: %w", r.vrid, err)
		}
		sessions = append(sessions, s)
	}
	slices.SortStableFunc(sessions, (*session).compare)
	u := launch(e, sessions, func(m []*machine) core { return newCluster(m) })
	u.changed = g.observe
	g.mu.Lock()
	g.run, g.delivery = u, newDelivery(g.callbacks)
	g.mu.Unlock()
	u.run(ctx)
	closeAll()
	g.delivery.wait()
	return u.err
}

// compare orders the members of a cluster as every host does: by family, VRID,
// and, since two interfaces may share a VRID, the lowest virtual address.
func (s *session) compare(o *session) int {
	key := func(s *session) (Family, uint8, netip.Addr) {
		s.r.mu.Lock()
		defer s.r.mu.Unlock()
		var lowest netip.Addr
		if vips := s.r.config.vips; len(vips) > 0 {
			lowest = slices.MinFunc(addrsOf(vips), netip.Addr.Compare)
		}
		return s.r.family, s.r.vrid, lowest
	}
	f1, v1, a1 := key(s)
	f2, v2, a2 := key(o)
	return cmp.Or(cmp.Compare(f1, f2), cmp.Compare(v1, v2), a1.Compare(a2))
}

// begin claims the group and its routers for a Run.
func (g *Group) begin() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy {
		return ErrRunning
	}
	g.busy = true
	for _, r := range g.routers {
		_ = r.begin(g) // nobody else can have it
	}
	return nil
}

func (g *Group) end() {
	for _, r := range g.routers {
		r.end()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = false
	if g.run != nil {
		g.coalesced += g.delivery.coalesced()
		g.run, g.delivery = nil, nil
	}
}

// observe publishes a change that all members have made, on the engine's
// goroutine.
func (g *Group) observe() {
	members := g.run.members
	to := members[0].machine.state
	for _, s := range members {
		if s.machine.state != to {
			return
		}
	}
	if to == g.state {
		return
	}
	why := g.cause(to)
	g.mu.Lock()
	g.seq++
	t := Transition{
		Seq: g.seq, Time: members[0].wall(), Group: g.title, From: g.state, To: to,
		Reason: why.Reason, Peer: why.Peer, Err: why.Err,
	}
	g.state, g.last = to, t
	g.mu.Unlock()
	members[0].plain.Info("group transition", "group", g.title, "from", t.From.String(), "state", t.To.String(), "reason", t.Reason.String())
	g.delivery.push(t)
}

// cause is the transition of the member that led the others to a state.
func (g *Group) cause(to State) (why Transition) {
	for _, r := range g.routers {
		r.mu.Lock()
		last := r.last
		r.mu.Unlock()
		if last.To == to && (why.Reason == ReasonNone || why.Reason == ReasonGroup) {
			why = last
		}
	}
	return why
}

// Yield hands the addresses of all routers over and stands by; see
// [Router.Yield].
func (g *Group) Yield(ctx context.Context) error {
	u := g.running()
	if u == nil {
		return ErrNotRunning
	}
	return g.error(u.yield(ctx))
}

// Resume ends the standby that [Group.Yield] began.
func (g *Group) Resume() error {
	u := g.running()
	if u == nil {
		return ErrNotRunning
	}
	return g.error(u.resume())
}

func (g *Group) running() *unit {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.run
}

// error adds which group it is about; nil stays nil.
func (g *Group) error(err error) error {
	for _, whole := range []error{nil, ErrRunning, ErrNotRunning, ErrNoHeir, ErrDuplicateVRID} {
		if errors.Is(err, whole) {
			return err
		}
	}
	return fmt.Errorf("vrrp: group %q: %w", g.title, err)
}
