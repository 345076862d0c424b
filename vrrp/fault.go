package vrrp

import "net/netip"

// faultSet holds the reasons that keep a router out of the election.
type faultSet uint32

const (
	faultAddresses faultSet = 1 << iota // Install failed, or an address was lost
	faultLink                           // the interface is down, without carrier, or missing
	faultSource                         // the interface has no address to send from
	faultTracking                       // a tracker of weight 0 is down, or not known yet
	faultGroup                          // another member of the sync group has a fault
)

// unsendable faults leave nothing to say, since nobody would hear it.
const unsendable = faultLink | faultSource

var faultNames = [...]string{"addresses", "link", "source", "tracking", "group"}

// reason is why, unless the change is for the group's sake.
func (f faultSet) reason(why Reason) Reason {
	if f == faultGroup {
		return ReasonGroup
	}
	return why
}

// names lists the faults, or returns nil.
func (f faultSet) names() []string {
	var out []string
	for i, n := range faultNames {
		if f&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

// fault adds a reason not to take part.
func (m *machine) fault(now instant, f faultSet, retry bool) {
	m.faults |= f
	if retry {
		m.retryAt = after(now, m.set.down(m.effective(), m.set.interval))
	}
	switch {
	case m.yielding && m.yieldTo == Initialize:
		m.release(now) // nothing left to wait for
		return
	case m.state == Active:
		if !m.yielding && f&unsendable == 0 {
			m.send(0)
		}
		m.do(action{kind: actRemove})
	case m.state != Backup:
		return
	}
	m.enter(Fault, f.reason(ReasonFault), netip.AddrPort{})
}

// clear removes a reason. Without one left the router waits a full down
// interval in Backup, owner or not.
func (m *machine) clear(now instant, f faultSet) {
	m.faults &^= f
	if f&faultAddresses != 0 {
		m.retryAt = never
	}
	if m.state == Fault && m.faults == 0 {
		m.enter(Backup, ReasonRecovered, netip.AddrPort{})
		m.timer = after(now, m.down())
	}
}
