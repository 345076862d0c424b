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
