package vrrp

import (
	"sync"
	"time"
)

// engine is the one goroutine that owns a number of routers: it steps them when
// something arrives for them, when a deadline of theirs comes, and when somebody
// asks. Everything it owns is touched by that goroutine only; others send it
// functions.
type engine struct {
	start  time.Time // origin of the core's clock; it has a monotonic reading
	waiter waiter

	mu     sync.Mutex // guards mail and closed, and that nobody rings after the close
	mail   []func()
	closed bool
	err    error // why run returned; not written once closed

	reading []func()   // mail that is worked off
	pending []stimulus // of the unit that is stepped
	actions []action   // room for what its core asks for
	units   []*unit
	alarms  alarms
	sleep   sleep
	over    bool      // run is to return
	shared  bool      // it has a goroutine of its own, or that of Run
	batch   [8]Packet // to receive into, shared by all sessions
	scratch scratch   // likewise
}

// waiter is how an engine learns that there is something to do. Its methods are
// called by the engine's goroutine, except ring.
type waiter interface {
	// add lets s be drained when there may be something to receive: when fd
	// is readable, or where there is none (negative), when the channel that
	// ready returns has a value.
	add(s source, fd int, ready func() <-chan struct{}) error
	remove(s source)

	// poll drains the sources that may have something. It finds all that
	// arrived before the call, and reports whether more than the budget of a
	// source is left.
	poll() (more bool)

	// run calls turn at once, and again whenever a source may have something,
	// ring was called, or the time that turn returned has passed; negative is
	// forever. It returns when turn says that all is over.
	run(turn func() (wait time.Duration, over bool)) error

	ring()
	close() error
}

// source is where packets come from.
type source interface {
	// drain steps what has arrived, at most budget packets. It reports whether
	// there may be more.
	drain() (more bool)
}

// budget is how many packets a source receives between two looks at the clock.
// It is more than the receive buffer of a socket holds: what arrived before a
// deadline is heard before it is honoured.
const budget = 4096

func newEngine(w waiter) *engine {
	e := &engine{start: time.Now(), waiter: w}
	if c, ok := w.(interface{ boottime() (time.Duration, bool) }); ok {
		e.sleep.boottime = c.boottime
	}
	return e
}

// now is the core's clock.
func (e *engine) now() instant { return int64(time.Since(e.start)) }

// do has the engine call f, after everything it was given before. Any goroutine
// may call it. It returns false if the engine has ended, and f is not called.
func (e *engine) do(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.mail = append(e.mail, f)
	if len(e.mail) == 1 {
		e.waiter.ring()
	}
	return true
}

// call is do, and waits until f has returned. The engine's own goroutine must
// not call it.
func (e *engine) call(f func()) bool {
	done := make(chan struct{})
	if !e.do(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// run works until over, and closes the engine.
func (e *engine) run() error {
	e.err = e.waiter.run(e.turn)
	e.close()
	return e.err
}

// abandon ends the units of a shared engine that cannot wait any more.
func (e *engine) abandon(err error) {
	for len(e.units) > 0 {
		e.units[0].broken(err)
	}
}

// close calls what is left in the mail, and ends the waiter. It is called by
// run, or instead of it; only the first time counts.
func (e *engine) close() {
	for {
		e.deliver()
		e.mu.Lock()
		if len(e.mail) == 0 {
			break
		}
		e.mu.Unlock()
	}
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		_ = e.waiter.close() // its descriptors carry no data
	}
}

// turn is one pass. What is due is decided before the sources are drained, and
// honoured afterwards: an advert that waits in a queue is no silence. That the
// host slept comes before everything: no deadline tells of it.
func (e *engine) turn() (wait time.Duration, over bool) {
	now := e.now()
	if slept := e.sleep.since(e.now); slept > 0 {
		for i := len(e.units) - 1; i >= 0; i-- { // backwards: one may end, and the last takes its place
			e.units[i].slept(slept)
		}
	}
	more := e.waiter.poll()
	e.deliver()
	e.honour(now)
	next := e.alarms.next()
	switch {
	case e.over:
		return 0, true
	case more:
		return 0, false
	case next == never:
		return -1, false
	}
	return time.Duration(max(0, next-e.now())), false
}

// deliver works the mail off that has come so far, in order.
func (e *engine) deliver() {
	e.mu.Lock()
	e.mail, e.reading = e.reading[:0], e.mail
	e.mu.Unlock()
	for i, f := range e.reading {
		e.reading[i] = nil
		f()
	}
}

// honour steps what is due. A deadline that comes anew has to wait for the next
// turn, so that no core can hold the others up.
func (e *engine) honour(now instant) {
	honoured := 0
	for n := len(e.alarms); honoured < n && e.alarms.next() <= now; honoured++ {
		a := e.alarms[0]
		e.alarms.remove(a)
		a.owner.honour(now)
	}
	if honoured > 0 && len(e.units) > 1 {
		for i := len(e.units) - 1; i >= 0; i-- {
			e.units[i].early(now)
		}
	}
}

// set moves an alarm; never takes it out.
func (e *engine) set(a *alarm, at instant) { e.alarms.set(a, at) }
