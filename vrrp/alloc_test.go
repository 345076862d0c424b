package vrrp

import (
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// gate fails if f, called n times, allocates at all.
func gate(t *testing.T, name string, n int, f func()) {
	t.Helper()
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	if got := testing.AllocsPerRun(10, func() {
		for range n {
			f()
		}
	}); got != 0 {
		t.Errorf("%s: %v allocations in %d operations, want 0", name, got, n)
	}
}

func TestAllocationsOfSteps(t *testing.T) {
	m := newRig(t).active().m
	now := t0
	gate(t, "an Active router", 1000, func() {
		now = m.deadline()
		m.step(now, event{kind: evTick})
		m.step(now, heard(50, lowPeer))
	})
	b := newRig(t).backup().m
	gate(t, "a Backup", 1000, func() {
		now += int64(time.Second)
		b.step(now, heard(200, highPeer))
		b.step(now, event{kind: evTick})
	})
	if m.state != Active || b.state != Backup {
		t.Errorf("%v and %v", m.state, b.state)
	}

	m = newRig(t, planned(AnnouncePlan{Burst: 255, Repeat: 255, Delay: 10 * time.Second, Refresh: time.Second})).active().quietly(t0, hasInstalled).m
	rounds := 0
	gate(t, "an Active router that announces", 1000, func() {
		now = m.deadline()
		for _, kind := range []eventKind{evTick, evNeighbors} {
			for _, a := range m.step(now, event{kind: kind}) {
				if a.kind == actAnnounce {
					rounds++
				}
			}
		}
	})
	if rounds < 255*1000 {
		t.Errorf("%d rounds", rounds)
	}

	// Through every state and change.
	c := newRig(t).backup().m
	settings := event{kind: evSettings, settings: c.set}
	settings.settings.priority = 120
	now = t0
	was := map[State]bool{}
	for s := range State(len(stateNames)) {
		was[s] = false // so that the map does not grow below
	}
	gate(t, "a life", 1000, func() {
		step := func(ev event) {
			c.step(now, ev)
			was[c.state] = true
		}
		step(event{kind: evStart})
		step(event{kind: evTrack, delta: 50})
		now = c.deadline()
		step(event{kind: evTick})
		step(event{kind: evInstalled})
		step(event{kind: evStalled, late: time.Minute})
		step(settings)
		step(event{kind: evTrack, delta: -50})
		step(event{kind: evFault, fault: faultLink})
		step(event{kind: evClear, fault: faultLink})
		now = c.deadline()
		step(event{kind: evTick})
		step(event{kind: evIdentity, from: self})
		step(event{kind: evYield})
		step(heard(50, lowPeer))
		step(event{kind: evResume})
		step(event{kind: evShutdown})
	})
	for s, seen := range was {
		if !seen {
			t.Errorf("never %v", s)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	set := testSettings()
	b.Run("advert in Backup", func(b *testing.B) {
		m := newMachine(set, self)
		m.step(t0, event{kind: evStart})
		now := t0
		b.ReportAllocs()
		for b.Loop() {
			now += int64(time.Second)
			m.step(now, heard(200, highPeer))
		}
	})
	b.Run("timer in Active", func(b *testing.B) {
		set.priority = owner
		m := newMachine(set, self)
		m.step(t0, event{kind: evStart})
		b.ReportAllocs()
		for b.Loop() {
			m.step(m.deadline(), event{kind: evTick})
		}
	})
}
