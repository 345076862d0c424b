package upstream

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestFirst: the lowest peer that has room, and the lowest again as soon as it
// has room again.
func TestFirst(t *testing.T) {
	p := newPool(t,
		server("a", MaxConns(2), Weight(1)), server("b", MaxConns(1), Weight(9)), server("c", Down()),
		server("d", MaxConns(1)), server("z", Backup(), MaxConns(1)), WithBalancer(First()))
	var leases []Lease
	for _, want := range strings.Fields("a a b d z busy") {
		id, l := pick(p, t0)
		if id != want {
			t.Fatalf("pick = %s, want %s", id, want)
		}
		leases = append(leases, l)
	}
	leases[1].Done(t0, Success)
	leases[3].Done(t0, Success)
	for _, want := range strings.Fields("a d busy") {
		if id, _ := pick(p, t0); id != want {
			t.Errorf("pick = %s, want %s", id, want)
		}
	}
}

// TestFirstModel compares with the plainest model there is: the first of those
// that can.
func TestFirstModel(t *testing.T) {
	for _, n := range []int{2, 5, 80} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(n), 5))
			opts, m := twinPeers(rng, n)
			p := newPool(t, append(opts, WithRetryBudget(1, 0), WithBalancer(First()))...)
			(&twins{t: t, rng: rng, pool: p, model: m, pick: func(r *modelRequest, now int64) string {
				able, full := usable(m.tier(false), r.tried, now, true)
				if len(able) == 0 {
					return refused(full)
				}
				return m.take(r, able[0], now)
			}}).play()
		})
	}
}
