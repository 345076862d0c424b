package vrrp

import (
	"math"
	"testing"
	"time"
)

// A Backup that preempts lets its timer run while a lower router advertises:
// the end of it is no silence. So when the Backup stops outranking that router,
// by Yield or Update, it waits for real silence: a down interval from the last
// advert, at the interval of the speaker.
func TestClaimNoLongerOutranks(t *testing.T) {
	heardAt, now := after(t0, 3200*time.Millisecond), after(t0, 3300*time.Millisecond)
	change := func(f func(*settings)) event {
		set := testSettings()
		f(&set)
		return event{kind: evSettings, settings: set}
	}
	lower := event{kind: evAdvert, priority: 50, from: lowPeer, interval: 2 * time.Second}
	priority := func(p uint8) event { return change(func(s *settings) { s.priority = p }) }
	silence := func(p uint8) time.Duration { return downInterval(3, p, 2*time.Second) - 100*time.Millisecond }
	for _, c := range []struct {
		name  string
		ev    event
		after time.Duration
	}{
		{"yield", event{kind: evYield}, silence(1)},
		{"no preemption", change(nopreempt), silence(100)},
		{"lower", priority(49), silence(49)},
		{"equal", priority(50), silence(50)},
		{"still higher", priority(51), downInterval(3, 51, time.Second) - 3300*time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t).backup()
			r.step(heardAt, lower, "", Backup, down100-3200*time.Millisecond)
			r.step(now, c.ev, "", Backup, c.after)
			if c.name != "still higher" {
				r.step(after(now, c.after), event{kind: evTick}, "send "+itoa(r.m.effective())+", install, backup>active no-response", Active, r.m.set.interval)
			}
		})
	}
	t.Run("preempt delay", func(t *testing.T) {
		r := newRig(t, delays(time.Second)).backup()
		r.step(heardAt, lower, "", Backup, time.Second)
		set := r.m.set
		set.priority = 49
		r.step(now, event{kind: evSettings, settings: set}, "", Backup, silence(49))
	})
	t.Run("silent already", func(t *testing.T) {
		// The timer of a slow start, and a router that died a down interval ago.
		r := newRig(t, func(s *settings) { s.interval = 40 * time.Second }).backup()
		r.quietly(t0, heard(50, lowPeer))
		at := after(t0, 10*time.Second)
		r.quietly(at, event{kind: evYield})
		r.step(at, event{kind: evTick}, "send 1, install, backup>active no-response", Active, 40*time.Second)
	})
}

func itoa(p uint8) string {
	return map[uint8]string{1: "1", 49: "49", 50: "50", 100: "100"}[p]
}

// A delay that ends after the clock does ends never, not at once.
func TestEndlessDelays(t *testing.T) {
	const endless = time.Duration(math.MaxInt64)
	r := newRig(t, delays(endless)).backup()
	r.step(t0, heard(50, lowPeer), "", Backup, down100)
	r.step(after(t0, time.Second), event{kind: evTick}, "", Backup, down100-time.Second)

	r = newRig(t, func(s *settings) { s.startupDelay = endless })
	r.quietly(t0, event{kind: evStart})
	r.quietly(after(t0, time.Hour), event{kind: evTick})
	if r.m.state != Initialize {
		t.Errorf("state = %v", r.m.state)
	}
}
