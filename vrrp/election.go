package vrrp

import (
	"net/netip"
	"time"
)

// owner is the priority of the router whose own addresses are the virtual ones.
const owner = 255

// advert takes a valid advertisement. Initialize and Fault do not listen.
func (m *machine) advert(now instant, ev *event) {
	if m.state != Backup && m.state != Active {
		return
	}
	if ev.from == m.self {
		m.warn(warnDuplicate, ev.from) // our own packet, or a stolen address: never follow it
		return
	}
	m.queued(now, ev)
	m.warnEqual(ev)
	switch {
	case m.state == Backup:
		m.backupHears(now, ev)
	case !m.yielding:
		m.activeHears(now, ev)
	case ev.priority > 0:
		m.inherit(now, ev) // the heir: whoever does not resign
	}
}

// warnEqual reports a peer that is configured as we are.
func (m *machine) warnEqual(ev *event) {
	switch {
	case ev.priority == 0 || ev.priority != m.effective():
	case ev.priority == owner:
		m.warn(warnOwnerConflict, ev.from)
	default:
		m.warn(warnEqualPriority, ev.from)
	}
}

// backupHears is RFC 9568 section 6.4.2. Addresses are not compared here.
func (m *machine) backupHears(now instant, ev *event) {
	m.rival, m.heardAt = ev.from, now
	switch {
	case ev.priority == 0:
		m.wants = false
		// The learned interval stays: the skew is relative to it.
		m.skewed, m.beaten, m.waited, m.holdAt = true, false, false, never
		m.timer = after(now, m.skew())
	case ev.priority >= m.effective():
		m.holdAt, m.waited = never, false
		m.accept(now, ev.interval)
	case !m.preempts():
		m.accept(now, ev.interval)
	case m.set.preemptDelay > 0 && !m.waited:
		if m.holdAt == never {
			m.holdAt = after(now, m.set.preemptDelay)
		}
		m.lower = lower{now, ev.priority, ev.interval}
		m.accept(now, ev.interval)
	default:
		m.lower = lower{now, ev.priority, ev.interval}
		m.beaten = true // discarded: the timer runs on
	}
}

// lower is an advert of a speaker with a lower claim. That of an Active router
// that is to be preempted counts after all when the claim changes before that;
// see claim.
type lower struct {
	at       instant
	priority uint8
	interval time.Duration
}

// accept follows the speaker of an advert in Backup.
func (m *machine) accept(now instant, interval time.Duration) {
	m.learn(interval)
	m.skewed, m.beaten, m.wants = false, false, false
	m.timer = after(now, m.down())
}

// outranked is why an Active router leaves to the speaker of ev, or ReasonNone.
func (m *machine) outranked(ev *event) Reason {
	switch mine := m.effective(); {
	case ev.priority > mine:
		return ReasonHigherPriority
	case ev.priority == mine && ev.from.Compare(m.self) > 0:
		return ReasonHigherAddress
	}
	return ReasonNone
}

// activeHears is RFC 9568 section 6.4.3, with erratum 8298: an owner listens
// too, so that two owners converge by address.
func (m *machine) activeHears(now instant, ev *event) {
	switch why := m.outranked(ev); {
	case ev.priority == 0:
		m.send(m.effective())
		m.timer = after(now, m.period())
		m.announceAgain(now) // only an Active router resigns: it may have announced after us
		m.see(now, seenNobody, ev, ReasonNone)
	case why != ReasonNone:
		m.lose(now, ev, why)
	default:
		m.see(now, seenWorse, ev, ReasonNone)
		m.loses(now, ev)
	}
}

// lose leaves to a better router, unless a group has to agree.
func (m *machine) lose(now instant, ev *event, why Reason) {
	if m.grouped() {
		m.see(now, seenBetter, ev, why)
		return
	}
	m.concede(now, ev, why)
}

// loses answers a speaker that should be a Backup, without moving Adver_Timer,
// and tells the neighbours, who may have believed it. One that goes on and on
// does not hear us.
func (m *machine) loses(now instant, ev *event) {
	m.warn(warnLosing, ev.from)
	switch heard := m.lower.at; {
	case ev.from != m.rival || now > after(heard, m.set.down(ev.priority, ev.interval)):
		m.rival, m.losing = ev.from, 1
	case now > after(heard, ev.interval/2): // copies, and what waited in a queue, say nothing new
		m.losing++
	}
	m.lower = lower{now, ev.priority, ev.interval}
	if m.losing > m.set.adverts {
		m.warn(warnOneWay, ev.from)
	}
	if !m.set.quirks.silentOnLosing && now >= m.answer {
		m.send(m.effective())
		m.answer = after(now, min(m.set.interval, time.Second)/answers)
	}
	m.announceAgain(now)
}

// answers is how many losing adverts are answered in an interval or a second,
// whichever is shorter; all speakers hear each. Where two of them both believe to
// win, each answer of one is a losing advert to the other: without a limit they
// would talk as fast as the network carries it.
const answers = 16

// concede leaves Active to a better router. It answers once first: after a split
// the winner must learn that there was somebody to announce against.
func (m *machine) concede(now instant, ev *event, why Reason) {
	if !m.set.quirks.silentOnYield {
		m.send(m.effective())
	}
	m.do(action{kind: actRemove})
	m.follow(now, ev, why)
}

func (m *machine) warn(w warning, peer netip.AddrPort) {
	m.do(action{kind: actWarn, warning: w, peer: peer})
}
