package vrrp

import (
	"strings"
	"testing"
	"time"
)

// resume does what a driver does that comes late: what was received first, the
// news of the lateness, the deadline. It returns what was done, step by step.
func (r *rig) resume(now instant, queue ...event) string {
	var did []string
	step := func(ev event) {
		if line := describe(r.m.step(now, ev)); line != "" {
			did = append(did, line)
		}
	}
	for _, ev := range queue {
		step(ev)
	}
	if late := time.Duration(max(0, now-r.m.deadline())); late > r.m.down() {
		step(event{kind: evStalled, late: late})
	}
	if r.m.deadline() <= now {
		step(event{kind: evTick})
	}
	return strings.Join(did, "; ")
}

// once is a plan of one burst.
func once(s *settings) { s.plan = AnnouncePlan{Repeat: -1, Refresh: -1} }

// A driver of an Active router that is late by half a down interval, by one, by
// four: with adverts in its queue and without. Case 35; the scripts stall*.txt and
// suspend*.txt show both sides. The wall clock is no matter, which
// TestWallClockSteps shows (case 34).
func TestLateActive(t *testing.T) {
	lower, higher, resigned := heard(50, lowPeer), heard(200, highPeer), heard(0, lowPeer)
	for _, c := range []struct {
		name  string
		set   func(*settings)
		late  float64 // down intervals
		queue []event
		want  string
		state State
		wait  time.Duration
	}{
		{"half a down interval", once, 0.5, nil, "send 100", Active, time.Second},
		{"half, without preemption", nopreempt, 0.5, nil, "send 100", Active, time.Second},
		{"half, lower waits", once, 0.5, []event{lower}, "warn losing, send 100, announce 5; send 100", Active, time.Second},
		{"half, higher waits", once, 0.5, []event{higher}, "send 100, remove, active>backup higher-priority", Backup, down100},
		{"exactly one", once, 1, nil, "send 100", Active, time.Second},
		{"more than one", once, 1.01, nil, "warn stalled, send 100, announce 5", Active, time.Second},
		{"more than one, without preemption", nopreempt, 1.01, nil, "warn stalled, send 0, remove, active>backup stalled", Backup, time.Second + skew100},
		{"more than one, lower waits", once, 1.01, []event{lower}, "warn stalled, send 100, announce 5, warn losing, send 100", Active, time.Second},
		{"more than one, lower waits, without preemption", nopreempt, 1.01, []event{lower},
			"warn stalled, send 0, remove, active>backup stalled", Backup, down100},
		{"more than one, higher waits", once, 1.01, []event{higher},
			"warn stalled, send 100, remove, active>backup higher-priority", Backup, down100},
		{"more than one, an equal one with a higher address waits", once, 1.01, []event{heard(100, highPeer)},
			"warn stalled, warn equal, send 100, remove, active>backup higher-address", Backup, down100},
		{"more than one, higher waits, without preemption", nopreempt, 1.01, []event{higher},
			"warn stalled, send 100, remove, active>backup higher-priority", Backup, down100},
		{"more than one, a resignation waits", once, 1.01, []event{resigned}, "warn stalled, send 100, announce 5, send 100", Active, time.Second},
		{"four", once, 4, nil, "warn stalled, send 100, announce 5", Active, time.Second},
		{"four, many lower wait", once, 4, []event{lower, lower, lower, lower, lower},
			"warn stalled, send 100, announce 5, warn losing, send 100" + strings.Repeat("; warn losing", 4), Active, time.Second},
		{"four, a better one came and resigned", once, 4, []event{higher, heard(0, highPeer)},
			"warn stalled, send 100, remove, active>backup higher-priority", Backup, skew100},
		{"four, to the letter", func(s *settings) { once(s); strictly(s) }, 4, []event{higher},
			"warn stalled, remove, active>backup higher-priority", Backup, down100},
		{"an owner does not step down", func(s *settings) { once(s); owns(s); nopreempt(s) }, 4, nil, "warn stalled, send 255, announce 5", Active, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.set, once).active().quietly(t0, hasInstalled)
			for range 3 { // in the cadence, and long after the burst
				r.quietly(r.m.deadline(), event{kind: evTick})
			}
			now := after(r.m.deadline(), time.Duration(c.late*float64(r.m.down())))
			got := r.resume(now, c.queue...)
			if got != c.want || r.m.state != c.state || r.m.deadline() != after(now, c.wait) {
				t.Errorf("did %q, is %v, next in %v;\nwant %q, %v, %v", got, r.m.state, time.Duration(r.m.deadline()-now), c.want, c.state, c.wait)
			}
		})
	}
}

// A Backup whose driver was late listens once more before it takes silence for
// silence, unless it was late by less than a down interval. Case 35.
func TestLateBackup(t *testing.T) {
	const listen = time.Second + skew100
	higher := heard(200, highPeer)
	for _, c := range []struct {
		name   string
		before []event
		set    func(*settings)
		late   float64
		queue  []event
		want   string
		wait   time.Duration
	}{
		{"half a down interval", nil, nil, 0.5, nil, "send 100, install, backup>active no-response", time.Second},
		{"half, the Active router's advert waits", nil, nil, 0.5, []event{higher}, "", down100},
		{"more than one", nil, nil, 1.01, nil, "", listen},
		{"more than one, the Active router's advert waits", nil, nil, 1.01, []event{higher}, "", down100},
		{"more than one, its resignation waits", nil, nil, 1.01, []event{higher, heard(0, highPeer)}, "", skew100},
		{"more than one, an advert to preempt waits", nil, nil, 1.01, []event{heard(50, lowPeer)}, "", listen},
		{"four", nil, nil, 4, nil, "", listen},
		{"four, of a fast one", []event{{kind: evAdvert, priority: 200, from: highPeer, interval: 100 * time.Millisecond}}, nil, 4, nil, "", listen / 10},
		{"four, of version 2", nil, version2At(2 * time.Second), 4, nil, "", 2*time.Second + skew100},
		{"four, after a resignation", []event{heard(0, highPeer)}, nil, 4, nil, "", listen},
		{"four, to preempt", []event{heard(50, lowPeer)}, nil, 4, nil, "", listen},
		{"four, in a preempt delay", []event{heard(50, lowPeer)}, delays(time.Second), 4, nil, "", listen},
		{"four, in an endless preempt delay", []event{heard(50, lowPeer)}, delays(time.Hour), 4, nil, "", listen},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.set != nil {
				r = newRig(t, c.set)
			}
			r.backup().quietly(t0, c.before...)
			now := after(r.m.deadline(), time.Duration(c.late*float64(r.m.down())))
			if got := r.resume(now, c.queue...); got != c.want || r.m.deadline() != after(now, c.wait) {
				t.Errorf("did %q, next in %v; want %q, %v", got, time.Duration(r.m.deadline()-now), c.want, c.wait)
			}
		})
	}
	t.Run("the Active router speaks while it listens", func(t *testing.T) {
		r := newRig(t).backup()
		now := after(t0, time.Minute)
		r.resume(now)
		r.step(after(now, listen-1), higher, "", Backup, down100)
	})
	t.Run("nobody does", func(t *testing.T) {
		r := newRig(t).backup()
		now := after(t0, time.Minute)
		r.resume(now)
		r.step(after(now, listen), event{kind: evTick}, "send 100, install, backup>active no-response", Active, time.Second)
	})
}

// A host that slept: the clock has not moved, and no deadline has passed. Case 34.
func TestSleptHost(t *testing.T) {
	t1 := after(t0, 1400*time.Millisecond)
	slept := event{kind: evStalled, late: 10 * time.Second}
	active := func(change ...func(*settings)) *rig {
		r := newRig(t, append(change, once)...).active().quietly(t0, hasInstalled)
		return r.quietly(after(t0, time.Second), event{kind: evTick})
	}
	active().step(t1, slept, "warn stalled, send 100, announce 5", Active, time.Second)
	active(nopreempt).step(t1, slept, "warn stalled, send 0, remove, active>backup stalled", Backup, time.Second+skew100)
	active().quietly(after(t0, time.Second), hasYielded).step(t1, slept, "", Active, 600*time.Millisecond)
	newRig(t).backup().step(t1, slept, "", Backup, down100-1400*time.Millisecond)
	newRig(t).step(t1, slept, "", Initialize, -1)
	newRig(t).backup().quietly(t0, faulty(faultLink)).step(t1, slept, "", Fault, -1)
	// The addresses are not held yet: there is nothing to announce.
	newRig(t).active().step(t1, slept, "warn stalled, send 100", Active, time.Second)
}

// A deadline that a change moved into the past is due, and not late.
func TestChangeIsNoStall(t *testing.T) {
	r := newRig(t, func(s *settings) { s.interval = 40 * time.Second }).backup()
	now := after(t0, 140*time.Second)
	set := r.m.set
	set.interval = 10 * time.Millisecond
	r.step(now, event{kind: evSettings, settings: set}, "", Backup, 0)
	if got := r.resume(now); got != "send 100, install, backup>active no-response" {
		t.Errorf("did %q", got)
	}
	// One that had passed before the change is late all the same.
	r = newRig(t).backup().quietly(after(t0, time.Minute), trackersSay(-20, false))
	if got := r.resume(after(t0, time.Minute)); got != "" {
		t.Errorf("did %q", got)
	}
}
