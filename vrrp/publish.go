package vrrp

import (
	"net/netip"
	"time"
)

// transition publishes a change of state.
func (s *session) transition(a *action, cause error) {
	r := s.r
	r.mu.Lock()
	r.seq++
	t := Transition{
		Seq: r.seq, Time: s.wall(), VRID: r.vrid, From: a.from, To: a.to,
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
	if s.deliveries != nil {
		s.deliveries.Push(t)
	}
	if a.from == Active {
		s.answer(a.peer)
	}
}

// answer ends the Yields that wait, when the router has left Active.
func (s *session) answer(heir netip.AddrPort) {
	var err error
	if !heir.IsValid() {
		err = ErrNoHeir
	}
	for _, c := range s.waiting {
		c.result <- err
	}
	s.waiting = nil
}
