package healthcheck

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is the state of a manager at about one moment.
type Snapshot struct {
	// Ready as [Manager.Ready].
	Ready bool `json:"ready"`
	// InFlight is how many checks run now.
	InFlight int `json:"in_flight"`
	// Passed, Failed and Local count the results since New.
	Passed uint64 `json:"passed"`
	Failed uint64 `json:"failed"`
	Local  uint64 `json:"local"`
	// Late counts the checks that began more than half their target's Interval
	// after they were due: this process, or the limit of [WithConcurrency], is
	// too small for its targets.
	Late uint64 `json:"late"`
	// HeldUp counts the timeouts that were not held against the target because
	// this process was late itself. They are in Local too.
	HeldUp uint64 `json:"held_up"`
	// Overdue counts the failures of checkers that did not return; see [ErrOverdue].
	Overdue uint64 `json:"overdue"`
	// Stale counts the results that came for a removed target or after the
	// check was taken for overdue, and were dropped.
	Stale uint64 `json:"stale"`
	// Events is the number of the last event; EventsWaiting of them have not
	// been delivered yet, and EventsCoalesced gave way to a later one.
	Events          uint64 `json:"events"`
	EventsWaiting   int    `json:"events_waiting"`
	EventsCoalesced uint64 `json:"events_coalesced"`
	// LastCheck is when a check last ended: a watchdog's figure. Zero before the first.
	LastCheck time.Time `json:"last_check,omitzero"`
	// Targets are sorted by group, then id.
	Targets []TargetSnapshot `json:"targets"`
}

// TargetSnapshot is one target in a [Snapshot].
type TargetSnapshot struct {
	Group      string `json:"group"`
	ID         string `json:"backend"`    // unique in the group
	Addr       string `json:"addr"`       // what is checked
	Generation uint64 `json:"generation"` // as [Event.Generation]
	State      State  `json:"state"`      // "unknown", "down" or "up"
	// Since is when the state last changed; zero while unknown.
	Since time.Time `json:"since,omitzero"`
	// Changes of state, the first result among them; Passed, Failed and Local
	// count the target's results.
	Changes uint64 `json:"changes"`
	Passed  uint64 `json:"passed"`
	Failed  uint64 `json:"failed"`
	Local   uint64 `json:"local"`
	// LastCheck is when the last check ended, Took how long its answer took
	// (nanoseconds), Info the checker's word about it, Err what was wrong with it.
	LastCheck time.Time     `json:"last_check,omitzero"`
	Took      time.Duration `json:"took"`
	Info      string        `json:"info,omitempty"`
	Err       string        `json:"err,omitempty"`
}

// Snapshot copies the state. It holds the manager's lock for a few hundred
// targets at a time, so that it never delays a check by much.
func (m *Manager) Snapshot() Snapshot {
	m.mu.Lock()
	s := Snapshot{
		Ready:           m.pending == 0,
		InFlight:        m.schedule.busy,
		Passed:          m.totals.passes,
		Failed:          m.totals.fails,
		Local:           m.totals.locals,
		Late:            m.totals.late,
		HeldUp:          m.totals.heldUp,
		Overdue:         m.totals.overdue,
		Stale:           m.totals.stale,
		Events:          m.totals.events,
		EventsWaiting:   m.queue.Len(),
		EventsCoalesced: m.queue.Coalesced(),
		LastCheck:       m.wall(m.ended),
		Targets:         []TargetSnapshot{},
	}
	handles := make([]*Handle, 0, len(m.targets))
	for _, h := range m.slots {
		if h != nil {
			handles = append(handles, h)
		}
	}
	m.mu.Unlock()
	for some := range slices.Chunk(handles, 256) {
		m.mu.Lock()
		for _, h := range some {
			if !h.removed.Load() {
				s.Targets = append(s.Targets, h.lockedSnapshot())
			}
		}
		m.mu.Unlock()
	}
	slices.SortFunc(s.Targets, func(a, b TargetSnapshot) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.ID, b.ID))
	})
	return s
}

// lockedSnapshot copies one target; h.manager.mu is held.
func (h *Handle) lockedSnapshot() TargetSnapshot {
	t := TargetSnapshot{
		Group:      h.target.Group,
		ID:         h.target.ID,
		Addr:       h.target.Addr,
		Generation: h.generation,
		State:      h.State(),
		Since:      h.manager.wall(h.since),
		Changes:    h.changes,
		Passed:     h.passes,
		Failed:     h.fails,
		Local:      h.locals,
		LastCheck:  h.manager.wall(h.ended),
		Took:       h.took,
		Info:       h.info,
	}
	if h.err != nil {
		t.Err = h.err.Error()
	}
	return t
}

// wall turns the manager's nanoseconds into a time; 0 means never and gives the
// zero time.
func (m *Manager) wall(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return m.base.Add(time.Duration(at))
}

// Collect emits the figures of a [Snapshot] as metrics; kind is 'c' for a
// counter and 'g' for a gauge, labels are keys and values in turn. Per target,
// with labels group and backend:
//
//	mainstay_healthcheck_up                          1 when up, else 0
//	mainstay_healthcheck_known                       0 before the first result
//	mainstay_healthcheck_checks_total                with a third label, result: pass, fail, local
//	mainstay_healthcheck_changes_total
//	mainstay_healthcheck_last_check_duration_seconds
//
// For the manager, without labels: mainstay_healthcheck_ready, _in_flight,
// _late_total, _held_up_total, _overdue_total, _stale_total, _events_total,
// _events_coalesced_total, and _last_check_timestamp_seconds (Unix time, absent
// before the first check).
func (m *Manager) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	const prefix = "mainstay_healthcheck_"
	s := m.Snapshot()
	emit(prefix+"ready", 'g', number(s.Ready))
	emit(prefix+"in_flight", 'g', float64(s.InFlight))
	emit(prefix+"late_total", 'c', float64(s.Late))
	emit(prefix+"held_up_total", 'c', float64(s.HeldUp))
	emit(prefix+"overdue_total", 'c', float64(s.Overdue))
	emit(prefix+"stale_total", 'c', float64(s.Stale))
	emit(prefix+"events_total", 'c', float64(s.Events))
	emit(prefix+"events_coalesced_total", 'c', float64(s.EventsCoalesced))
	if !s.LastCheck.IsZero() {
		emit(prefix+"last_check_timestamp_seconds", 'g', float64(s.LastCheck.UnixMilli())/1000)
	}
	for _, t := range s.Targets {
		labels := []string{"group", t.Group, "backend", t.ID}
		emit(prefix+"up", 'g', number(t.State == Up), labels...)
		emit(prefix+"known", 'g', number(t.State != Unknown), labels...)
		for _, r := range []struct {
			status Status
			count  uint64
		}{{Pass, t.Passed}, {Fail, t.Failed}, {Local, t.Local}} {
			emit(prefix+"checks_total", 'c', float64(r.count), "group", t.Group, "backend", t.ID, "result", r.status.String())
		}
		emit(prefix+"changes_total", 'c', float64(t.Changes), labels...)
		emit(prefix+"last_check_duration_seconds", 'g', t.Took.Seconds(), labels...)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
