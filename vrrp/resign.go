package vrrp

import (
	"net/netip"
	"time"
)

// shutdown is Shutdown of RFC 9568; an Active router keeps the addresses until
// its heir has them, for one interval at most.
func (m *machine) shutdown(now instant) {
	switch m.state {
	case Initialize:
		m.rest()
	case Active:
		m.resign(now, Initialize)
	default:
		m.enter(Initialize, ReasonShutdown, netip.AddrPort{})
	}
}

// lost ends everything without a packet, since none can be sent.
func (m *machine) lost() {
	if m.state == Active {
		m.do(action{kind: actRemove})
	}
	if m.state == Initialize {
		m.rest()
		return
	}
	m.enter(Initialize, ReasonLost, netip.AddrPort{})
}

// yield stands by: an Active router resigns first.
func (m *machine) yield(now instant) {
	m.claim(now, func() { m.standby = true })
	m.holdAt = never
	if m.state == Active {
		m.resign(now, Backup)
	}
}

// resume competes again.
func (m *machine) resume(now instant) {
	claimed := m.effective()
	m.claim(now, func() { m.standby = false })
	m.advertise(claimed)
}

// resign sends priority 0 once and waits for the heir.
func (m *machine) resign(now instant, to State) {
	if m.yielding {
		m.yieldTo = min(m.yieldTo, to) // Initialize prevails
		return
	}
	m.yieldTo = to
	if m.set.quirks.removeFirst {
		m.do(action{kind: actRemove})
		m.send(0)
		m.leave(now)
		return
	}
	m.send(0)
	m.yielding, m.followed, m.news = true, false, stopped()
	m.timer = after(now, m.set.interval)
}

// handover is how long the addresses stay after the first advert of the heir, or a
// quarter of an interval if that is shorter: it advertises first, and then installs
// and announces them, and until then the neighbours send to us.
const handover = 10 * time.Millisecond

// inherit takes an advert of the heir.
func (m *machine) inherit(now instant, ev *event) {
	if !m.followed {
		m.timer = after(now, min(handover, m.set.interval/4))
	}
	m.followed, m.rival, m.lower = true, ev.from, lower{now, ev.priority, ev.interval}
}

// release ends the wait for an heir.
func (m *machine) release(now instant) {
	m.do(action{kind: actRemove})
	m.leave(now)
}

// leave goes where a resignation leads.
func (m *machine) leave(now instant) {
	var heir netip.AddrPort
	if m.followed {
		heir = m.rival
	}
	switch last := m.lower; {
	case m.yieldTo == Initialize:
		m.enter(Initialize, ReasonShutdown, heir)
	case m.followed:
		m.follow(last.at, &event{from: heir, interval: last.interval}, ReasonYield)
	default:
		m.follow(now, nil, ReasonYield)
	}
}

// follow goes from Active to Backup, behind the speaker of advert if not nil.
func (m *machine) follow(now instant, advert *event, why Reason) {
	if advert == nil {
		m.enter(Backup, why, netip.AddrPort{})
	} else {
		m.enter(Backup, why, advert.from)
		m.learn(advert.interval)
	}
	m.timer = after(now, m.down())
}
