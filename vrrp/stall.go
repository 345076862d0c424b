package vrrp

import "net/netip"

// stalled takes the news that the driver was held up for longer than the down
// interval, or that the host slept. What was received meanwhile has been
// stepped before; the deadlines that passed have not.
//
// Somebody may have taken over unseen. So an Active router says that it is
// there, and announces; one that would not have preempted steps down instead,
// with priority 0, which an Active router answers at once. A Backup whose
// timers ran out first listens for as long as an Active router may be silent.
func (m *machine) stalled(now instant) {
	switch {
	case m.state == Active && m.yielding, m.state != Active && m.state != Backup:
		return
	case m.state == Backup:
		wait := after(now, m.learned+m.skew())
		if m.timer <= now || m.wants {
			m.timer, m.wants = wait, false
		}
		if m.holdAt <= now {
			m.holdAt = wait
		}
		return
	}
	m.warn(warnStalled, netip.AddrPort{})
	if !m.preempts() {
		m.send(0)
		m.do(action{kind: actRemove})
		m.follow(now, nil, ReasonStalled)
		return
	}
	m.send(m.effective())
	m.timer = after(now, m.period())
	m.announceAgain(now)
}
