package memnet

import (
	"sync"
	"time"
)

// deadline is a moment that wakes the waiters of a condition. The owner's lock,
// which is cond.L, is held for every call.
type deadline struct {
	at    time.Time // zero: none
	timer *time.Timer
}

// set moves the deadline and wakes the waiters so that they see it.
func (d *deadline) set(cond *sync.Cond, at time.Time) {
	d.stop()
	d.at = at
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		if d.timer == nil {
			d.timer = time.AfterFunc(wait, func() {
				cond.L.Lock()
				defer cond.L.Unlock()
				cond.Broadcast()
			})
		} else {
			d.timer.Reset(wait)
		}
	}
	cond.Broadcast()
}

// passed reports whether the deadline has come.
func (d *deadline) passed() bool {
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// stop disarms the timer; the owner is closing.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
