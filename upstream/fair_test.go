package upstream

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// fairModel is fair once more, naively: first a walk for the idle, then one for
// the least score.
type fairModel struct {
	*model
	turn int
	last map[*modelPeer]int
	next int
}

func (m *fairModel) pick(r *modelRequest, now int64) string {
	tier := m.tier(r.backups)
	able, full := usable(tier, r.tried, now, true)
	if len(able) == 0 {
		return refused(full)
	}
	is := map[*modelPeer]bool{}
	for _, p := range able {
		is[p] = true
	}
	var around []*modelPeer
	for i := range tier {
		if p := tier[(m.next+i)%len(tier)]; is[p] {
			around = append(around, p)
		}
	}
	var best *modelPeer
	for _, p := range around {
		if best == nil && p.conns == 0 && (p.fails == 0 || now-p.checked > p.timeout) {
			best = p
		}
	}
	if best == nil {
		least := 0.0
		for _, p := range around {
			weight := p.weight
			if p.maxFails > 0 {
				if weight = p.weight * (p.maxFails - p.fails) / p.maxFails; weight < 1 {
					weight = 1
				}
			}
			score := float64(p.conns<<20+1<<20-1-(m.turn-m.last[p])) / float64(weight)
			if best == nil || score <= least {
				best, least = p, score
			}
		}
	}
	for i, p := range tier {
		if p == best {
			m.next = i + 1
		}
	}
	m.turn++
	m.last[best] = m.turn
	return m.take(r, best, now)
}

func TestFairModel(t *testing.T) {
	for _, n := range []int{2, 3, 5, 9, 80} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(n), 3))
			opts, m := twinPeers(rng, n)
			p := newPool(t, append(opts, WithRetryBudget(1, 0), WithBalancer(Fair()))...)
			c := &fairModel{model: m, last: map[*modelPeer]int{}}
			(&twins{t: t, rng: rng, pool: p, model: m, pick: c.pick,
				shaken: func(_, _ *modelPeer) { c.next = 0 }}).play()
		})
	}
}

func TestFairSequence(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		want    string // picks of requests that never end
	}{
		{"equal", []int{1, 1, 1}, "a b c a b c a"},
		// The idle first, whatever their weights; then by requests in flight, the
		// new one included, for the weight: nine of a and one of b are equal.
		{"five to one", []int{5, 1}, "a b a a a a a a a a b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, append(weighted(nil, tt.weights...), WithBalancer(Fair()))...)
			var got []string
			for range strings.Fields(tt.want) {
				id, _ := pick(p, t0)
				got = append(got, id)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("picks = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestFairFailures: an idle peer that failed lately is not the first choice, and
// is one again when its fail_timeout is over: otherwise an idle pool would never
// probe it.
func TestFairFailures(t *testing.T) {
	p := newPool(t, server("a", MaxFails(2)), server("b", MaxFails(2)), WithBalancer(Fair()))
	id, l := pick(p, t0)
	if id != "a" {
		t.Fatalf("first pick = %s, want a", id)
	}
	l.Done(t0, Failure)
	if n := turns(p, t0, 10, "a"); n != 0 {
		t.Errorf("after its failure a had %d of 10 turns, want 0", n)
	}
	const later = t0 + 11_000*ms
	if n := turns(p, later, 10, "a"); n == 0 {
		t.Errorf("after its fail_timeout a had no turn")
	}
	if n := turns(p, later+ms, 10, "a"); n != 5 {
		t.Errorf("after its success a had %d of 10 turns, want 5", n)
	}
}

// TestFairAlone: a peer that was left alone for more requests than the score has
// bits for is only that much preferred.
func TestFairAlone(t *testing.T) {
	p := newPool(t, append(weighted(nil, 1, 1), WithBalancer(Fair()))...)
	p.turn = 1 << 40
	for range 2 {
		pick(p, t0) // one each
	}
	a, b := p.view.Load().byID["a"], p.view.Load().byID["b"]
	a.memo.turn = 0
	if s, one := a.fairScore(2), b.fairScore(1); s <= one {
		t.Errorf("score of two requests = %d, of one = %d", s, one)
	}
	if id, _ := pick(p, t0); id != "a" {
		t.Errorf("pick = %s, want a", id)
	}
}
