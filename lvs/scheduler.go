package lvs

import (
	"errors"
	"net/netip"
	"sync/atomic"
)

// A Scheduler is the rule by which a [Service] picks the destination of a new connection. It comes from a named
// constructor such as [RoundRobin], or from [NewScheduler]. It is a value without state: each service starts its own.
type Scheduler struct {
	name  string
	own   bool // made by NewScheduler: no plane but one that asks Service.Pick can run it
	start func() picker
}

// NewScheduler makes a scheduler of your own. For each new connection pick gets the service's destinations and the
// connection, and returns an index into the view, or false to refuse the client. An index out of range, and one of a
// destination that is not [View.Eligible], refuses the client too.
//
// pick is called from many goroutines at the same time, holds up the connection while it runs, and allocates only if it must.
// The name appears in snapshots and must not be empty.
func NewScheduler(name string, pick func(View, Flow) (int, bool)) Scheduler {
	s := Scheduler{name: name, own: true}
	if pick != nil {
		s.start = func() picker { return ownPicker(pick) }
	}
	return s
}

// String returns the scheduler's name, in ipvsadm's spelling where it is one of the kernel's.
func (s Scheduler) String() string { return s.name }

func (s Scheduler) validate() error {
	switch {
	case s.start == nil:
		return errors.New("the scheduler has no rule")
	case s.name == "":
		return errors.New("the scheduler has no name")
	}
	return nil
}

// A Flow is what a scheduler may know of a new connection.
type Flow struct {
	Client  netip.AddrPort // where it comes from
	Virtual netip.AddrPort // where the client sent it: the service's address, or one of many that lead to it
}

// A View is the membership of a service at one instant, in the kernel's list order: the destination added last comes first.
// It is immutable but for the counters, which are live.
type View struct{ m *members }

// Len returns the number of destinations, eligible or not.
func (v View) Len() int { return len(v.m.list) }

// Dest returns destination i.
func (v View) Dest(i int) *Dest { return v.m.list[i].dest }

// Weight returns the weight of destination i for new connections: 0 while it is down, drained or quiesced.
func (v View) Weight(i int) int { return int(v.m.list[i].weight) }

// Eligible reports whether destination i may take a new connection.
func (v View) Eligible(i int) bool { return v.m.list[i].weight > 0 }

// Active returns the number of active connections of destination i.
func (v View) Active(i int) int64 { return v.m.list[i].dest.books.active.Load() }

// Inactive returns the number of bound connections of destination i that are not active.
func (v View) Inactive(i int) int64 { return v.m.list[i].dest.books.inactive() }

// A picker is a scheduler at work in one service. It has a method of its own for connections that all look alike to it,
// since handing a Flow on costs a third of such a pick.
type picker interface {
	// pick returns the membership it looked at and the index it chose, or -1.
	pick(cur *atomic.Pointer[members]) (*members, int)

	// swap publishes next and brings the picker's own state along. Calls are serialised, picks go on meanwhile.
	swap(cur *atomic.Pointer[members], next *members, c change)
}

// A flowPicker is a picker that looks at the connection; its pick is not called.
type flowPicker interface {
	picker
	pickFlow(cur *atomic.Pointer[members], f Flow) (*members, int)
}

// A change is one edit of the membership.
type change struct {
	op op
	at int // index: in the new list for added, in the old list for removed, in both for edited
}

type op uint8

const (
	added op = iota
	removed
	edited
)

// An ownPicker is a user's function; whatever state it has is its own.
type ownPicker func(View, Flow) (int, bool)

func (p ownPicker) pick(cur *atomic.Pointer[members]) (*members, int) { return p.pickFlow(cur, Flow{}) }

func (p ownPicker) pickFlow(cur *atomic.Pointer[members], f Flow) (*members, int) {
	m := cur.Load()
	i, ok := p(View{m}, f)
	if !ok || i < 0 || i >= len(m.list) || m.list[i].weight <= 0 {
		return m, -1
	}
	return m, i
}

func (p ownPicker) swap(cur *atomic.Pointer[members], next *members, _ change) { cur.Store(next) }
