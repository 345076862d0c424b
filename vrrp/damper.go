package vrrp

import (
	"context"
	"time"
)

// damper holds a change of level back until it has lasted: upDelay and
// downDelay of it. What is seen first is told at once. Times are on one clock,
// and time that goes backwards only makes it wait longer.
type damper struct {
	upDelay, downDelay time.Duration // 0 or more

	known bool
	seen  bool    // the level
	told  bool    // the level that lasted
	at    instant // when seen becomes told, or never
}

func newDamper(upDelay, downDelay time.Duration) damper {
	return damper{upDelay: upDelay, downDelay: downDelay, at: never}
}

// see takes the level of now, and reports whether told is news. It serves as a
// look at the clock too: see before deadline, and a change that is over by then
// is never told.
func (d *damper) see(now instant, up bool) (news bool) {
	if !d.known {
		d.known, d.seen, d.told = true, up, up
		return true
	}
	if up != d.seen {
		d.seen, d.at = up, never
		if up != d.told {
			d.at = after(now, d.delay())
		}
	}
	if d.at > now {
		return false
	}
	d.told, d.at = d.seen, never
	return true
}

// delay is how long the level that is seen has to last.
func (d *damper) delay() time.Duration {
	if d.seen {
		return d.upDelay
	}
	return d.downDelay
}

// deadline is when to call see again, even if nothing changes.
func (d *damper) deadline() instant { return d.at }

// follow tells set the level, damped, until ctx ends: first at once, then what
// changes. wake has a value when the level may have changed.
func (d *damper) follow(ctx context.Context, wake <-chan struct{}, level func() bool, set func(up bool)) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := int64(time.Since(start))
		if d.see(now, level()) {
			set(d.told)
		}
		if at := d.deadline(); at == never {
			timer.Stop()
		} else {
			timer.Reset(time.Duration(at - now))
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
	}
}
