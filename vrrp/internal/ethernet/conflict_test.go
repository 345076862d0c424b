package ethernet

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

var t0 = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

func TestConflicts(t *testing.T) {
	other := vip4.Next()
	own, foreign := h1, h2
	vips := []netip.Addr{vip4, other}
	// A step happens at a time since the first announcement. Found conflicts are
	// collected at each.
	type step struct {
		at       time.Duration
		announce []netip.Addr // nil: no announcement; empty: the addresses are given up
		claim    netip.Addr
		by       MAC
		probe    bool
		found    []Conflict
		listen   []netip.Addr
	}
	none := []netip.Addr{}
	for _, tt := range []struct {
		name  string
		vmac  MAC
		steps []step
	}{
		{name: "nothing is held", steps: []step{
			{claim: vip4, by: foreign},
			{at: time.Hour},
		}},
		{name: "a second host", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, announce: vips, probe: true, listen: vips},
			{at: 5 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 6*time.Second - 1, listen: []netip.Addr{other}},
			{at: 6 * time.Second, found: []Conflict{{vip4, foreign}}, listen: []netip.Addr{other}},
			{at: 7 * time.Second, listen: []netip.Addr{other}},
		}},
		{name: "reported once a minute", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 6 * time.Second, found: []Conflict{{vip4, foreign}}, listen: []netip.Addr{other}},
			{at: 7 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 66*time.Second - 1, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 66 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 67 * time.Second, found: []Conflict{{vip4, foreign}}, listen: []netip.Addr{other}},
		}},
		{name: "each address for itself", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 5 * time.Second, claim: other, by: MAC{9}},
			{at: 6 * time.Second, found: []Conflict{{vip4, foreign}, {other, MAC{9}}}},
		}},
		{name: "the old owner of a hand-over", steps: []step{
			{announce: vips},
			{at: 3*time.Second - 1, claim: vip4, by: foreign},
			{at: 4 * time.Second, listen: vips},
		}},
		{name: "the new owner of a hand-over", steps: []step{
			{announce: vips},
			{at: 9 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 9*time.Second + time.Millisecond, announce: none},
			{at: time.Minute},
		}},
		{name: "a new tenure forgets", steps: []step{
			{announce: vips},
			{at: 9 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 9 * time.Second, announce: none},
			{at: 9 * time.Second, announce: vips},
			{at: 11 * time.Second, claim: vip4, by: foreign},
			{at: 12 * time.Second, listen: vips},
		}},
		{name: "our own frames come back", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, by: own, listen: []netip.Addr{other}},
			{at: 6 * time.Second, listen: vips},
		}},
		{name: "our virtual MAC comes back", vmac: vmac4, steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, by: vmac4, listen: []netip.Addr{other}},
			{at: 6 * time.Second, listen: vips},
		}},
		{name: "a virtual MAC that is not ours", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, by: vmac4, listen: []netip.Addr{other}},
			{at: 6 * time.Second, found: []Conflict{{vip4, vmac4}}, listen: []netip.Addr{other}},
		}},
		{name: "a claim without a MAC", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, listen: []netip.Addr{other}},
			{at: 6 * time.Second, found: []Conflict{{vip4, MAC{}}}, listen: []netip.Addr{other}},
		}},
		{name: "somebody else's address", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: netip.MustParseAddr("10.77.0.5"), by: foreign, listen: vips},
			{at: 9 * time.Second, listen: vips},
		}},
		{name: "an address that is given up", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: 5 * time.Second, announce: vips[1:], probe: true, listen: vips[1:]},
			{at: time.Minute, listen: vips[1:]},
		}},
		{name: "questions", steps: []step{
			{announce: vips},
			{announce: vips},
			{at: 3*time.Second - 1, announce: vips},
			{at: 5 * time.Second, announce: vips, probe: true, listen: vips},
			{at: 5 * time.Second, announce: vips, listen: vips},
			{at: 34 * time.Second, announce: vips, listen: vips},
			{at: 65 * time.Second, announce: vips, probe: true, listen: vips},
			{at: 66 * time.Second, announce: none},
			{at: 67 * time.Second, announce: vips},
			{at: 72 * time.Second, announce: vips, probe: true, listen: vips},
		}},
		{name: "time goes backwards", steps: []step{
			{announce: vips},
			{at: 5 * time.Second, claim: vip4, by: foreign, listen: []netip.Addr{other}},
			{at: -time.Hour, announce: vips},
			{at: 6 * time.Second, found: []Conflict{{vip4, foreign}}, listen: []netip.Addr{other}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Conflicts{Pace: Patient}
			h := c.Add(tt.vmac, nil)
			for i, s := range tt.steps {
				now := t0.Add(s.at)
				if s.announce != nil {
					if _, probe := c.Announce(now, h, s.announce); probe != s.probe {
						t.Errorf("step %d: probe %v, want %v", i, probe, s.probe)
					}
				}
				if s.claim.IsValid() {
					c.Hear(now, s.claim, s.by, own)
				}
				var found []Conflict
				for _, f := range c.Due(now) {
					found = append(found, f.Conflict)
				}
				if !slices.Equal(found, s.found) {
					t.Errorf("step %d: found %v, want %v", i, found, s.found)
				}
				listen, next := c.Listen(now, nil)
				if !slices.Equal(listen, s.listen) {
					t.Errorf("step %d: listens for %v, want %v", i, listen, s.listen)
				}
				if !next.IsZero() && !next.After(now) {
					t.Errorf("step %d: looks again at %v, which is not later than %v", i, next, now)
				}
			}
		})
	}
}

// A driver that looks only when it is told to finds the same as one that always
// looks.
func TestConflictsDeadlines(t *testing.T) {
	c := Conflicts{Pace: Patient}
	h := c.Add(MAC{}, nil)
	look, _ := c.Announce(t0, h, []netip.Addr{vip4})
	var at []time.Duration
	for now := look; !now.IsZero() && len(at) < 10; {
		at = append(at, now.Sub(t0))
		for _, f := range c.Due(now) {
			if f.Conflict.MAC != h2 {
				t.Errorf("found %v", f.Conflict)
			}
		}
		_, next := c.Listen(now, nil)
		if len(at) == 1 {
			c.Hear(now, vip4, h2, h1)
			_, next = c.Listen(now, nil)
		}
		now = next
	}
	want := []time.Duration{Patient.Settle, Patient.Settle + Patient.Confirm, Patient.Settle + Patient.Confirm + Patient.Quiet}
	if !slices.Equal(at, want) {
		t.Errorf("looks at %v, want %v", at, want)
	}
}

// Two routers on one interface are told apart.
func TestConflictsOfSeveralHolders(t *testing.T) {
	c := Conflicts{Pace: Patient}
	a, b := c.Add(vmac4, nil), c.Add(MAC{}, nil)
	c.Announce(t0, a, []netip.Addr{vip4})
	c.Announce(t0, b, []netip.Addr{vip4.Next()})
	now := t0.Add(Patient.Settle)
	c.Hear(now, vip4.Next(), vmac4, h1) // a's MAC is not b's
	c.Hear(now, vip4, vmac4, h1)
	found := c.Due(now.Add(Patient.Confirm))
	if len(found) != 1 || found[0].Holder != b {
		t.Fatalf("found %v, want one of the second holder", found)
	}
	c.Remove(b)
	if listen, _ := c.Listen(now.Add(Patient.Confirm), nil); !slices.Equal(listen, []netip.Addr{vip4}) {
		t.Errorf("listens for %v after one left", listen)
	}
}
