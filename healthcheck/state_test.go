package healthcheck

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// naive is the rule in words: the first result decides, then it takes rise
// passes or fall failures in a row.
type naive struct {
	rise, fall int
	state      State
	row        int // results in a row against the state
}

func (n *naive) step(pass bool) (changed bool) {
	before := n.state
	switch {
	case n.state == Unknown && pass:
		n.state = Up
	case n.state == Unknown:
		n.state = Down
	case pass == (n.state == Up):
		n.row = 0
	default:
		n.row++
		if n.state == Up && n.row == n.fall {
			n.state, n.row = Down, 0
		} else if n.state == Down && n.row == n.rise {
			n.state, n.row = Up, 0
		}
	}
	return n.state != before
}

// TestStateEqualsNaiveModel walks every sequence of 11 results for every rise
// and fall up to 4.
func TestStateEqualsNaiveModel(t *testing.T) {
	const length = 11
	for rise := 1; rise <= 4; rise++ {
		for fall := 1; fall <= 4; fall++ {
			p := Policy{Rise: rise, Fall: fall}.withDefaults()
			for results := range 1 << length {
				var v verdict
				n := naive{rise: rise, fall: fall}
				for i := range length {
					pass := results>>i&1 == 1
					got, want := v.step(&p, pass), n.step(pass)
					if got != want || v.state(&p) != n.state {
						t.Fatalf("rise %d fall %d results %0*b at %d: %v changed %v, want %v changed %v",
							rise, fall, length, results, i, v.state(&p), got, n.state, want)
					}
					if v.health < 0 || int(v.health) > rise+fall-1 {
						t.Fatalf("rise %d fall %d: health %d", rise, fall, v.health)
					}
					if settled := n.row == 0; settled != (v.interval(&p) != p.FastInterval) {
						t.Fatalf("rise %d fall %d results %0*b at %d: interval %v with %d in a row", rise, fall, length, results, i, v.interval(&p), n.row)
					}
				}
			}
		}
	}
}

func TestStateInterval(t *testing.T) {
	p := Policy{}.withDefaults()
	for _, c := range []struct {
		name    string
		results string // P pass, F fail
		state   State
		want    time.Duration
	}{
		{"no result", "", Unknown, time.Second},
		{"first passes", "P", Up, 5 * time.Second},
		{"first fails", "F", Down, 10 * time.Second},
		{"up with a failure", "PF", Up, time.Second},
		{"up with two failures", "PFF", Up, time.Second},
		{"up again without doubt", "PFFP", Up, 5 * time.Second},
		{"down after three", "PFFF", Down, 10 * time.Second},
		{"failures not in a row", "PFFPFF", Up, time.Second},
		{"down with a pass", "FP", Down, time.Second},
		{"down again without doubt", "FPF", Down, 10 * time.Second},
		{"up after two", "FPP", Up, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v verdict
			for _, r := range c.results {
				v.step(&p, r == 'P')
			}
			if v.state(&p) != c.state || v.interval(&p) != c.want {
				t.Errorf("after %q: %v, %v; want %v, %v", c.results, v.state(&p), v.interval(&p), c.state, c.want)
			}
		})
	}
}

func TestStateText(t *testing.T) {
	for _, s := range []State{Unknown, Down, Up} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(b, &back); err != nil || back != s || string(b) != fmt.Sprintf("%q", s) {
			t.Errorf("%v became %s became %v, %v", s, b, back, err)
		}
	}
	var s State
	if err := s.UnmarshalText([]byte("UP")); err == nil {
		t.Error("UnmarshalText(UP) succeeded")
	}
	if got := fmt.Sprint(State(9), Status(9), Pass, Fail, Local); got != "state(9) status(9) pass fail local" {
		t.Errorf("got %q", got)
	}
}

// FuzzState compares long sequences, with any rise and fall, with the model.
func FuzzState(f *testing.F) {
	f.Add(uint8(2), uint8(3), []byte("PFFFPPFPFPP"))
	f.Fuzz(func(t *testing.T, rise, fall uint8, results []byte) {
		p := Policy{Rise: int(rise%20) + 1, Fall: int(fall%20) + 1}.withDefaults()
		var v verdict
		n := naive{rise: p.Rise, fall: p.Fall}
		for i, r := range results {
			if got, want := v.step(&p, r&1 == 0), n.step(r&1 == 0); got != want || v.state(&p) != n.state {
				t.Fatalf("rise %d fall %d %q at %d: %v, want %v", p.Rise, p.Fall, results, i, v.state(&p), n.state)
			}
		}
	})
}
