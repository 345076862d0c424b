package upstream

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// balancers is every rule that a tier has to work with.
func balancers() (all []Balancer) {
	for _, s := range suite {
		all = append(all, s.bal)
	}
	return all
}

func TestPriorityOrder(t *testing.T) {
	p := newPool(t,
		server("third", Priority(200)), server("spare", Backup()), server("first", Weight(2)),
		server("second", Priority(7)), server("also", Priority(7)))
	var r Request
	var got []string
	for range p.Peers() {
		id, l := pickFor(p, t0, &r)
		l.Done(t0, Failure)
		got = append(got, id)
	}
	if s := strings.Join(got, " "); s != "first second also third spare" {
		t.Errorf("tries = %s, want first second also third spare", s)
	}
	if id, _ := pickFor(p, t0, &r); id != "none" {
		t.Errorf("a request that tried all got %s, want none", id)
	}
	if s := status(t, p, "third"); s.Priority != 200 || s.Backup {
		t.Errorf("third = priority %d, backup %v; want 200, false", s.Priority, s.Backup)
	}
}

// TestPriorityErrors: the range is 0 to 254, and a refused change changes nothing.
func TestPriorityErrors(t *testing.T) {
	for _, n := range []int{-1, 255, 1 << 20} {
		want := fmt.Sprintf("priority %d is outside 0 to 254", n)
		if _, err := New(server("a", Priority(n))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v, want it to say %s", err, want)
		}
		p := newPool(t, server("a", Priority(9)))
		if err := p.Update("a", Priority(n)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Update() = %v, want it to say %s", err, want)
		}
		if s := status(t, p, "a"); s.Priority != 9 {
			t.Errorf("priority = %d after a refused change, want 9", s.Priority)
		}
	}
}

// TestPriorityBackup: a backup is behind every priority, and its own holds again
// when it is a primary.
func TestPriorityBackup(t *testing.T) {
	p := newPool(t, server("a", Priority(254)), server("b", Backup(), Priority(0)))
	if got := sequence(p, t0, 2); got != "a a" {
		t.Errorf("picks = %s, want a a", got)
	}
	must(t, p.Update("b", Primary()))
	if got := sequence(p, t0, 2); got != "b b" {
		t.Errorf("picks = %s, want b b", got)
	}
}

// TestPriorityStays: a request does not go back to an earlier tier, also when the
// tiers change under it.
func TestPriorityStays(t *testing.T) {
	p := newPool(t, server("a", Down()), server("b", Priority(5)), server("c", Priority(9)), server("d", Backup()))
	var r Request
	next := func(want string) {
		t.Helper()
		id, l := pickFor(p, t0, &r)
		l.Done(t0, Failure)
		if id != want {
			t.Fatalf("pick = %s, want %s", id, want)
		}
	}
	next("b")
	must(t, p.Update("a", Up()))
	must(t, p.Add("192.0.2.7:80", ID("e"), Priority(3)))
	must(t, p.Update("c", Priority(4)))
	next("d") // a, c and e are in earlier tiers now
	must(t, p.Update("c", Backup()))
	next("c")
	must(t, p.Update("c", Primary(), Priority(0)))
	next("none")
	var fresh Request
	if id, _ := pickFor(p, t0, &fresh); id != "a" {
		t.Errorf("a new request got %s, want a", id)
	}
}

// TestPriorityKeeps: state follows the peer from tier to tier.
func TestPriorityKeeps(t *testing.T) {
	p := newPool(t, server("a", Weight(10), MaxFails(5)), server("b", Priority(2)))
	_, held := pick(p, t0)
	failOne(t, p, t0, "a")
	old := held.Backend()
	must(t, p.Update("a", Priority(3)))
	if got := sequence(p, t0, 2); got != "b b" {
		t.Errorf("picks = %s, want b b", got)
	}
	if s := status(t, p, "a"); s.Active != 1 || s.Fails != 1 || s.Effective != 8 || old.Gone() {
		t.Errorf("a = active %d, fails %d, effective %d, gone %v; want 1, 1, 8, false", s.Active, s.Fails, s.Effective, old.Gone())
	}
	held.Done(t0, Success)
}

// TestPrioritySingle: nginx's exception is for the only peer of a pool, in
// whatever priority, and neither for a backup nor for one peer in each of two
// tiers.
func TestPrioritySingle(t *testing.T) {
	tests := []struct {
		name   string
		opts   []Option
		single bool
	}{
		{"one", []Option{server("a")}, true},
		{"one of priority 3", []Option{server("a", Priority(3))}, true},
		{"one backup", []Option{server("a", Backup())}, false},
		{"one and a backup", []Option{server("a"), server("b", Backup(), Down())}, false},
		{"one in each tier", []Option{server("a"), server("b", Priority(1), Down())}, false},
		{"two", []Option{server("a", Priority(1)), server("b", Priority(1), Down())}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, tt.opts...)
			failOne(t, p, t0, "a")
			want := "none"
			if tt.single {
				want = "a"
			}
			if id, _ := pick(p, t0); id != want {
				t.Errorf("pick after a failure = %s, want %s", id, want)
			}
		})
	}
}

// TestPriorityTiers: whatever the balancer, a pick comes from the first tier that
// has an eligible peer which the request did not try, from the tier of its last
// attempt on, and fails only when there is none.
func TestPriorityTiers(t *testing.T) {
	for _, bal := range balancers() {
		t.Run(bal.String(), func(t *testing.T) {
			seeds := uint64(300)
			if _, ok := bal.rule.(builder); ok {
				seeds = 10 // tables take their time
			}
			for seed := range seeds {
				tiersOnce(t, bal, rand.New(rand.NewPCG(seed, 2)))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// tiersOnce plays requests over a random pool against lists of names.
func tiersOnce(t *testing.T, bal Balancer, rng *rand.Rand) {
	type naive struct {
		level          int
		down, draining bool
	}
	p := newPool(t, WithBalancer(bal))
	peers := map[string]*naive{}
	options := func(n *naive) []ServerOption {
		priority := rng.IntN(4) * 40
		n.level, n.down = priority, rng.IntN(6) == 0
		opts := []ServerOption{Priority(priority), Primary(), Up()}
		if rng.IntN(5) == 0 {
			n.level = 1000
			opts[1] = Backup()
		}
		if n.down {
			opts[2] = Down()
		}
		return opts
	}
	for i := range rng.IntN(9) {
		n := new(naive)
		id := fmt.Sprint(i)
		opts := append(options(n), ID(id), MaxFails(0), Weight(1+rng.IntN(4)))
		must(t, p.Add("192.0.2.1:80", opts...))
		peers[id] = n
	}
	for range 20 {
		var r Request
		tried, level := map[string]bool{}, -1
		for range 12 {
			for id, n := range peers {
				switch rng.IntN(12) {
				case 0:
					must(t, p.Update(id, options(n)...))
				case 1:
					n.draining = !n.draining
					must(t, p.Drain(id, n.draining))
				}
			}
			want := -1 // the tier that has to serve
			for id, n := range peers {
				if !n.down && !n.draining && !tried[id] && n.level >= level && (want < 0 || n.level < want) {
					want = n.level
				}
			}
			id, l := pickFor(p, t0, &r)
			l.Done(t0, Failure)
			if id == "none" {
				if want >= 0 {
					t.Errorf("none was picked, want a peer of %d", want)
				}
				break
			}
			if n := peers[id]; n == nil || tried[id] || n.down || n.draining || n.level != want {
				t.Errorf("picked %s: %+v, tried before: %v; want a peer of %d", id, n, tried[id], want)
				return
			}
			tried[id], level = true, want
		}
	}
}

// TestPriorityRule: inside a tier the rule is that of a pool which has nothing
// else.
func TestPriorityRule(t *testing.T) {
	for _, bal := range balancers() {
		if strings.HasPrefix(bal.String(), "random") {
			continue // the tiers before have drawn too
		}
		t.Run(bal.String(), func(t *testing.T) {
			tier := func(opts ...ServerOption) []Option {
				return []Option{WithBalancer(bal),
					server("a", append(opts, Weight(5))...), server("b", append(opts, Weight(2))...), server("c", opts...)}
			}
			alone := sequence(newPool(t, tier()...), t0, 40)
			for _, where := range []ServerOption{Priority(1), Priority(254), Backup()} {
				opts := append(tier(where), server("x", Down()), server("y", Priority(0), Down()))
				if got := sequence(newPool(t, opts...), t0, 40); got != alone {
					t.Errorf("picks in a later tier =\n%s\nwant\n%s", got, alone)
				}
			}
		})
	}
}
