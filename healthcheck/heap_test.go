package healthcheck

import (
	"math/rand/v2"
	"testing"
)

// TestHeapEqualsNaiveModel compares random pushes, removals and pops with a map.
func TestHeapEqualsNaiveModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h heap
	model := map[uint32]int64{}
	for i := range 100_000 {
		index := uint32(r.IntN(300))
		switch _, there := model[index]; {
		case (!there || r.IntN(3) == 0) && r.IntN(3) > 0:
			model[index] = int64(r.IntN(1000))
			h.push(index, model[index])
		case r.IntN(2) == 0:
			h.remove(index)
			delete(model, index)
		default:
			e, ok := h.top()
			if ok != (len(model) > 0) {
				t.Fatalf("step %d: top() = %v with %d targets", i, ok, len(model))
			}
			if !ok {
				continue
			}
			for other, at := range model {
				if at < e.at {
					t.Fatalf("step %d: top() is at %d, target %d at %d", i, e.at, other, at)
				}
			}
			if model[e.index] != e.at {
				t.Fatalf("step %d: top() = %+v, want at %d", i, e, model[e.index])
			}
			h.remove(e.index)
			delete(model, e.index)
		}
		if len(h.entries) != len(model) {
			t.Fatalf("step %d: %d entries, want %d", i, len(h.entries), len(model))
		}
		for position, e := range h.entries {
			if int(h.place[e.index]) != position+1 {
				t.Fatalf("step %d: target %d is at %d, its place says %d", i, e.index, position+1, h.place[e.index])
			}
		}
	}
}

func TestHeapRemoveAbsent(t *testing.T) {
	var h heap
	h.remove(0)
	h.push(3, 1)
	h.remove(2)
	h.remove(9)
	h.remove(3)
	h.remove(3)
	if _, ok := h.top(); ok || len(h.entries) != 0 {
		t.Errorf("left %v", h.entries)
	}
}
