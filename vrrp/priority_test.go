package vrrp

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Effective is the priority plus what the trackers add, from 1 to 254; an owner
// stays one. Case 28: the weights of one tracker, and their sum, are the
// trackers' part.
func TestEffectivePriority(t *testing.T) {
	for _, c := range []struct {
		name     string
		priority uint8
		delta    int
		want     uint8
	}{
		{"no tracker", 100, 0, 100},
		{"+w up", 100, 20, 120},
		{"-w down, or +w reversed", 100, -20, 80},
		{"the highest", 100, 154, 254},
		{"clamped to 254: owners are made, not born", 100, 155, 254},
		{"clamped to 254 by far", 254, 253 * 100, 254},
		{"the lowest", 100, -99, 1},
		{"clamped to 1: 0 is a resignation", 100, -100, 1},
		{"clamped to 1 by far", 1, -254 * 100, 1},
		{"an owner is immune", owner, -50, owner},
		{"an owner is immune, upwards", owner, 50, owner},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(s *settings) { s.priority = c.priority })
			r.quietly(t0, trackersSay(c.delta, false), hasStarted)
			if got := r.m.effective(); got != c.want {
				t.Errorf("effective() = %d, want %d", got, c.want)
			}
			if c.priority != owner && r.m.deadline() != after(t0, downInterval(3, c.want, time.Second)) {
				t.Errorf("takes over in %v", time.Duration(r.m.deadline()-t0))
			}
			r.quietly(t0, trackersSay(0, false))
			if got := r.m.effective(); got != c.priority {
				t.Errorf("effective() = %d without trackers, want %d", got, c.priority)
			}
			r.quietly(t0, trackersSay(c.delta, false), hasYielded)
			if got := r.m.effective(); r.m.state == Backup && got != 1 {
				t.Errorf("effective() = %d on standby, want 1", got)
			}
		})
	}
}

// Only the last word of the trackers counts, whatever they said before, and the
// deadline of a Backup that hears nothing is where it would be if they had said
// it before the start. Case 28.
func TestTrackersInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 1000 {
		m := newRig(t).backup()
		now, delta := t0, 0
		for range r.IntN(20) {
			now += r.Int64N(int64(140 * time.Millisecond))
			delta = r.IntN(600) - 300
			if m.quietly(now, trackersSay(delta, false)); m.m.state != Backup {
				t.Fatalf("state = %v", m.m.state)
			}
		}
		effective := uint8(min(max(100+delta, 1), 254))
		if want := after(t0, downInterval(3, effective, time.Second)); m.m.effective() != effective || m.m.deadline() != want {
			t.Fatalf("effective() = %d, due in %v; want %d, %v", m.m.effective(), time.Duration(m.m.deadline()-t0), effective, time.Duration(want-t0))
		}
	}
}

// An Active router tells of a change at once; its timer runs on. Nothing is told
// that the last advert did not say.
func TestPriorityChangeIsTold(t *testing.T) {
	t1 := after(t0, 300*time.Millisecond)
	const wait = 700 * time.Millisecond
	r := newRig(t).active()
	r.step(t1, trackersSay(20, false), "send 120", Active, wait)
	r.step(t1, trackersSay(20, false), "", Active, wait)
	r.step(t1, trackersSay(200, false), "send 254", Active, wait)
	r.step(t1, trackersSay(300, false), "", Active, wait) // still 254
	r.step(t1, trackersSay(0, true), "send 0, remove, active>fault fault", Fault, -1)
	r.step(t1, trackersSay(20, true), "", Fault, -1)
	r.step(t1, trackersSay(20, false), "fault>backup recovered", Backup, downInterval(3, 120, time.Second))

	r = newRig(t).active().quietly(t0, hasYielded)
	r.step(t1, trackersSay(20, false), "", Active, wait) // it has said 0
	r = newRig(t, owns).quietly(t0, hasStarted)
	r.step(t1, trackersSay(-20, false), "", Active, wait)
	r = newRig(t).backup()
	r.step(t1, trackersSay(-20, false), "", Backup, downInterval(3, 80, time.Second)-300*time.Millisecond)
	// Before the start, and in the startup delay.
	r = newRig(t, func(s *settings) { s.startupDelay = time.Second })
	r.step(t0, trackersSay(0, true), "", Initialize, -1)
	r.step(t0, hasStarted, "", Initialize, time.Second)
	r.step(t1, trackersSay(-20, true), "", Initialize, wait)
	r.step(after(t0, time.Second), event{kind: evTick}, "initialize>fault fault", Fault, -1)
}

// A Backup whose priority falls below that of the Active router which it was to
// preempt follows it; one that rises above it preempts at its running deadline.
// Case 29, with the script degrade.txt.
func TestPriorityCrossesThePeer(t *testing.T) {
	t1 := after(t0, 3*time.Second)
	r := newRig(t).backup().quietly(t0, heard(90, lowPeer))
	r.quietly(after(t0, 2*time.Second), heard(90, lowPeer))
	r.step(t1, trackersSay(-20, false), "", Backup, downInterval(3, 80, time.Second)-time.Second)
	r.step(t1, trackersSay(0, false), "", Backup, down100-time.Second)
	r.step(t1, heard(90, lowPeer), "", Backup, down100-time.Second) // discarded: it preempts
	r.step(after(t0, 2*time.Second+down100), event{kind: evTick}, "send 100, install, backup>active preempt", Active, time.Second)
}

// Trackers do not turn preemption on, and a preempt delay holds after a fault as
// after a start.
func TestTrackersAndPreemption(t *testing.T) {
	lower := heard(90, lowPeer)
	r := newRig(t, nopreempt).backup().quietly(t0, trackersSay(-50, false), lower)
	r.step(t0, trackersSay(100, false), "", Backup, downInterval(3, 200, time.Second))
	r.step(after(t0, time.Second), lower, "", Backup, downInterval(3, 200, time.Second))

	const delay = 10 * time.Second
	r = newRig(t, delays(delay)).backup().quietly(t0, trackersSay(0, true))
	r.step(t0, trackersSay(0, false), "fault>backup recovered", Backup, down100)
	for i := range 10 {
		r.quietly(after(t0, time.Duration(i)*time.Second), lower)
	}
	r.step(after(t0, delay-1), event{kind: evTick}, "", Backup, 1)
	r.step(after(t0, delay), event{kind: evTick}, "send 100, install, backup>active preempt-delay", Active, time.Second)
}
