package vrrp

import "time"

// update adopts new settings without a transition.
func (m *machine) update(now instant, set settings) {
	old, claimed := m.set.interval, m.effective()
	set.plan = set.plan.resolve()
	replan := set.plan != m.set.plan
	m.claim(now, func() {
		m.set = set
		if !m.heard {
			m.learned = set.interval
		}
	})
	if replan && m.news.burst != never {
		m.held(now)
	}
	if m.holdAt != never && (!m.preempts() || set.preemptDelay == 0) {
		m.holdAt = never
	}
	if set.interval == old {
		m.advertise(claimed)
	}
	if m.state != Active || m.yielding || set.interval == old {
		return
	}
	// Backups still count on the old interval. While it grows, as many adverts
	// as they wait for keep the old pace, so that losing one costs nothing.
	m.send(m.effective())
	m.paced, m.pace = 0, 0
	if set.interval > old {
		m.paced, m.pace = set.adverts, old
	}
	m.timer = after(now, m.period())
}

// track takes the verdict of the trackers.
func (m *machine) track(now instant, delta int, down bool) {
	claimed := m.effective()
	m.claim(now, func() { m.delta = delta })
	if down {
		m.fault(now, faultTracking, false)
	} else {
		m.clear(now, faultTracking)
	}
	m.advertise(claimed)
}

// advertise tells at once what an Active router claims now, unless it is what
// it claimed before: a Backup that is better then need not wait for the next
// advert to know. Adver_Timer runs on.
func (m *machine) advertise(claimed uint8) {
	if m.state == Active && !m.yielding && m.effective() != claimed {
		m.send(m.effective())
	}
}

// claim changes what the router claims. A Backup's deadline shifts by the
// difference of the waits and does not start again, unless the Active router
// that it was to preempt is one to follow now: then it waits as if it had
// followed it all along.
func (m *machine) claim(now instant, change func()) {
	before, late := m.wait(), m.timer <= now
	change()
	if m.state != Backup {
		return
	}
	if m.timer != never {
		m.timer = after(m.timer, m.wait()-before)
	}
	if (m.beaten || m.waited || m.holdAt != never) && (!m.preempts() || m.lower.priority >= m.effective()) {
		m.holdAt, m.waited = never, false
		m.accept(m.lower.at, m.lower.interval)
	}
	if !late {
		m.timer = max(m.timer, now) // what only the change moved into the past is not late
	}
}

// period is the time to the next advert.
func (m *machine) period() time.Duration {
	if m.paced > 0 {
		return m.pace
	}
	return m.set.interval
}
