package vrrp

import "time"

// transition publishes a change of state.
func (s *session) transition(a *action, cause error) {
	r := s.r
	r.mu.Lock()
	r.seq++
	t := Transition{
		Seq: r.seq, Time: s.wall(), VRID: r.vrid, Group: r.group.Name(), From: a.from, To: a.to,
		Reason: a.reason, Priority: a.priority, Peer: a.peer, Err: cause,
	}
	r.last = t
	if a.from == Initialize {
		r.up = t.Time
	}
	switch a.to {
	case Active:
		r.won = a.reason
		r.stats.MasterTransitions++
	case Initialize:
		r.up = time.Time{}
	}
	r.mu.Unlock()

	attrs := []any{"from", t.From.String(), "state", t.To.String(), "reason", t.Reason.String(), "priority", t.Priority}
	if t.Peer.IsValid() {
		attrs = append(attrs, "peer", t.Peer)
	}
	if cause != nil {
		attrs = append(attrs, "err", cause)
	}
	s.log.Info("transition", attrs...)
	s.delivery.push(t)
	if a.from == Active && !a.peer.IsValid() {
		s.unit.orphaned = true
	}
}
