package upstream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// suite is every balancer, one line each, with what it promises; see trait.
var suite = []struct {
	bal    Balancer
	traits trait
	within float64 // shares differ by so much from the weights; 0 promises nothing
}{
	{RoundRobin(), 0, 0.001},
	{LeastConn(), 0, 0.001},
	{Random(), 0, 0.05},
	{RandomTwo(), 0, 0}, // of two draws the lighter loaded one, whatever their weights
	{LeastTime(), greedy, 0},
	{Fair(), 0, 0},
	{First(), greedy, 0},
	{Sticky(RoundRobin()), 0, 0.001},
	{IPHash(), hashes | byAddr, 0.05},
	{Hash(), hashes, 0.05},
	{HashConsistent(), hashes | consistent | minimal, 0.25},
	{Maglev(), hashes | consistent, 0.05},
	{BoundedLoad(IPHash(), 1.5), hashes | byAddr, 0.05},
	{BoundedLoad(Hash(), 2), hashes, 0.05},
	{BoundedLoad(HashConsistent(), 1.25), hashes | consistent | minimal, 0.25},
	{BoundedLoad(Maglev(), 1.1), hashes | consistent, 0.05},
}

// trait is a promise beyond those that every balancer makes.
type trait uint

const (
	// hashes: the same key and client go to the same peer, also while others go
	// out and come back, whatever the ids.
	hashes trait = 1 << iota
	// consistent: the order of the peers does not matter, and a change of the
	// membership or of a weight moves few keys that it need not.
	consistent
	// minimal: it moves none.
	minimal
	// byAddr: the client's address is what counts, not the key.
	byAddr
	// greedy: one peer takes all that it can.
	greedy
)

// every runs f for the balancers that have these traits.
func every(t *testing.T, traits trait, f func(t *testing.T, bal Balancer)) {
	for _, s := range suite {
		if s.traits&traits == traits {
			t.Run(s.bal.String(), func(t *testing.T) { f(t, s.bal) })
		}
	}
}

// backend is what a suite pool is made of: an address of its own.
type backend struct {
	id   string
	addr string
	opts []ServerOption
}

// lettered returns backends a, b, c ... with these weights.
func lettered(weights ...int) []backend {
	var out []backend
	for i, w := range weights {
		out = append(out, backend{string(rune('a' + i)), fmt.Sprintf("192.0.2.%d:8080", i+1), []ServerOption{Weight(w)}})
	}
	return out
}

func suitePool(t testing.TB, bal Balancer, backends ...backend) *Pool {
	t.Helper()
	opts := []Option{WithBalancer(bal)}
	for _, b := range backends {
		opts = append(opts, WithServer(b.addr, append([]ServerOption{ID(b.id)}, b.opts...)...))
	}
	return newPool(t, append(opts, WithRetryBudget(1, 0))...)
}

// request is the i-th of many clients, with a key of its own.
func request(i int) *Request {
	n := uint32(i) * 2654435761
	return &Request{
		Key:  fmt.Appendf(nil, "/item/%d", i),
		Addr: netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}),
	}
}

// places returns the ids to which the first n requests go, each ending at once.
func places(p *Pool, n int) []string {
	out := make([]string, n)
	for i := range out {
		id, l := pickFor(p, t0, request(i))
		l.Done(t0, Success)
		out[i] = id
	}
	return out
}

func TestSuiteFairness(t *testing.T) {
	const n = 40_000
	weights := []int{3, 1, 5, 2, 1}
	for _, s := range suite {
		if s.within == 0 {
			continue
		}
		t.Run(s.bal.String(), func(t *testing.T) {
			seen := map[string]int{}
			for _, id := range places(suitePool(t, s.bal, lettered(weights...)...), n) {
				seen[id]++
			}
			for i, w := range weights {
				got, want := float64(seen[string(rune('a'+i))]), float64(n*w)/12
				if got < want*(1-s.within) || got > want*(1+s.within) {
					t.Errorf("peer of weight %d had %v requests, want %.0f within %.1f %%", w, got, want, 100*s.within)
				}
			}
		})
	}
}

// TestSuiteEligible plays random histories: a pick never finds a peer that it
// must not, and finds one whenever there is one, backups last.
func TestSuiteEligible(t *testing.T) {
	every(t, 0, func(t *testing.T, bal Balancer) {
		histories, steps := uint64(6), 800
		if race.Enabled || testing.Short() {
			histories, steps = 3, 200
		}
		for seed := range histories {
			suiteHistory(t, bal, rand.New(rand.NewPCG(seed, 11)), steps)
		}
	})
}

func suiteHistory(t *testing.T, bal Balancer, rng *rand.Rand, steps int) {
	type flight struct {
		r     *Request
		l     Lease
		tried map[string]bool
	}
	var backends []backend
	for i := range 2 + rng.IntN(9) {
		b := backend{id: fmt.Sprint(i), addr: fmt.Sprintf("192.0.2.1:%d", 1000+i%7)}
		b.opts = []ServerOption{Weight(1 + rng.IntN(5)), MaxConns(rng.IntN(4)), MaxFails(rng.IntN(3))}
		if rng.IntN(4) == 0 {
			b.opts = append(b.opts, Backup())
		}
		if rng.IntN(8) == 0 {
			b.opts = append(b.opts, Down())
		}
		backends = append(backends, b)
	}
	p := suitePool(t, bal, backends...)
	var live []*flight
	now := t0
	for step := range steps {
		now += rng.Int64N(3_000) * ms
		one := fmt.Sprint(rng.IntN(len(backends)))
		switch rng.IntN(10) {
		case 0:
			must(t, p.SetHealth(one, "test", rng.IntN(2) == 0, nil))
		case 1:
			must(t, p.Drain(one, rng.IntN(3) == 0))
		case 2:
			must(t, p.SetWeight(one, 1+rng.IntN(5)))
		}
		if len(live) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(live))
			f := live[i]
			o := Outcome(rng.IntN(4))
			id := f.l.Backend().ID()
			f.l.Done(now, o)
			if o == Free {
				delete(f.tried, id)
			}
			if o == Success || rng.IntN(3) == 0 {
				live = slices.Delete(live, i, i+1)
				continue
			}
			live = slices.Delete(live, i, i+1)
			live = append(live, f)
		} else {
			live = append(live, &flight{r: request(rng.IntN(100)), tried: map[string]bool{}})
		}

		f := live[len(live)-1]
		backups := f.r.tier == backupLevel
		could, full := map[string]bool{}, false
		for _, tier := range []bool{false, true} {
			if len(could) > 0 || backups && !tier {
				continue
			}
			for _, s := range p.Snapshot().Backends {
				b := p.view.Load().byID[s.ID]
				probe := s.State == StateUnavailable && now-b.checked > b.failTimeout
				if s.Backup != tier || f.tried[s.ID] || s.State != StateUp && !probe {
					continue
				}
				if s.MaxConns > 0 && s.Active >= int64(s.MaxConns) {
					full = true
					continue
				}
				could[s.ID] = true
			}
		}
		tries := f.r.Tries()
		got, l := pickFor(p, now, f.r)
		switch {
		case could[got]:
			f.l = l
			f.tried[got] = true
			continue
		case len(could) > 0, full != (got == "busy"), got != "busy" && got != "none":
			t.Fatalf("step %d: pick = %s with %v eligible, others full: %v", step, got, could, full)
		case f.r.Tries() != tries:
			t.Fatalf("step %d: a pick that failed counts as a try", step)
		}
		live = live[:len(live)-1]
	}
}

// TestSuiteSame: one key, one peer, in every pool of the same backends.
func TestSuiteSame(t *testing.T) {
	every(t, hashes, func(t *testing.T, bal Balancer) {
		p := suitePool(t, bal, lettered(2, 1, 3)...)
		want := places(p, 300)
		if got := places(p, 300); !slices.Equal(got, want) {
			t.Error("keys moved without a reason")
		}
		if got := places(suitePool(t, bal, lettered(2, 1, 3)...), 300); !slices.Equal(got, want) {
			t.Error("keys are elsewhere in another pool")
		}
	})
}

// TestSuiteOutage: while a peer is out, its keys move, and theirs alone.
func TestSuiteOutage(t *testing.T) {
	every(t, hashes, func(t *testing.T, bal Balancer) {
		p := suitePool(t, bal, lettered(2, 1, 3, 1, 2)...)
		before := places(p, 2000)
		for _, out := range []func(on bool){
			func(on bool) { must(t, p.SetHealth("c", "test", !on, nil)) },
			func(on bool) { must(t, p.Drain("c", on)) },
			func(on bool) {
				o := Up()
				if on {
					o = Down()
				}
				must(t, p.Update("c", o))
			},
		} {
			out(true)
			heirs := map[string]int{}
			for i, got := range places(p, 2000) {
				if before[i] == "c" {
					heirs[got]++
				} else if got != before[i] {
					t.Fatalf("key %d moved from %s to %s", i, before[i], got)
				}
			}
			if heirs["c"] > 0 || len(heirs) != 4 {
				t.Errorf("the keys of c went to %v, want all others", heirs)
			}
			out(false)
			if got := places(p, 2000); !slices.Equal(got, before) {
				t.Error("keys did not come back")
			}
		}
	})
}

// strayed counts the keys that moved and neither left nor joined one of the
// peers that were meant to change.
func strayed(before, after []string, changed string) (moved, astray int) {
	for i := range before {
		if before[i] == after[i] {
			continue
		}
		moved++
		if before[i] != changed && after[i] != changed {
			astray++
		}
	}
	return moved, astray
}

// TestSuiteChange: removal, return and another weight of one peer move keys from
// it or to it, and few others.
func TestSuiteChange(t *testing.T) {
	const n = 20_000
	every(t, consistent, func(t *testing.T, bal Balancer) {
		most := n * 4 / 100
		if traitsOf(bal)&minimal != 0 {
			most = 0
		}
		p := suitePool(t, bal, lettered(1, 2, 1, 1, 2, 1, 1, 1, 1, 1)...)
		before := places(p, n)
		check := func(what string, least, greatest int) {
			t.Helper()
			after := places(p, n)
			moved, astray := strayed(before, after, "d")
			if astray > most || moved < n*least/100 || moved > n*greatest/100 {
				t.Errorf("%s: %d of %d keys moved, %d between others; want %d to %d %%, at most %d between others", what, moved, n, astray, least, greatest, most)
			}
			t.Logf("%s: %d of %d keys moved, %d between others", what, moved, n, astray)
			before = after
		}
		first := before
		must(t, p.Remove("d"))
		check("d removed", 6, 14)
		must(t, p.Add("192.0.2.4:8080", ID("d")))
		check("d is back", 6, 14)
		if !slices.Equal(before, first) {
			t.Error("the keys are not where they were")
		}
		must(t, p.SetWeight("d", 3))
		check("d heavier", 10, 22)
		must(t, p.SetWeight("d", 1))
		check("d light again", 10, 22)
		if !slices.Equal(before, first) {
			t.Error("the keys are not where they were")
		}
	})
}

// TestSuiteNames: ids are labels, and to the consistent ones so is the order.
func TestSuiteNames(t *testing.T) {
	every(t, hashes, func(t *testing.T, bal Balancer) {
		backends := lettered(2, 1, 3, 1, 4)
		addrs := func(backends []backend) []string {
			p := suitePool(t, bal, backends...)
			out := places(p, 1000)
			for i, id := range out {
				out[i] = p.view.Load().byID[id].addr
			}
			return out
		}
		want := addrs(backends)
		for i := range backends {
			backends[i].id = fmt.Sprint("z", 9-i)
		}
		if !slices.Equal(addrs(backends), want) {
			t.Error("other ids move keys")
		}
		if slices.Reverse(backends); slices.Equal(addrs(backends), want) != (traitsOf(bal)&consistent != 0) {
			t.Error("another order moves keys, or should and does not")
		}
	})
}

func traitsOf(bal Balancer) trait {
	for _, s := range suite {
		if s.bal.String() == bal.String() {
			return s.traits
		}
	}
	return 0
}

// TestSuiteBackups: they serve while no primary can, and a request that reached
// them stays.
func TestSuiteBackups(t *testing.T) {
	every(t, 0, func(t *testing.T, bal Balancer) {
		backends := lettered(1, 2, 1, 3)
		backends[1].opts = append(backends[1].opts, Backup())
		backends[3].opts = append(backends[3].opts, Backup())
		p := suitePool(t, bal, backends...)
		only := func(ids ...string) {
			t.Helper()
			got := places(p, 200)
			slices.Sort(got)
			got = slices.Compact(got)
			if !slices.Equal(got, ids) && !(traitsOf(bal)&greedy != 0 && len(got) == 1 && slices.Contains(ids, got[0])) {
				t.Errorf("requests went to %v, want %v", got, ids)
			}
		}
		only("a", "c")
		must(t, p.SetHealth("a", "test", false, nil))
		only("c")
		must(t, p.SetHealth("c", "test", false, nil))
		only("b", "d")
		r := request(1)
		first, l := pickFor(p, t0, r)
		must(t, p.SetHealth("a", "test", true, nil))
		l.Done(t0, Pass)
		if id, _ := pickFor(p, t0, r); id != "b" && id != "d" || id == first {
			t.Errorf("retry at the backups = %s after %s", id, first)
		}
		only("a")
	})
}

// TestSuiteFree: an attempt that ended with Free was none. A request that hashes
// goes to the same peer again, at its first attempt and later.
func TestSuiteFree(t *testing.T) {
	every(t, 0, func(t *testing.T, bal Balancer) {
		for i := range 50 {
			p := suitePool(t, bal, lettered(1, 2, 1)...)
			r := request(i)
			seen := map[string]bool{}
			for try := range 3 {
				id, l := pickFor(p, t0, r)
				l.Done(t0, Free)
				if r.Tries() != try {
					t.Fatalf("Tries() after Free = %d, want %d", r.Tries(), try)
				}
				again, l := pickFor(p, t0, r)
				l.Done(t0, Pass)
				if seen[again] || l.Backend() == nil {
					t.Fatalf("try %d = %s after %v", try, again, seen)
				}
				if traitsOf(bal)&hashes != 0 && again != id && r.missed < maxMisses {
					t.Errorf("request %d, try %d went to %s, and after Free to %s", i, try, id, again)
				}
				seen[again] = true
			}
			if id, _ := pickFor(p, t0, r); id != "none" {
				t.Errorf("after every peer = %s, want none", id)
			}
		}
	})
}

// TestSuiteWaiting: a pick that fails leaves the request as it was: once there is
// room, it goes where it would have gone.
func TestSuiteWaiting(t *testing.T) {
	every(t, hashes, func(t *testing.T, bal Balancer) {
		backends := lettered(1, 1, 1)
		for i := range backends {
			backends[i].opts = append(backends[i].opts, MaxConns(1))
		}
		p := suitePool(t, bal, backends...)
		next := func(r *Request) string {
			id, l := pickFor(p, t0, r)
			l.Done(t0, Pass)
			return id
		}
		for i := range 30 {
			r := request(i)
			want := []string{next(r), next(r), next(r)}
			r = request(i)
			for try := range want {
				var full []Lease
				for j := 0; len(full) < 3; j++ {
					if _, l := pickFor(p, t0, request(j)); l.Backend() != nil {
						full = append(full, l)
					}
				}
				for range 3 {
					if id := next(r); id != "busy" {
						t.Fatalf("request %d, try %d with all full = %s", i, try, id)
					}
				}
				for _, l := range full {
					l.Done(t0, Success)
				}
				if id := next(r); id != want[try] {
					t.Errorf("request %d, try %d went to %s, want %s", i, try, id, want[try])
				}
			}
		}
	})
}

func TestSuiteEmpty(t *testing.T) {
	every(t, 0, func(t *testing.T, bal Balancer) {
		p := suitePool(t, bal)
		r := request(1)
		for range 2 {
			if _, err := p.TryPick(t0, r); !errors.Is(err, ErrNoPeer) || r.Tries() != 0 {
				t.Fatalf("pick from an empty pool: %v, %d tries", err, r.Tries())
			}
			must(t, p.Add("192.0.2.1:80"))
			if id, l := pickFor(p, t0, new(Request)); id != "192.0.2.1:80" {
				t.Errorf("pick of the only one = %s", id)
			} else {
				l.Done(t0, Success)
			}
			must(t, p.Remove("192.0.2.1:80"))
		}
		must(t, p.Add("192.0.2.9:80", Backup()))
		if id, _ := pickFor(p, t0, r); id != "192.0.2.9:80" {
			t.Errorf("pick of the only backup = %s", id)
		}
	})
}

// TestSuiteNoKey: requests that say nothing of themselves are spread.
func TestSuiteNoKey(t *testing.T) {
	for _, s := range suite {
		if s.traits&byAddr != 0 || s.within == 0 {
			continue // all clients without an address are one
		}
		t.Run(s.bal.String(), func(t *testing.T) {
			p := suitePool(t, s.bal, lettered(1, 2, 1)...)
			seen := map[string]int{}
			for range 40 {
				id, l := pick(p, t0)
				l.Done(t0, Success)
				seen[id]++
			}
			if seen["a"] == 0 || seen["b"] == 0 || seen["c"] == 0 {
				t.Errorf("requests went to %v", seen)
			}
		})
	}
}

// TestSuiteEveryPeer: a request that keeps failing meets every peer once.
func TestSuiteEveryPeer(t *testing.T) {
	every(t, 0, func(t *testing.T, bal Balancer) {
		for _, n := range []int{1, 2, 64, 65, 70, 200} {
			var backends []backend
			for i := range n {
				b := backend{id: fmt.Sprint(i), addr: fmt.Sprintf("192.0.2.%d:80", i), opts: []ServerOption{MaxFails(0), Weight(1 + i%3)}}
				if i%3 == 2 {
					b.opts = append(b.opts, Backup())
				}
				backends = append(backends, b)
			}
			p := suitePool(t, bal, backends...)
			for i := range 3 {
				r := request(i)
				seen := map[string]bool{}
				for r.Tries() < p.Peers() {
					id, l := pickFor(p, t0, r)
					if seen[id] || l.Backend() == nil {
						t.Fatalf("of %d: try %d = %s, seen before: %v", n, r.Tries(), id, seen[id])
					}
					seen[id] = true
					l.Done(t0, Failure)
				}
				if id, _ := pickFor(p, t0, r); id != "none" {
					t.Errorf("of %d: after every peer = %s, want none", n, id)
				}
			}
		}
	})
}

// TestSuiteConcurrent: see TestConcurrent. A change of the membership of Maglev
// takes its time under the race detector.
func TestSuiteConcurrent(t *testing.T) {
	every(t, hashes, func(t *testing.T, bal Balancer) {
		if race.Enabled && strings.HasPrefix(bal.String(), "maglev,") {
			t.Skip("maglev has run")
		}
		testConcurrent(t, bal)
	})
}

// TestSuiteNoAllocations is the gate for the hot path of all.
func TestSuiteNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	every(t, 0, func(t *testing.T, bal Balancer) {
		for _, n := range []int{2, 16, 100} {
			p := benchPool(t, n, bal, MaxFails(0), MaxConns(50)) // MaxFails would log
			now := t0
			r := new(Request)
			keys := make([]Request, 64)
			for i := range keys {
				keys[i] = *request(i)
			}
			i := 0
			allocs := testing.AllocsPerRun(10, func() {
				for range 1000 {
					now += ms
					i++
					r.Key, r.Addr = keys[i%64].Key, keys[i%64].Addr
					for range i % 3 {
						if l, err := p.TryPick(now, r); err == nil {
							l.Done(now, Outcome(i%4))
						}
					}
					r.Reset()
				}
			})
			if allocs != 0 {
				t.Errorf("of %d: %v allocations in 1000 requests, want 0", n, allocs)
			}
		}
	})
}

// BenchmarkSuite is a pick with its Done among 16 peers, 64 clients in turn.
func BenchmarkSuite(b *testing.B) {
	for _, s := range suite {
		b.Run(s.bal.String(), func(b *testing.B) {
			p := benchPool(b, 16, s.bal)
			clients := make([]Request, 64)
			for i := range clients {
				clients[i] = *request(1_000_000 + i)
			}
			b.ReportAllocs()
			var r Request
			var now int64
			for i := 0; b.Loop(); i++ {
				now += 1000
				r.Key, r.Addr = clients[i%64].Key, clients[i%64].Addr
				l, err := p.TryPick(now, &r)
				if err != nil {
					b.Fatal(err)
				}
				l.Done(now, Success)
				r.Reset()
			}
		})
	}
}
