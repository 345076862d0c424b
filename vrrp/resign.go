package vrrp

import "net/netip"

// shutdown is Shutdown of RFC 9568; an Active router keeps the addresses until
// its heir advertises, for one interval at most.
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
		m.leave(now, nil)
		return
	}
	m.send(0)
	m.yielding, m.news = true, stopped()
	m.timer = after(now, m.set.interval)
}

// release ends the wait for an heir; advert is its first one, or nil.
func (m *machine) release(now instant, advert *event) {
	m.do(action{kind: actRemove})
	m.leave(now, advert)
}

// leave goes where a resignation leads.
func (m *machine) leave(now instant, advert *event) {
	var heir netip.AddrPort
	if advert != nil {
		heir = advert.from
	}
	if m.yieldTo == Initialize {
		m.enter(Initialize, ReasonShutdown, heir)
		return
	}
	m.follow(now, advert, ReasonYield)
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
