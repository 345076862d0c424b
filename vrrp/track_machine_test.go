package vrrp

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// An unweighted tracker keeps the router out until its first verdict, and
// whenever it is down.
func TestTrackerKeepsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		r, err := New(51, vips4, WithTransport(newFake()), WithOnTransition(j.transition))
		if err != nil {
			t.Fatal(err)
		}
		web := mustTrack(t, r, "web", 0)
		run := rerun(t, r)
		pass(10 * time.Second)
		j.expect(t, "0s initialize>fault fault")
		if got := r.Snapshot().Faults; !slices.Equal(got, []string{"tracking"}) {
			t.Errorf("faults %v, want tracking", got)
		}
		web.Set(true)
		pass(5 * time.Second)
		j.expect(t, "10s fault>backup recovered", "13.609375s backup>active no-response")
		web.Set(false)
		pass(time.Second)
		j.expect(t, "15s active>fault fault")
		if err := run.end(); err != nil {
			t.Fatal(err)
		}
		j.take()
		web.Set(true)
		rerun(t, r)
		pass(time.Second)
		j.expect(t, "16s initialize>backup startup")
	})
}

// A weight moves the claim: in adverts, and in the deadline of a Backup.
func TestTrackerMovesTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		r := run(t, vips4, WithTransport(fake))
		web := mustTrack(t, r.Router, "web", -28)
		web.Set(false)
		pass(time.Second)
		if got := r.Snapshot(); got.EffectivePriority != 72 || got.Priority != 100 {
			t.Errorf("claims %d of %d, want 72 of 100", got.EffectivePriority, got.Priority)
		}
		pass(4 * time.Second)
		fake.link.adverts()
		web.Adjust(300)
		pass(1500 * time.Millisecond)
		if got := priorities(fake.link.adverts()); len(got) == 0 || got[len(got)-1] != 254 {
			t.Errorf("advertised %v, want 254 in the end", got)
		}
	})
}
