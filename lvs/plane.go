package lvs

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Plane carries the packets or connections of services: in user space, in the kernel, wherever.
//
// Optional abilities are interfaces of their own, which a plane may have or not.
type Plane interface {
	// Capabilities says what the plane can carry. It does not change.
	Capabilities() Capabilities

	// Apply makes want, which is all of it, what the plane carries: what is missing is added, what differs is changed,
	// what is not named is removed. Applying the same thing twice changes nothing. On an error the plane holds on to what it
	// carries as well as it can, and Apply is called again later. The slices belong to the plane from then on.
	Apply(ctx context.Context, want []ServiceSpec) error
}

// Capabilities are what a [Plane] can carry. A [Director] refuses everything else by name, instead of doing half of it.
type Capabilities struct {
	// Name is what errors call the plane, as in "relay".
	Name string

	// Protocols are the ones it carries.
	Protocols []Protocol

	// Schedulers are the names of those it runs by itself. Empty means that it asks [Service.Pick] for each
	// connection and so runs them all, your own ones included.
	Schedulers []string
}

// refuse returns a [RefusedError] if a plane of these capabilities cannot carry the service.
func (c Capabilities) refuse(s *Service) error {
	refused := func(format string, args ...any) error {
		return &RefusedError{Plane: c.Name, Service: s.name, Reason: fmt.Sprintf(format, args...)}
	}
	if !slices.Contains(c.Protocols, s.proto) {
		names := make([]string, len(c.Protocols))
		for i, p := range c.Protocols {
			names[i] = p.String()
		}
		return refused("it carries %s, not %v", list(names), s.proto)
	}
	if len(c.Schedulers) == 0 {
		return nil
	}
	if s.sched.own {
		return refused("it picks by itself and cannot run the scheduler %q of this program", s.sched.name)
	}
	if !slices.Contains(c.Schedulers, s.sched.name) {
		return refused("it has the scheduler %s, not %s", list(c.Schedulers), s.sched.name)
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// A ServiceSpec is what a plane has to know of one service.
type ServiceSpec struct {
	Name      string         // the group of its destinations
	Protocol  Protocol       // what clients speak
	VIP       netip.AddrPort // what clients connect to
	Scheduler string         // its name, as in ipvsadm(8)
	Dests     []DestSpec     // in list order: the one added last comes first

	// Service is where the spec comes from, for a plane that asks [Service.Pick] and keeps the books with [Dest.Bind].
	Service *Service
}

// A DestSpec is what a plane has to know of one destination. Two of them can be compared.
type DestSpec struct {
	ID     string         // unique in the service
	Addr   netip.AddrPort // what connections go to
	Weight int            // for new connections: 0 while down, drained or quiesced
	Down   bool           // a health source objects; a plane may take such a destination out altogether
}

// spec returns the service as it is wanted now.
func (s *Service) spec() ServiceSpec {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.current.Load().list
	spec := ServiceSpec{
		Name: s.name, Protocol: s.proto, VIP: s.vip, Scheduler: s.sched.name,
		Dests: make([]DestSpec, len(list)), Service: s,
	}
	for i, m := range list {
		spec.Dests[i] = DestSpec{ID: m.dest.id, Addr: m.dest.addr, Weight: int(m.weight), Down: m.down}
	}
	return spec
}
