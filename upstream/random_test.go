package upstream

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// drawn is random once more, written naively from nginx's rule beside the
// model's eligibility and round robin: the same source, a walk along the
// weights.
type drawn struct {
	*model
	two    bool
	source *rand.PCG
	misses map[*modelRequest]int
}

func (d *drawn) pick(r *modelRequest, now int64) string {
	tier := d.tier(r.backups)
	total := 0
	for _, p := range tier {
		total += p.weight
	}
	able := func(p *modelPeer) bool {
		ok, _ := usable([]*modelPeer{p}, r.tried, now, true)
		return len(ok) == 1
	}
	var other *modelPeer
	for len(tier) > 1 && d.misses[r] <= 20 {
		x, _ := bits.Mul64(d.source.Uint64(), uint64(total))
		p := tier[0]
		for _, next := range tier {
			if p = next; x < uint64(p.weight) {
				break
			}
			x -= uint64(p.weight)
		}
		if p == other || !able(p) {
			d.misses[r]++
			continue
		}
		if d.two && other == nil {
			other = p
			continue
		}
		if d.two && float64(p.conns)/float64(p.weight) > float64(other.conns)/float64(other.weight) {
			p = other
		}
		return d.take(r, p, now)
	}
	got := d.model.pick(r, now) // the round robin
	if r.current == nil {
		d.misses[r] = 0
	}
	return got
}

// TestRandomModel plays histories of retries, failures, free attempts and full
// peers on the pool and on the model.
func TestRandomModel(t *testing.T) {
	for _, two := range []bool{false, true} {
		for n := 1; n <= 9; n++ {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			opts, m := twinPeers(rng, n)
			bal := Random()
			if two {
				bal = RandomTwo()
			}
			t.Run(fmt.Sprintf("%v/%d", bal, n), func(t *testing.T) {
				p := newPool(t, append(opts, WithRetryBudget(1, 0), WithBalancer(bal), withSeed(7))...)
				d := &drawn{model: m, two: two, source: rand.NewPCG(7, 7), misses: map[*modelRequest]int{}}
				(&twins{t: t, rng: rng, pool: p, model: m, pick: d.pick}).play()
			})
		}
	}
}

// TestRandomShares: with everybody eligible the shares are those of the weights,
// within five standard deviations.
func TestRandomShares(t *testing.T) {
	const picks = 70_000
	weights := []int{1, 2, 4}
	p := newPool(t, append(weighted(nil, weights...), WithBalancer(Random()), withSeed(1))...)
	seen := map[string]int{}
	for range picks {
		id, l := pick(p, t0)
		l.Done(t0, Success)
		seen[id]++
	}
	for i, w := range weights {
		share := float64(w) / 7
		want, sigma := picks*share, math.Sqrt(picks*share*(1-share))
		if id := string(rune('a' + i)); math.Abs(float64(seen[id])-want) > 5*sigma {
			t.Errorf("%s had %d of %d picks, want about %.0f", id, seen[id], picks, want)
		}
	}
}

// TestRandomDifferent: two pools do not draw alike, and one does not repeat
// itself.
func TestRandomDifferent(t *testing.T) {
	opts := append(weighted(nil, 1, 1, 1, 1), WithBalancer(Random()))
	a := sequence(newPool(t, opts...), t0, 64)
	b := sequence(newPool(t, opts...), t0, 64)
	if a == b {
		t.Errorf("two pools drew the same 64 peers: %s", a)
	}
}

// TestRandomTwoEvens: 2,000 requests that stay are spread far more evenly by two
// draws than by one.
func TestRandomTwoEvens(t *testing.T) {
	most := func(bal Balancer) (n int64) {
		p := newPool(t, append(weighted(nil, make20()...), WithBalancer(bal), withSeed(3))...)
		for range 2000 {
			pick(p, t0)
		}
		for _, s := range p.Snapshot().Backends {
			n = max(n, s.Active)
		}
		return n
	}
	if one, two := most(Random()), most(RandomTwo()); two > 104 || one < 112 {
		t.Errorf("of 100 per peer, random piles up to %d and random two to %d; want over 112 and under 104", one, two)
	}
}

func make20() []int {
	w := make([]int, 20)
	for i := range w {
		w[i] = 1
	}
	return w
}

// TestRandomTwoTie: at equal loads the second of the two is taken. Of two peers
// that is the light one wherever the heavy one came first.
func TestRandomTwoTie(t *testing.T) {
	const picks = 10_000
	p := newPool(t, append(weighted(nil, 3, 1), WithBalancer(RandomTwo()), withSeed(5))...)
	n := turns(p, t0, picks, "b")
	if n < 7200 || n > 7800 {
		t.Errorf("b had %d of %d picks, want about 7,500", n, picks)
	}
}

// TestRandomLastOne: when one peer of a hundred is left, the misses are bounded
// and it is found.
func TestRandomLastOne(t *testing.T) {
	for _, bal := range []Balancer{Random(), RandomTwo()} {
		t.Run(bal.String(), func(t *testing.T) {
			var opts []Option
			for i := range 100 {
				o := []ServerOption{}
				if i != 77 {
					o = append(o, Down())
				}
				opts = append(opts, server(fmt.Sprint(i), o...))
			}
			p := newPool(t, append(opts, WithRetryBudget(1, 0), WithBalancer(bal), withSeed(1))...)
			for range 50 {
				r := new(Request)
				if id, _ := pickFor(p, t0, r); id != "77" {
					t.Fatalf("pick = %s, want 77", id)
				}
				if r.hops > randomMisses+1 {
					t.Fatalf("%d draws missed, want at most %d", r.hops, randomMisses+1)
				}
			}
		})
	}
}
