package healthcheck

import (
	"context"
	"time"
)

// lockedFirst schedules the first check of h; m.mu is held.
func (m *Manager) lockedFirst(h *Handle, now int64) {
	var at int64
	at, h.place = m.schedule.first(now, h.hash, h.policy.Interval)
	m.schedule.waiting.push(h.index, at)
	m.lockedPoke()
}

// lockedNext schedules the check after the one that ended now; before is the
// verdict it found. m.mu is held.
func (m *Manager) lockedNext(h *Handle, before verdict, now int64) {
	interval := h.verdict.interval(&h.policy)
	if before.known && interval != before.interval(&h.policy) {
		h.place = h.start // a new pace counts from the check that set it
	}
	var at int64
	at, h.place = m.schedule.next(h.place, h.start, now, h.hash, h.round, interval)
	m.schedule.waiting.push(h.index, at)
}

// lockedPoke wakes the scheduler if it would wake too late; m.mu is held.
func (m *Manager) lockedPoke() {
	if m.schedule.wake() >= m.planned {
		return
	}
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// lockedStart begins the check that is due, if there is one and a place for
// it; m.mu is held.
func (m *Manager) lockedStart(now int64) (probe, bool) {
	if m.stopped || m.ctx.Err() != nil {
		return probe{}, false
	}
	index, at, own, ok := m.schedule.due(now)
	if !ok {
		return probe{}, false
	}
	h := m.slots[index]
	timeout, half := int64(h.policy.Timeout), int64(h.policy.Interval)/2
	h.round++
	h.start, h.late = now, own > half
	if now-at > half {
		m.totals.late++
	}
	p := probe{handle: h, round: h.round}
	p.ctx, p.cancel = context.WithDeadline(m.ctx, m.base.Add(time.Duration(now+timeout)))
	h.cancel = p.cancel
	m.schedule.running.push(index, now+timeout+timeout/2)
	return p, true
}

// lockedGuard keeps a failure of this process from becoming one of the target:
// a timeout says nothing when the check began more than half an interval after
// it was due because the scheduler itself was late, or when it ended as much
// past its deadline and the scheduler has not noticed; m.mu is held.
func (m *Manager) lockedGuard(h *Handle, now int64, r Result) Result {
	over := now - h.start - int64(h.policy.Timeout)
	if r.Status == Pass || r.Status == Local || over < 0 || !h.late && over <= int64(h.policy.Interval)/2 {
		return r
	}
	m.totals.heldUp++
	return Result{Status: Local, Err: errHeldUp, Took: r.Took}
}

// lockedOverdue judges a check that should have returned at at; m.mu is held.
func (m *Manager) lockedOverdue(h *Handle, at, now int64) {
	if h.late || now-at > int64(h.policy.Interval)/2 { // late ourselves: it may be about to return
		h.late = false
		m.totals.heldUp++
		m.schedule.running.push(h.index, now+int64(h.policy.Timeout)/2)
		return
	}
	m.totals.overdue++
	h.stuck = true
	h.round++ // what it returns is of no use any more
	m.lockedJudge(h, now, Result{Status: Fail, Err: ErrOverdue, Took: time.Duration(now - h.start)})
	m.schedule.running.push(h.index, now+int64(h.verdict.interval(&h.policy)))
}

// lockedJudge counts the result of a check of h; m.mu is held.
func (m *Manager) lockedJudge(h *Handle, now int64, r Result) {
	if r.Status != Pass && r.Status != Fail && r.Status != Local {
		r.Status = Fail
		if r.Err == nil {
			r.Err = errNoStatus
		}
	}
	m.ended = now
	h.ended, h.took, h.err, h.info = now, r.Took, r.Err, r.Info
	if r.Status == Local {
		h.locals++
		m.totals.locals++
		m.lockedWarn(now, r.Err)
		return
	}
	first := !h.verdict.known
	if r.Status == Pass {
		h.err = nil
		h.passes++
		m.totals.passes++
	} else {
		h.fails++
		m.totals.fails++
	}
	if !h.verdict.step(&h.policy, r.Status == Pass) {
		return
	}
	state := h.verdict.state(&h.policy)
	h.since = now
	h.changes++
	h.state.Store(uint32(state))
	m.totals.events++
	m.queue.Push(delivery{handle: h, Event: Event{
		Seq:        m.totals.events,
		Generation: h.generation,
		Group:      h.target.Group,
		ID:         h.target.ID,
		Up:         state == Up,
		Err:        h.err,
		Time:       m.base.Add(time.Duration(now)),
	}})
	if first {
		m.lockedSettled()
	}
}

// warnPause is the least time between two log lines about local errors.
const warnPause = 10 * time.Second

func (m *Manager) lockedWarn(now int64, err error) {
	if now-m.warned < int64(warnPause) {
		return
	}
	m.warned = now
	m.queue.Push(delivery{Event: Event{Err: err}})
}
