package vrrp

import (
	"slices"
	"sync"
	"time"
)

// timerWaiter waits with a timer of the runtime and channels. It is for systems
// and transports without descriptors that one call can wait for, and for tests
// in virtual time.
type timerWaiter struct {
	rung    chan struct{} // capacity 1
	sources []source
	ready   <-chan struct{} // of the first source, nil without one

	relays  map[source]chan struct{} // closed: stop passing on what is ready
	running sync.WaitGroup           // the relays
}

func newTimerWaiter() *timerWaiter {
	return &timerWaiter{rung: make(chan struct{}, 1), relays: map[source]chan struct{}{}}
}

// add waits for the first source itself; each other one has a goroutine that
// rings for it.
func (w *timerWaiter) add(s source, _ int, ready func() <-chan struct{}) error {
	w.sources = append(w.sources, s)
	if w.ready == nil && len(w.relays) == 0 {
		w.ready = ready()
		return nil
	}
	stop := make(chan struct{})
	w.relays[s] = stop
	w.running.Go(func() { relay(ready(), stop, w.ring) })
	return nil
}

// relay rings whenever ready has a value, until stop is closed.
func relay(ready, stop <-chan struct{}, ring func()) {
	for {
		select {
		case <-ready:
			ring()
		case <-stop:
			return
		}
	}
}

func (w *timerWaiter) remove(s source) {
	w.sources = slices.DeleteFunc(w.sources, func(o source) bool { return o == s })
	if stop, ok := w.relays[s]; ok {
		close(stop)
		delete(w.relays, s)
	} else {
		w.ready = nil
	}
}

// poll drains all: each knows best whether it has something.
func (w *timerWaiter) poll() (more bool) {
	for i := 0; i < len(w.sources); i++ {
		if w.sources[i].drain() {
			more = true
		}
	}
	return more
}

func (w *timerWaiter) run(turn func() (time.Duration, bool)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, over := turn()
		switch {
		case over:
			return nil
		case wait < 0:
			timer.Stop()
		default:
			timer.Reset(wait)
		}
		select {
		case <-w.ready:
		case <-w.rung:
		case <-timer.C:
		}
	}
}

func (w *timerWaiter) ring() {
	select {
	case w.rung <- struct{}{}:
	default:
	}
}

// close ends the relays.
func (w *timerWaiter) close() error {
	for _, stop := range w.relays {
		close(stop)
	}
	w.running.Wait()
	return nil
}
