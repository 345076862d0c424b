package vrrp

// core decides: a machine alone, or the cluster of a sync group. It holds no
// clock, socket, goroutine or log.
type core interface {
	// step takes one event of a member, or of all for everybody. The actions
	// are valid until the next step.
	step(now instant, member int, ev event) []action

	// deadline is when step wants evTick for everybody next, or never.
	deadline() instant
}

// everybody is the member of events that are for all.
const everybody = -1

// solo is the core of a router that is in no group. Machines on one engine share
// the room for their actions, since each keeps them until its next step only.
type solo struct {
	*machine
	engine *engine
}

func (s solo) step(now instant, _ int, ev event) []action {
	s.out = s.engine.actions
	actions := s.machine.step(now, ev)
	s.engine.actions, s.out = s.out, nil
	return actions
}
