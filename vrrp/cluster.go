package vrrp

import "time"

// cluster is a sync group: routers that are Active together or not at all. Each
// member hears its own network and keeps its own timers, but says only what
// it would do; the cluster decides.
//
//   - To Active when every member would be.
//   - To Fault when any has a fault, and out of it when none has.
//   - Out of Active when a better speaker was heard; see verdict.
//
// Members come in an order that is the same on every host, so that two hosts
// which are each better on one network agree on whose word counts.
type cluster struct {
	members []*machine
	waiting instant // for a member that comes first to hear something; see verdict
	broken  bool    // a member has lost its transport
	out     []action
}

func newCluster(members []*machine) *cluster {
	if len(members) > 1 {
		for _, m := range members {
			m.seen = new(sighting)
		}
	}
	return &cluster{members: members, waiting: never}
}

func (c *cluster) deadline() instant {
	next := c.waiting
	for _, m := range c.members {
		next = min(next, m.deadline())
	}
	return next
}

func (c *cluster) step(now instant, member int, ev event) []action {
	c.out = c.out[:0]
	if member != everybody {
		c.one(now, member, ev)
	} else {
		for i := range c.members {
			c.one(now, i, ev)
		}
	}
	if len(c.members) > 1 {
		c.broken = ev.kind == evLost || c.broken && ev.kind != evStart
		c.share(now)
		c.hasten(now, member, &ev)
		c.leave(now)
		c.take(now)
	}
	return c.out
}

// one steps a member and collects its actions.
func (c *cluster) one(now instant, i int, ev event) {
	for _, a := range c.members[i].step(now, ev) {
		a.member = i
		c.out = append(c.out, a)
	}
}

// share makes the fault of one that of all.
func (c *cluster) share(now instant) {
	faulty := 0
	for _, m := range c.members {
		if m.faults&^faultGroup != 0 {
			faulty++
		}
	}
	for i, m := range c.members {
		others := faulty
		if m.faults&^faultGroup != 0 {
			others--
		}
		switch shared := m.faults&faultGroup != 0; {
		case (others > 0 || c.broken) && !shared:
			c.one(now, i, event{kind: evFault, fault: faultGroup})
		case others == 0 && !c.broken && shared:
			c.one(now, i, event{kind: evClear, fault: faultGroup})
		}
	}
}

// hasten passes a priority 0 on: whoever leaves one network leaves all of them,
// but on one that failed it cannot say so. A member that has heard nothing for an
// interval and its skew waits no longer.
func (c *cluster) hasten(now instant, member int, ev *event) {
	if ev.kind != evAdvert || ev.priority != 0 {
		return
	}
	for i, m := range c.members {
		if i != member && m.state == Backup && !m.wants {
			silent := after(m.heardAt, m.learned+m.skew())
			m.timer = min(m.timer, max(silent, after(now, m.skew())))
		}
	}
}

// take makes all members Active when all would be.
func (c *cluster) take(now instant) {
	for _, m := range c.members {
		if m.state != Backup || !m.wants {
			return
		}
	}
	for i := range c.members {
		c.one(now, i, event{kind: evTake})
	}
}

// leave makes all members Backups when the verdict is so, or when one of them is
// a Backup on its own account. One that resigns leaves in its own time.
func (c *cluster) leave(now instant) {
	loser, active := c.verdict(now), false
	for i, m := range c.members {
		active = active || m.state == Active && !m.yielding
		if loser < 0 && m.state == Backup && !m.standby {
			loser = i
		}
	}
	if loser < 0 || !active {
		return
	}
	c.waiting = never
	for i, m := range c.members {
		if m.state == Active && !m.yielding {
			c.one(now, i, event{kind: evLeave, concede: i == loser})
		}
	}
}

// verdict returns the member that has lost to a better speaker, or -1.
//
// The first member in order that hears another Active speaker decides. One that
// comes later waits for those before it, as long as it takes to hear an
// advert there; without that, two hosts that are each better on one network
// would leave together, for ever. A speaker that keeps silent meanwhile has
// gone.
func (c *cluster) verdict(now instant) int {
	c.waiting = never
	for i, m := range c.members {
		if m.state != Active || m.yielding || !m.grouped() {
			continue
		}
		switch s := m.seen; {
		case s.kind == seenNobody || after(s.at, time.Duration(m.set.adverts)*s.interval) <= now:
			s.kind = seenNobody
		case s.kind == seenWorse && m.losing > m.set.adverts:
			// It does not hear us, so it will not leave.
		case s.kind == seenWorse:
			return -1
		case i == 0:
			return i
		case after(s.since, s.patience()) > now:
			c.waiting = after(s.since, s.patience())
			return -1
		case s.at > s.since:
			return i
		default:
			s.kind = seenNobody
		}
	}
	return -1
}
