package upstream

import (
	"fmt"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// chancy are the rules that go by load, time and chance, plain and with sessions.
func chancy() []Balancer {
	out := []Balancer{
		Random(), RandomTwo(), Fair(), First(),
		LeastTime(), LeastTime(ByLastByte()), LeastTime(ByHeader(), Inflight()), LeastTime(ByLastByte(), Inflight()),
	}
	for _, b := range append(out, RoundRobin(), LeastConn()) {
		out = append(out, Sticky(b))
	}
	return out
}

// TestLoadTriedEveryPeer: a request that keeps failing meets every peer once, the
// primaries before the backups.
func TestLoadTriedEveryPeer(t *testing.T) {
	for _, bal := range chancy() {
		for _, n := range []int{1, 2, 64, 65, 200} {
			t.Run(fmt.Sprintf("%v/%d", bal, n), func(t *testing.T) {
				opts := []Option{WithBalancer(bal), withSeed(9)}
				backups := 0
				for i := range n {
					o := []ServerOption{MaxFails(0), Weight(1 + i%4), StickyID(fmt.Sprint("s", i))}
					if i%3 == 2 {
						o = append(o, Backup())
						backups++
					}
					opts = append(opts, server(fmt.Sprint(i), o...))
				}
				p := newPool(t, opts...)
				r := new(Request)
				for round := range 3 {
					r.Sticky = fmt.Sprint("s", round)
					seen := map[string]bool{}
					for r.Tries() < p.Peers() {
						id, l := pickFor(p, t0, r)
						if seen[id] || l.Backend() == nil {
							t.Fatalf("try %d = %s, seen before: %v", r.Tries(), id, seen[id])
						}
						seen[id] = true
						if backup := l.Backend().spec.backup; backup != (len(seen) > n-backups) {
							t.Fatalf("try %d = %s, backup %v", len(seen), id, backup)
						}
						l.Done(t0, Failure)
					}
					if id, _ := pickFor(p, t0, r); id != "none" {
						t.Errorf("after every peer = %s, want none", id)
					}
					r.Reset()
				}
			})
		}
	}
}

// TestLoadRefusals: full peers are busy, dead ones are not, and none is taken.
func TestLoadRefusals(t *testing.T) {
	for _, bal := range chancy() {
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, server("a", MaxConns(2)), server("b", Down()), server("c", MaxConns(2)),
				server("z", Backup(), MaxConns(1)), WithBalancer(bal))
			var leases []Lease
			active := map[string]int{}
			for range 5 {
				id, l := pick(p, t0)
				active[id]++
				leases = append(leases, l)
			}
			if active["a"] != 2 || active["c"] != 2 || active["z"] != 1 {
				t.Errorf("five picks = %v, want a 2, c 2, z 1", active)
			}
			if id, _ := pick(p, t0); id != "busy" {
				t.Errorf("sixth pick = %s, want busy", id)
			}
			for _, id := range []string{"a", "c", "z"} {
				must(t, p.SetHealth(id, "test", false, nil))
			}
			if id, _ := pick(p, t0); id != "none" {
				t.Errorf("pick of the dead = %s, want none", id)
			}
			must(t, p.SetHealth("c", "test", true, nil))
			for _, l := range leases {
				l.Done(t0, Success)
			}
			for range 20 {
				id, l := pick(p, t0)
				if id != "c" {
					t.Fatalf("pick = %s, want c", id)
				}
				l.Done(t0, Success)
			}
		})
	}
}

// TestLoadEmpty: a pool that is empty, is filled and is emptied again.
func TestLoadEmpty(t *testing.T) {
	for _, bal := range chancy() {
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, WithBalancer(bal))
			none := func() {
				t.Helper()
				if id, _ := pick(p, t0); id != "none" {
					t.Errorf("pick = %s, want none", id)
				}
			}
			none()
			var leases []Lease
			for i := range 3 {
				must(t, p.Add("192.0.2.1:80", ID(fmt.Sprint(i))))
				for range 4 {
					_, l := named(p, t0, "")
					if l.Backend() == nil {
						t.Fatalf("no pick of %d peers", i+1)
					}
					leases = append(leases, l)
				}
			}
			for i := range 3 {
				must(t, p.Remove(fmt.Sprint(i)))
			}
			none()
			for _, l := range leases {
				l.Headed(t0)
				l.Done(t0+ms, Success)
			}
			if n := p.Snapshot().Leaving; n != 0 {
				t.Errorf("%d requests in flight after the last one ended", n)
			}
		})
	}
}

// TestLoadFree: an attempt that does not count leaves its peer in the game.
func TestLoadFree(t *testing.T) {
	for _, bal := range chancy() {
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, server("a"), server("b", Down()), WithBalancer(bal))
			r := new(Request)
			for range 50 {
				id, l := pickFor(p, t0, r)
				if id != "a" {
					t.Fatalf("pick = %s, want a", id)
				}
				l.Done(t0, Free)
			}
			if s := status(t, p, "a"); s.Active != 0 || s.Free != 50 || r.Tries() != 0 {
				t.Errorf("a has %d active, %d free; the request %d tries", s.Active, s.Free, r.Tries())
			}
		})
	}
}

func TestLoadConcurrent(t *testing.T) {
	for _, bal := range chancy() {
		t.Run(bal.String(), func(t *testing.T) { testConcurrent(t, bal) })
	}
}

// TestLoadNoAllocations is the gate for the hot path of these rules.
func TestLoadNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	p := benchPool(t, 3, RoundRobin())
	b := p.view.Load().all[0]
	if n := testing.AllocsPerRun(1000, func() { b.StickyID() }); n != 0 {
		t.Errorf("StickyID: %v allocations, want 0", n)
	}
	for _, bal := range chancy() {
		for _, n := range []int{1, 3, 16, 100} {
			p := benchPool(t, n, bal, MaxFails(0), MaxConns(50)) // a peer that becomes disabled is logged
			now := t0
			r := new(Request)
			hint := p.view.Load().all[n/2].StickyID()
			if n := testing.AllocsPerRun(10, func() {
				for i := range 1000 {
					now += ms
					if i%2 == 0 {
						r.Sticky = hint
					}
					for _, o := range []Outcome{Failure, Success} {
						if l, err := p.TryPick(now, r); err == nil {
							l.Headed(now + ms)
							l.Done(now+2*ms, o)
						}
					}
					r.Reset()
				}
			}); n != 0 {
				t.Errorf("%v: %v allocations in 2000 operations, want 0", bal, n)
			}
		}
	}
}

func BenchmarkLoadPickDone(b *testing.B) {
	for _, bal := range chancy() {
		for _, n := range []int{3, 16} {
			p := benchPool(b, n, bal)
			hint := p.view.Load().all[n/2].StickyID()
			b.Run(fmt.Sprintf("%v/peers=%d", bal, n), func(b *testing.B) {
				b.ReportAllocs()
				r := &Request{Sticky: hint}
				var now int64
				for b.Loop() {
					now += 1000
					l, err := p.TryPick(now, r)
					if err != nil {
						b.Fatal(err)
					}
					r.Headed = now + 500
					l.Done(now+600, Success)
					r.Reset()
					r.Sticky = hint
				}
			})
		}
	}
}
