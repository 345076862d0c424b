package vrrp

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
)

// Group is a sync group (keepalived's vrrp_sync_group): routers that are Active
// together or not at all, such as the two sides of a gateway, or both families
// of one address. A fault of one is a fault of all. Make one with [NewGroup]; its
// methods may be called by any goroutine.
type Group struct {
	title   string
	routers []*Router

	mu        sync.Mutex // guards everything below
	callbacks []func(Transition)
	busy      bool // Run runs
	run       *unit
	delivery  *delivery // of run
	state     State     // of all members, when they agreed last
	seq       uint64    // of last
	last      Transition
	coalesced uint64 // in earlier Runs
}

// NewGroup returns a group of routers, which run with it from now on:
// [Router.Run], [Router.Yield] and [Router.Resume] return [ErrGrouped]. Their
// other methods work as before.
//
// A router is in one group at most, and does not run yet. Either all are owners
// (priority 255) or none is. Routers on one transport differ in VRID or family.
// Their order means nothing.
// The error lists every problem.
func NewGroup(name string, routers ...*Router) (*Group, error) {
	g := &Group{title: name}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("vrrp: group %q: "+format, append([]any{name}, args...)...))
	}
	if name == "" {
		bad("a name is needed")
	}
	if len(routers) == 0 {
		bad("a router is needed")
	}
	var seats []seat
	for i, r := range routers {
		if r == nil {
			bad("router %d is nil", i+1)
			continue
		}
		at, err := r.join(g)
		if err != nil {
			bad("virtual router %d %w", r.vrid, err)
			continue
		}
		g.routers = append(g.routers, r)
		if slices.ContainsFunc(seats, at.same) {
			bad("virtual router %d shares its VRID, family and transport with another one: %w", r.vrid, ErrDuplicateVRID)
		}
		seats = append(seats, at)
	}
	owners := func(r *Router) bool { return r.owns() }
	if slices.ContainsFunc(g.routers, owners) && !all(g.routers, owners) {
		bad("some routers are owners of their addresses (priority 255), and some are not")
	}
	if len(errs) == 0 {
		return g, nil
	}
	for _, r := range g.routers {
		r.mu.Lock()
		r.group = nil
		r.mu.Unlock()
	}
	return nil, errors.Join(errs...)
}

func all[T any](list []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !ok(v) })
}

// seat is where a router speaks.
type seat struct {
	transport Transport
	vrid      uint8
	family    Family
}

// same reports whether two seats are one, as far as transports can be compared.
func (s seat) same(o seat) bool {
	return s.vrid == o.vrid && s.family == o.family && reflect.ValueOf(s.transport).Comparable() && s.transport == o.transport
}

// join puts the router into a group.
func (r *Router) join(g *Group) (seat, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.group == g:
		return seat{}, errors.New("is given twice")
	case r.group != nil:
		return seat{}, fmt.Errorf("is in group %q: %w", r.group.title, ErrGrouped)
	case r.busy:
		return seat{}, fmt.Errorf("runs already: %w", ErrRunning)
	}
	r.group = g
	return seat{r.config.transport, r.vrid, r.family}, nil
}

// owns reports whether the router is the owner of its addresses.
func (r *Router) owns() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config.priority == owner
}

// Track adds a tracker to all routers of the group; see [Router.Track].
func (g *Group) Track(name string, weight int, opts ...TrackOption) (*Tracker, error) {
	return trackAll(g.routers, name, weight, opts)
}

// Name returns the name; that of no group is empty.
func (g *Group) Name() string {
	if g == nil {
		return ""
	}
	return g.title
}

// Routers returns the members, in the order given to [NewGroup].
func (g *Group) Routers() []*Router { return slices.Clone(g.routers) }

// OnTransition calls f for each transition of the group as a whole: when all
// members are in another state than the one they last shared. Its VRID is 0 and
// its effective priority is 0, as in keepalived's notifications of a group; its
// reason is that of the member that was the cause. What [WithOnTransition] says
// holds for f. It counts from the next [Group.Run] on.
func (g *Group) OnTransition(f func(Transition)) {
	if f == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.callbacks = append(slices.Clip(g.callbacks), f)
}

// GroupStatus is a group at one moment.
type GroupStatus struct {
	Name           string     `json:"name"`
	State          State      `json:"state"`                    // of all members, when they agreed last
	LastTransition Transition `json:"last-transition,omitzero"` // of the group; absent before the first
	Coalesced      uint64     `json:"coalesced-transitions"`    // that OnTransition did not see
	Routers        []Status   `json:"routers"`                  // in the order given to NewGroup
}

// Snapshot returns the state of the group. It may be called at any time.
func (g *Group) Snapshot() GroupStatus {
	g.mu.Lock()
	s := GroupStatus{Name: g.title, State: g.state, LastTransition: g.last, Coalesced: g.coalesced + g.delivery.coalesced()}
	g.mu.Unlock()
	for _, r := range g.routers {
		s.Routers = append(s.Routers, r.Snapshot())
	}
	return s
}

// Collect emits the figures of every router; see [Router.Collect]. They carry
// the label group.
func (g *Group) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	for _, r := range g.routers {
		r.Collect(emit)
	}
}
