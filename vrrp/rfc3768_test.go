package vrrp

import (
	"testing"
	"time"
)

// RFC 3768 section 6.1: Skew_Time = (256 - priority) / 256 s, whatever the
// interval, and Master_Down_Interval = 3 * Advertisement_Interval + Skew_Time.
func TestRFC3768_6_1_SkewAndDownInterval(t *testing.T) {
	for _, c := range []struct {
		name     string
		priority uint8
		interval time.Duration
		down     time.Duration
	}{
		{"default", 100, time.Second, down100},
		{"100 at 5 s", 100, 5 * time.Second, 15*time.Second + skew100},
		{"1 at 255 s", 1, 255 * time.Second, 765*time.Second + 996_093_750},
		{"254 at 2 s", 254, 2 * time.Second, 6*time.Second + 7_812_500},
		{"owner", owner, 2 * time.Second, 6*time.Second + 3_906_250},
	} {
		set := settings{version: version2, adverts: 3}
		if got := set.down(c.priority, c.interval); got != c.down {
			t.Errorf("%s: down() = %v, want %v", c.name, got, c.down)
		}
	}
}

// RFC 3768 section 6.4.2: silence, and priority 0.
func TestRFC3768_6_4_2_Timers(t *testing.T) {
	const down = 15*time.Second + skew100
	r := newRig(t, version2At(5*time.Second)).backup()
	r.step(after(t0, down-1), event{kind: evTick}, "", Backup, 1)
	r.step(after(t0, down), event{kind: evTick}, "send 100, install, backup>active no-response", Active, 5*time.Second)

	r = newRig(t, version2At(5*time.Second)).backup()
	r.step(after(t0, time.Second), heard(0, highPeer), "", Backup, skew100)
	r.step(after(t0, time.Second+skew100), event{kind: evTick}, "send 100, install, backup>active resigned", Active, 5*time.Second)
}

// RFC 3768 sections 6.4.2 and 6.4.3 teach no interval: Master_Down_Interval is
// always of the own one.
func TestRFC3768_6_4_2_LearnsNothing(t *testing.T) {
	const down = 15*time.Second + skew100
	r := newRig(t, version2At(5*time.Second)).backup()
	r.step(t0, heard(200, highPeer), "", Backup, down) // at 1 s
	r.step(t0, heard(0, highPeer), "", Backup, skew100)
	r.step(t0, heard(200, highPeer), "", Backup, down)
	r.quietly(after(t0, down), event{kind: evTick})
	r.step(after(t0, down), heard(200, highPeer), "send 100, remove, active>backup higher-priority", Backup, down)

	r = newRig(t, version2At(5*time.Second)).active().quietly(t0, hasYielded)
	r.quietly(t0, heard(200, highPeer))
	r.step(after(t0, handover), event{kind: evTick}, "remove, active>backup yield", Backup, 15*time.Second+996_093_750-handover)
}

// A changed priority shifts the deadline by the difference of skews of a second.
func TestRFC3768_PriorityShiftsTheDeadline(t *testing.T) {
	r := newRig(t, version2At(5*time.Second)).backup()
	r.step(t0, trackersSay(100, false), "", Backup, 15*time.Second+56*time.Second/256)
	r.step(t0, heard(0, highPeer), "", Backup, 56*time.Second/256)
	r.step(t0, trackersSay(0, false), "", Backup, skew100)
}

// RFC 3768 section 6.4.3: ties, and who loses. Priorities and addresses compare
// as in version 3.
func TestRFC3768_6_4_3_Adverts(t *testing.T) {
	active := func() *rig { return newRig(t, version2At(time.Second)).active() }
	t1 := after(t0, 400*time.Millisecond)
	active().step(t1, heard(100, highPeer), "warn equal, send 100, remove, active>backup higher-address", Backup, down100)
	active().step(t1, heard(100, lowPeer), "warn equal, warn losing, send 100", Active, 600*time.Millisecond)
	active().step(t1, heard(0, lowPeer), "send 100", Active, time.Second)
	active().step(t1, event{kind: evShutdown}, "send 0", Active, time.Second)
	// It has no immediate answer to a lower advert.
	r := newRig(t, version2At(time.Second), quietly5798).active()
	r.step(t1, heard(99, lowPeer), "warn losing", Active, 600*time.Millisecond)
}
