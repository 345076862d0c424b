package vrrp

import (
	"math/rand/v2"
	"testing"
)

// The heap against a list that is searched.
func TestAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var h alarms
	list := make([]alarm, 40)
	set := map[*alarm]instant{}
	for range 20_000 {
		a := &list[r.IntN(len(list))]
		switch at := instant(r.IntN(50)); {
		case at < 10:
			h.set(a, never)
			delete(set, a)
		case at < 15:
			h.remove(a)
			delete(set, a)
		default:
			h.set(a, at)
			set[a] = at
		}
		least := never
		for _, at := range set {
			least = min(least, at)
		}
		if h.next() != least || len(h) != len(set) {
			t.Fatalf("next() = %d of %d alarms, want %d of %d", h.next(), len(h), least, len(set))
		}
		if least != never && set[h[0]] != least {
			t.Fatalf("the first alarm is due at %d", set[h[0]])
		}
		for i, a := range h {
			if a.place != i+1 {
				t.Fatalf("the alarm in slot %d thinks it is in %d", i, a.place-1)
			}
		}
	}
}
