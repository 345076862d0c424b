package lvs

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// A Dest is one destination (a real server) of a [Service]. The pointer stays the same from [Service.Add] to
// [Service.Remove]; a destination that is added again is a new one, with counters of its own.
// All methods may be called from several goroutines.
type Dest struct {
	service *Service
	id      string
	addr    netip.AddrPort

	// Guarded by service.mu.
	weight  int                // as configured
	drained bool               // by Service.Drain
	health  map[string]verdict // by source

	books books
}

// books are the counters that IPVS keeps of a destination, and of a service.
type books struct {
	active atomic.Int64 // connections in an active state
	total  atomic.Int64 // connections bound now, active or not

	conns  atomic.Uint64 // connections ever bound
	failed atomic.Uint64 // of them, those that never reached the destination
	in     atomic.Uint64 // bytes from clients
	out    atomic.Uint64 // bytes to clients
}

// inactive is what the kernel shows as InActConn. The two counters are read one after the other, hence the floor.
func (b *books) inactive() int64 { return max(b.total.Load()-b.active.Load(), 0) }

// A verdict is the latest word of one health source.
type verdict struct {
	up    bool
	cause error
	since time.Time // when it changed its mind last
}

// ID returns the destination's name within its service.
func (d *Dest) ID() string { return d.id }

// Addr returns the address that connections go to.
func (d *Dest) Addr() netip.AddrPort { return d.addr }

// Group returns the name of the service that the destination belongs to.
func (d *Dest) Group() string { return d.service.name }

// lockedUp reports whether no health source objects. The caller holds service.mu.
func (d *Dest) lockedUp() bool {
	for _, v := range d.health {
		if !v.up {
			return false
		}
	}
	return true
}

// lockedMember is the destination as its configuration makes it now. The caller holds service.mu.
func (d *Dest) lockedMember() member {
	m := member{dest: d, down: !d.lockedUp()}
	if !m.down && !d.drained {
		m.weight = int32(d.weight)
	}
	return m
}

// members is one state of a service's membership: newest destination first, as IPVS keeps its list. The list is immutable.
type members struct {
	list []member
	mark atomic.Int64 // for a scheduler that remembers its last pick: the index of that, or a mark of its own
}

func newMembers(list []member) *members {
	m := &members{list: list}
	m.mark.Store(head)
	return m
}

type member struct {
	dest   *Dest
	weight int32 // 0 while it may not take new connections
	down   bool  // a health source objects
}

// next returns the first index after i, wrapping round up to i itself, whose weight is above 0 and that is none of except;
// -1 if there is none. i is -1 for the head of the list.
func (m *members) next(i int, except ...*Dest) int {
	for k := i + 1; k < len(m.list); k++ {
		if m.list[k].weight > 0 && !slices.Contains(except, m.list[k].dest) {
			return k
		}
	}
	for k := 0; k <= i; k++ {
		if m.list[k].weight > 0 && !slices.Contains(except, m.list[k].dest) {
			return k
		}
	}
	return -1
}

func (m *members) index(d *Dest) int {
	return slices.IndexFunc(m.list, func(x member) bool { return x.dest == d })
}
