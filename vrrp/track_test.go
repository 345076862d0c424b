package vrrp

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// The table in the comment of Router.Track, row by row.
func TestTrackTable(t *testing.T) {
	out := verdict{down: true}
	add := func(n int) verdict { return verdict{delta: n} }
	for _, c := range []struct {
		name              string
		weight            int
		opts              []TrackOption
		unknown, up, down verdict
	}{
		{"0", 0, nil, out, add(0), out},
		{"0, reverse", 0, []TrackOption{Reverse()}, out, out, add(0)},
		{"+w", 20, nil, add(0), add(20), add(0)},
		{"-w", -20, nil, add(0), add(0), add(-20)},
		{"+w, reverse", 20, []TrackOption{Reverse()}, add(0), add(-20), add(0)},
		{"-w, reverse", -20, []TrackOption{Reverse()}, add(0), add(0), add(20)},
		{"most", 253, nil, add(0), add(253), add(0)},
		{"least", -253, nil, add(0), add(0), add(-253)},
		{"0, down at first", 0, []TrackOption{InitialDown()}, out, add(0), out},
		{"-w, down at first", -20, []TrackOption{InitialDown()}, add(-20), add(0), add(-20)},
		{"-w, down at first, reverse", -20, []TrackOption{Reverse(), InitialDown()}, add(20), add(0), add(20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := newTrack("x", c.weight, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got := k.verdict(); got != c.unknown {
				t.Errorf("at first: %+v, want %+v", got, c.unknown)
			}
			if k.set(true); k.verdict() != c.up {
				t.Errorf("up: %+v, want %+v", k.verdict(), c.up)
			}
			if k.set(false); k.verdict() != c.down {
				t.Errorf("down: %+v, want %+v", k.verdict(), c.down)
			}
		})
	}
}

func TestTrackAdjust(t *testing.T) {
	for _, c := range []struct {
		name  string
		delta int
		want  verdict
	}{
		{"nothing", 0, verdict{}},
		{"some", 7, verdict{delta: 7}},
		{"less", -7, verdict{delta: -7}},
		{"most", 253, verdict{delta: 253}},
		{"more than most", 254, verdict{delta: 253}},
		{"far more", math.MaxInt, verdict{delta: 253}},
		{"least", -253, verdict{delta: -253}},
		{"a fault", -254, verdict{down: true}},
		{"far less", math.MinInt, verdict{down: true}},
	} {
		for _, weight := range []int{0, 5, -5} {
			for _, opts := range [][]TrackOption{nil, {Reverse(), Fall(3)}} {
				t.Run(c.name, func(t *testing.T) {
					k, err := newTrack("x", weight, opts)
					if err != nil {
						t.Fatal(err)
					}
					if k.adjust(c.delta); k.verdict() != c.want || k.state() != "adjusted" {
						t.Errorf("weight %d: %+v, %v, want %+v", weight, k.verdict(), k.state(), c.want)
					}
					if k.set(true); k.state() != "up" {
						t.Errorf("after Set: %v, want up", k.state())
					}
				})
			}
		}
	}
}

func TestTrackStates(t *testing.T) {
	k, err := newTrack("x", 1, []TrackOption{Rise(2), Fall(2)})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		told func()
		want string
	}{
		{func() {}, "unknown"},
		{func() { k.set(true) }, "up"},
		{func() { k.set(false) }, "up"},
		{func() { k.set(false) }, "down"},
		{func() { k.set(true) }, "down"},
		{func() { k.adjust(0) }, "adjusted"},
		{func() { k.set(true) }, "up"},
	} {
		if c.told(); k.state() != c.want {
			t.Errorf("%d: %v, want %v", i, k.state(), c.want)
		}
	}
}

func TestTrackRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		weight int
		opts   []TrackOption
		want   []string
	}{
		{"", 0, nil, []string{"a name is needed"}},
		{"x", 254, nil, []string{"vrrp: tracker \"x\": weight 254 is outside -253..253"}},
		{"x", -254, nil, []string{"weight -254 is outside"}},
		{"x", 0, []TrackOption{Rise(0)}, []string{"0 results in a row are outside 1..65536"}},
		{"x", 0, []TrackOption{Fall(1<<16 + 1)}, []string{"65537 results"}},
		{"x", 0, []TrackOption{nil}, []string{"option 1 is nil"}},
		{"", 300, []TrackOption{Rise(-1)}, []string{"a name", "weight 300", "-1 results"}},
	} {
		_, err := newTrack(c.name, c.weight, c.opts)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q, %d: %v, want %q", c.name, c.weight, err, want)
			}
		}
	}
	if k, err := newTrack("x", -253, []TrackOption{Rise(1 << 16), Fall(1)}); err != nil || k.weight != -253 {
		t.Errorf("at the bounds: %+v, %v", k, err)
	}
}

// The order in which trackers speak does not matter, and neither does what they
// said before: every history with the same end has the same verdict, which is
// the sum of the table's rows.
func TestTrackingIsASum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		weights := make([]int, 1+rnd.IntN(6))
		final := make([]func(*track), len(weights))
		var want verdict
		for i := range weights {
			weights[i] = []int{0, 0, 253, -253, rnd.IntN(507) - 253}[rnd.IntN(5)]
			if weights[i] == 0 && rnd.IntN(2) == 0 {
				weights[i] = 1
			}
			up, delta := rnd.IntN(2) == 0, rnd.IntN(600)-300
			if rnd.IntN(3) == 0 {
				final[i] = func(k *track) { k.adjust(delta) }
				if delta <= -254 {
					want.down = true
				} else {
					want.delta += min(delta, 253)
				}
				continue
			}
			final[i] = func(k *track) { k.set(up) }
			switch w := weights[i]; {
			case w == 0:
				want.down = want.down || !up
			case w > 0 && up, w < 0 && !up:
				want.delta += w
			}
		}
		for range 4 {
			var ts tracking
			for _, i := range rnd.Perm(len(weights)) {
				k, err := newTrack(string(rune('a'+i)), weights[i], nil)
				if err != nil {
					t.Fatal(err)
				}
				for range rnd.IntN(3) {
					k.set(rnd.IntN(2) == 0)
					k.adjust(rnd.IntN(600) - 300)
				}
				ts.list = append(ts.list, tracked{nil, k})
			}
			for _, i := range rnd.Perm(len(weights)) {
				final[ts.list[i].name[0]-'a'](&ts.list[i].track)
			}
			if got := ts.verdict(); got != want {
				t.Fatalf("weights %v: %+v, want %+v", weights, got, want)
			}
			if ev := ts.event(); ev.kind != evTrack || ev.delta != want.delta || ev.down != want.down {
				t.Fatalf("event %+v, want %+v", ev, want)
			}
		}
	}
}
