package upstream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestBoundedLoad: whatever the keys, nobody is given a request that makes it
// carry more than its share times the factor, rounded up, and a key that finds
// its peer with room goes there.
func TestBoundedLoad(t *testing.T) {
	const factor = 1.25
	weights := []int{1, 2, 1, 4, 1}
	for _, inner := range []Balancer{IPHash(), Hash(), HashConsistent(), Maglev()} {
		t.Run(inner.String(), func(t *testing.T) {
			p := suitePool(t, BoundedLoad(inner, factor), lettered(weights...)...)
			free := suitePool(t, inner, lettered(weights...)...)
			rng := rand.New(rand.NewPCG(2, 3))
			var live []Lease
			conns := map[string]int{}
			atHome := 0
			for i := range 3000 {
				if len(live) > 0 && (rng.IntN(100) < 45 || len(live) > 300) {
					n := rng.IntN(len(live))
					conns[live[n].Backend().ID()]--
					live[n].Done(t0, Success)
					live = append(live[:n], live[n+1:]...)
					continue
				}
				key := rng.IntN(1 + i%7) // a few hot keys
				home, l := pickFor(free, t0, request(key))
				l.Done(t0, Success)
				most := func(id string) int {
					return int(math.Ceil(factor * float64(len(live)+1) * float64(weights[id[0]-'a']) / 9))
				}
				id, l := pickFor(p, t0, request(key))
				if conns[id]+1 > most(id) {
					t.Fatalf("step %d: %s has %d of %d, more than %d", i, id, conns[id]+1, len(live)+1, most(id))
				}
				if room := conns[home] < most(home); room != (id == home) {
					t.Fatalf("step %d: request went to %s, its own peer %s carrying %d with room for %d", i, id, home, conns[home], most(home))
				} else if room {
					atHome++
				}
				conns[id]++
				live = append(live, l)
			}
			if atHome < 100 {
				t.Errorf("%d requests met their own peer: the test says little", atHome)
			}
		})
	}
}

// TestBoundedLoadAstray: the limits hold where nearly all places of a key lead to
// one peer that has no room.
func TestBoundedLoadAstray(t *testing.T) {
	const factor = 1.01
	weights := []int{20, 1, 1, 1}
	for _, inner := range []Balancer{IPHash(), Hash(), HashConsistent(), Maglev()} {
		t.Run(inner.String(), func(t *testing.T) {
			p := suitePool(t, BoundedLoad(inner, factor), lettered(weights...)...)
			home := places(suitePool(t, inner, lettered(weights...)...), 2000)
			conns := map[string]int{}
			all, astray := 0, 0
			for i := range home {
				if home[i] != "a" {
					continue
				}
				r := request(i)
				id, _ := pickFor(p, t0, r)
				all++
				if conns[id]++; conns[id] > int(math.Ceil(factor*float64(all)*float64(weights[id[0]-'a'])/23)) {
					t.Fatalf("request %d went to %s, which has %d now", i, id, conns[id])
				}
				if r.missed == maxMisses {
					astray++
				}
			}
			if astray == 0 {
				t.Error("every request found a place: the test says nothing")
			}
		})
	}
}

// TestBoundedLoadOut: of peers that take no requests neither the weight nor the
// load counts.
func TestBoundedLoadOut(t *testing.T) {
	free := suitePool(t, HashConsistent(), lettered(8, 1, 1)...)
	p := suitePool(t, BoundedLoad(HashConsistent(), 1.25), lettered(8, 1, 1)...)
	for i := range 40 {
		pickFor(p, t0, request(i))
	}
	for _, p := range []*Pool{free, p} {
		must(t, p.SetHealth("a", "test", false, nil))
	}
	home, _ := pickFor(free, t0, request(1))
	for i := range 60 {
		carries := map[string]int64{"b": status(t, p, "b").Active, "c": status(t, p, "c").Active}
		room := carries[home] < int64(math.Ceil(1.25*float64(carries["b"]+carries["c"]+1)/2))
		if id, _ := pickFor(p, t0, request(1)); id == "a" || (id == home) != room {
			t.Fatalf("request %d went to %s, its own being %s, with %v in flight", i, id, home, carries)
		}
	}
}

func TestBoundedLoadErrors(t *testing.T) {
	tests := []struct {
		name string
		bal  Balancer
		want []string
	}{
		{"round robin", BoundedLoad(RoundRobin(), 2), []string{`balancer "round_robin"`}},
		{"zero balancer", BoundedLoad(Balancer{}, 2), []string{`balancer "round_robin"`}},
		{"twice", BoundedLoad(BoundedLoad(Hash(), 2), 2), []string{`balancer "hash, hash-balance-factor 200"`}},
		{"one", BoundedLoad(Hash(), 1), []string{"factor 1 "}},
		{"negative", BoundedLoad(Hash(), -3), []string{"factor -3 "}},
		{"not a number", BoundedLoad(Hash(), math.NaN()), []string{"factor NaN "}},
		{"infinite", BoundedLoad(Hash(), math.Inf(1)), []string{"factor +Inf "}},
		{"both", BoundedLoad(LeastConn(), 0.5), []string{`balancer "least_conn"`, "factor 0.5 "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(server("a"), WithBalancer(tt.bal))
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("New() = %v, want it to say %q", err, want)
				}
			}
		})
	}
	if got, want := fmt.Sprint(BoundedLoad(HashConsistent(), 1.1)), "hash consistent, hash-balance-factor 110"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
