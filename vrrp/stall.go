package vrrp

import "net/netip"

// stalled takes the news that the driver was held up for longer than the down
// interval, or that the host slept. What a driver that was held up has received
// meanwhile has been stepped before, except that an Active router notices at the
// first advert; the deadlines that passed have not. That the host slept comes
// first of all, since the clock of the core stood still.
//
// Somebody may have taken over unseen. So an Active router says that it is
// there, and announces; one that would not have preempted steps down instead,
// with priority 0, which an Active router answers at once. It listens then for
// as long as an Active router may be silent, and so does a Backup whose timers
// ran out.
func (m *machine) stalled(now instant) {
	switch {
	case m.state == Backup:
		wait := m.listen(now)
		if m.timer <= now || m.wants {
			m.timer, m.wants = wait, false
		}
		if m.holdAt <= now {
			m.holdAt = wait
		}
		return
	case m.state != Active || m.yielding:
		return
	}
	m.warn(warnStalled, netip.AddrPort{})
	if m.preempts() {
		m.send(m.effective())
		m.timer = after(now, m.period())
		m.announceAgain(now)
		return
	}
	m.send(0)
	m.do(action{kind: actRemove})
	m.follow(now, nil, ReasonStalled)
	m.timer = m.listen(now)
}

// queued is for an advert that waited in a queue while an Active router was held
// up: it is of somebody who has taken over, and not of one that should be a
// Backup. To a better one the router leaves anyway, and does not announce first.
func (m *machine) queued(now instant, ev *event) {
	switch {
	case m.state != Active || m.yielding || now <= after(m.timer, m.down()):
	case m.outranked(ev) != ReasonNone:
		m.warn(warnStalled, netip.AddrPort{})
	default:
		m.stalled(now)
	}
}

// listen is when an Active router must have been heard, or a better Backup.
func (m *machine) listen(now instant) instant { return after(now, m.learned+m.skew()) }
