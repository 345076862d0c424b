package vrrp

import (
	"context"
	"runtime/pprof"
)

// run runs the unit until ctx ends, or the unit does.
func (u *unit) run(ctx context.Context) {
	if u.engine.shared {
		u.share(ctx)
	} else {
		u.own(ctx)
	}
}

// engineLabels are the profiler's labels for an engine.
var engineLabels = pprof.Labels("mainstay", "vrrp")

// own runs the engine in the calling goroutine.
func (u *unit) own(ctx context.Context) {
	u.engine.do(u.begin)
	asked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(asked)
		u.engine.do(u.leave)
	})
	var err error
	pprof.Do(ctx, engineLabels, func(context.Context) { err = u.engine.run() })
	if !stop() {
		<-asked
	}
	if err != nil {
		u.broken(err)
	}
}

// broken ends a unit whose engine cannot wait any more.
func (u *unit) broken(err error) {
	u.fail(nil, err)
	for _, s := range u.members {
		if s.installer != nil {
			s.installer.working.Wait()
		}
	}
	if !u.over {
		u.end()
	}
}

// share leaves the work to an engine that runs already.
func (u *unit) share(ctx context.Context) {
	if !u.engine.do(u.begin) {
		u.err = u.engine.err // it broke with other routers
		return
	}
	done := ctx.Done()
	for {
		select {
		case <-done:
			done = nil
			u.engine.do(u.leave)
		case f, ok := <-u.errands:
			if !ok {
				return
			}
			f()
		}
	}
}

// errand has f called by the goroutine that called Run, whose thread may be in
// a network namespace of its own. It returns false if that is busy.
func (u *unit) errand(f func()) bool {
	if !u.engine.shared {
		f() // this is it
		return true
	}
	select {
	case u.errands <- f:
		return true
	default:
		return false
	}
}

// ask has take called on the engine's goroutine, and returns what it answers
// there or later.
func (u *unit) ask(ctx context.Context, take func(result chan<- error)) error {
	result := make(chan error, 1)
	if !u.engine.do(func() {
		if u.over {
			result <- ErrNotRunning
			return
		}
		take(result)
	}) {
		return ErrNotRunning
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// yield returns when the addresses have been handed over.
func (u *unit) yield(ctx context.Context) error {
	return u.ask(ctx, func(result chan<- error) {
		u.orphaned = false
		u.tell(everybody, event{kind: evYield}, nil)
		switch {
		case u.yielding():
			u.waiting = append(u.waiting, result)
		case u.orphaned: // it does not wait for an heir
			result <- ErrNoHeir
		default:
			result <- nil
		}
	})
}

func (u *unit) resume() error {
	return u.ask(context.Background(), func(result chan<- error) {
		u.tell(everybody, event{kind: evResume}, nil)
		result <- nil
	})
}
