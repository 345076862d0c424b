package vrrp

import (
	"fmt"
	"sync"
	"time"
)

// unit is what an engine schedules: one router, or the routers of a group.
type unit struct {
	engine  *engine
	members []*session
	errands chan func() // for the goroutine that called Run; closed at the end, when err is set
	err     error

	mu   sync.Mutex // guards core, and the machines of the members
	core core

	// What follows belongs to the engine's goroutine, which also reads core
	// without mu.
	alarm    alarm
	stepping bool
	leaving  bool           // ends when nobody takes part any more
	over     bool           // has ended
	orphaned bool           // a member left Active, and nobody had taken over
	changed  func()         // after each step; nil: nobody looks
	waiting  []chan<- error // Yields that wait for the heir
}

// stimulus is an event on its way to the core.
type stimulus struct {
	now    instant
	member int
	ev     event
	cause  error // behind the event, if there is one
}

func newUnit(e *engine, c core, members []*session) *unit {
	u := &unit{engine: e, core: c, members: members, errands: make(chan func(), 1)}
	u.alarm.owner = u
	for i, s := range members {
		s.unit, s.member = u, i
	}
	return u
}

// begin starts the routers on the engine's goroutine.
func (u *unit) begin() {
	u.engine.units = append(u.engine.units, u)
	for _, s := range u.members {
		if err := s.attach(); err != nil {
			u.fail(s, err)
			return
		}
	}
	u.tell(everybody, event{kind: evStart}, nil)
}

// tell steps an event now.
func (u *unit) tell(member int, ev event, cause error) {
	u.step(stimulus{u.engine.now(), member, ev, cause})
}

// step steps an event, and what its actions bring about, in order.
func (u *unit) step(first stimulus) {
	if u.over {
		return
	}
	e := u.engine
	e.pending = append(e.pending, first)
	if u.stepping {
		return
	}
	u.stepping = true
	for i := 0; i < len(e.pending); i++ {
		p := &e.pending[i]
		now, cause := p.now, p.cause
		u.mu.Lock()
		actions := u.core.step(now, p.member, p.ev)
		u.mu.Unlock()
		for j := range actions {
			a := &actions[j]
			u.members[a.member].perform(now, a, cause)
		}
	}
	clear(e.pending)
	e.pending = e.pending[:0]
	u.stepping = false
	u.settle()
}

// settle is what follows from where the members stand now.
func (u *unit) settle() {
	if u.over || u.stepping {
		return
	}
	u.engine.set(&u.alarm, u.core.deadline())
	if u.changed != nil {
		u.changed()
	}
	if len(u.waiting) > 0 && !u.yielding() {
		var err error
		if u.orphaned {
			err = ErrNoHeir
		}
		for _, result := range u.waiting {
			result <- err
		}
		u.waiting, u.orphaned = nil, false
	}
	if u.leaving && u.resting() {
		u.end()
	}
}

// honour steps a deadline of the core. One that is later than a down interval
// means that others have taken over: the core learns of that first.
func (u *unit) honour(instant) {
	late := time.Duration(max(0, u.engine.now()-u.core.deadline()))
	u.late(late)
	u.stalled(late)
	u.tell(everybody, event{kind: evTick}, nil)
}

// slept is told after the host was suspended for so long.
func (u *unit) slept(d time.Duration) {
	u.late(d)
	u.stalled(d)
}

func (u *unit) late(d time.Duration) {
	for _, s := range u.members {
		s.r.mu.Lock()
		s.r.lateness.add(d)
		s.r.mu.Unlock()
	}
}

func (u *unit) stalled(late time.Duration) {
	for _, s := range u.members {
		if late > s.machine.down() {
			u.tell(everybody, event{kind: evStalled, late: late}, nil)
			return
		}
	}
}

// early steps an advert that is due soon: routers that share an engine advertise
// together, which costs a fraction of the wake-ups. The core believes that its
// moment has come, so the cadence stays exact.
func (u *unit) early(now instant) {
	at := u.alarm.at
	if u.alarm.place == 0 || at <= now {
		return
	}
	for _, s := range u.members {
		if m := s.machine; m.state != Active || m.yielding || at-now > int64(m.set.interval/together) {
			return
		}
	}
	if !u.advertises(at) {
		return
	}
	u.late(0)
	u.step(stimulus{now: at, member: everybody, ev: event{kind: evTick}})
}

// together is the part of an interval by which an advert may be early.
const together = 16

// advertises reports whether an advert is all that is due at an instant.
func (u *unit) advertises(at instant) bool {
	for _, s := range u.members {
		if s.machine.timer != at && s.machine.deadline() == at {
			return false
		}
	}
	return true
}

func (u *unit) yielding() bool {
	for _, s := range u.members {
		if s.machine.yielding {
			return true
		}
	}
	return false
}

// resting reports whether nobody takes part, and the address managers are done.
func (u *unit) resting() bool {
	for _, s := range u.members {
		if s.machine.state != Initialize || s.installer != nil && s.installer.busy() {
			return false
		}
	}
	return true
}

// leave has the routers resign, and the unit end after that.
func (u *unit) leave() {
	u.leaving = true
	u.tell(everybody, event{kind: evShutdown}, nil)
}

// fail ends the unit: the member s cannot send any more, or nobody can. It ends
// without a word to anybody; the other members resign first.
func (u *unit) fail(s *session, err error) {
	if s != nil && len(u.members) > 1 {
		err = fmt.Errorf("virtual router %d: %w", s.r.vrid, err)
	}
	if u.err == nil {
		u.err = err
	}
	u.leaving = true
	if s != nil {
		u.tell(s.member, event{kind: evLost}, err)
	}
	u.tell(everybody, event{kind: evLost}, err)
}

// end lets Run return.
func (u *unit) end() {
	u.over = true
	e := u.engine
	e.set(&u.alarm, never)
	for i, o := range e.units {
		if o == u {
			e.units[i] = e.units[len(e.units)-1]
			e.units[len(e.units)-1] = nil
			e.units = e.units[:len(e.units)-1]
			break
		}
	}
	for _, s := range u.members {
		s.detach()
	}
	for _, result := range u.waiting {
		result <- ErrNotRunning
	}
	e.over = !e.shared
	close(u.errands)
}
