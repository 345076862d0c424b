package upstream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// TestConcurrent lets requests, failures, health and membership changes run
// against each other: max_conns is never exceeded, no lease is lost, and no
// backend is picked after Remove has returned.
func TestConcurrent(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		t.Run(bal.String(), func(t *testing.T) { testConcurrent(t, bal) })
	}
}

func testConcurrent(t *testing.T, bal Balancer) {
	const (
		workers  = 8
		requests = 3000
		changes  = 600
		limit    = 3
	)
	opts := []Option{WithBalancer(bal)}
	for i := range 6 {
		opts = append(opts, server(fmt.Sprint(i), Weight(1+i), MaxConns(limit), MaxFails(2), FailTimeout(1)))
	}
	p := newPool(t, append(opts, server("spare", Backup(), MaxConns(limit)))...)

	var inFlight sync.Map // *Backend to *atomic.Int32
	count := func(b *Backend) *atomic.Int32 {
		n, _ := inFlight.LoadOrStore(b, new(atomic.Int32))
		return n.(*atomic.Int32)
	}
	var picked, ended atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			type held struct {
				r *Request
				l Lease
			}
			var live []held
			end := func(i int) {
				h := live[i]
				live = append(live[:i], live[i+1:]...)
				count(h.l.Backend()).Add(-1)
				ended.Add(1)
				h.l.Done(p.Now(), Outcome(rng.IntN(4)))
				h.l.Done(p.Now(), Failure)
			}
			for range requests {
				r := new(Request)
				if l, err := p.TryPick(p.Now(), r); err == nil {
					picked.Add(1)
					if n := count(l.Backend()).Add(1); n > limit {
						t.Errorf("%s has %d requests in flight, max_conns is %d", l.Backend().ID(), n, limit)
					}
					live = append(live, held{r, l})
				}
				for len(live) > rng.IntN(4) {
					end(rng.IntN(len(live)))
				}
			}
			for len(live) > 0 {
				end(0)
			}
		})
	}
	wg.Go(func() { // changes that keep the limit
		rng := rand.New(rand.NewPCG(99, 7))
		for i := range changes {
			id := fmt.Sprint(rng.IntN(6))
			switch rng.IntN(6) {
			case 0:
				p.SetWeight(id, 1+rng.IntN(10))
			case 1:
				p.SetHealth(id, "test", rng.IntN(3) > 0, nil)
			case 2:
				p.Drain(id, rng.IntN(3) == 0)
			case 3:
				if p.Remove(id) == nil {
					if err := p.Add("192.0.2.1:80", ID(id), MaxConns(limit)); err != nil {
						t.Error(err)
					}
				}
			case 4:
				p.Update(id, Address(fmt.Sprintf("192.0.2.2:%d", i+1)))
			case 5:
				p.Snapshot()
			}
		}
	})
	wg.Wait()

	if picked.Load() == 0 || picked.Load() != ended.Load() {
		t.Errorf("%d leases given, %d ended", picked.Load(), ended.Load())
	}
	inFlight.Range(func(k, v any) bool {
		b := k.(*Backend)
		if n := b.begun - b.ended.Load(); n != 0 {
			t.Errorf("%s (gone %v) has %d requests in flight after the last one ended", b.ID(), b.Gone(), n)
		}
		return true
	})
	if s := p.Snapshot(); s.Leaving != 0 {
		t.Errorf("Leaving = %d, want 0", s.Leaving)
	}
}

// TestRemoveIsFinal: a pick that begins after Remove returned never yields the
// removed backend, however many picks are on the way.
func TestRemoveIsFinal(t *testing.T) {
	p := newPool(t, server("stay"), server("go"))
	var removed [2]atomic.Pointer[Backend]
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for range 2000 {
				old := removed[w%2].Load()
				r := new(Request)
				l, err := p.TryPick(t0, r)
				if err != nil {
					t.Errorf("TryPick() = %v", err)
					return
				}
				if l.Backend() == old {
					t.Errorf("picked %s after it was removed", old.ID())
				}
				l.Done(t0, Success)
			}
		})
	}
	wg.Go(func() {
		for i := range 300 {
			b := p.view.Load().byID["go"]
			err := p.Remove("go")
			removed[i%2].Store(b)
			if err = errors.Join(err, p.Add("192.0.2.1:80", ID("go"))); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// TestNoAllocations is the gate for the hot path.
func TestNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	gate := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(10, func() {
			for range 1000 {
				f()
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations in 1000 operations, want 0", name, n)
		}
	}
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		for _, n := range []int{1, 3, 16, 100} {
			p := benchPool(t, n, bal, MaxFails(2), MaxConns(50))
			now := t0
			r := new(Request)
			name := fmt.Sprintf("%v of %d", bal, n)
			gate(name+", success", func() {
				now += ms
				l, err := p.TryPick(now, r)
				if err != nil {
					t.Fatal(err)
				}
				l.Done(now, Success)
				r.Reset()
			})
			gate(name+", failure and retry", func() {
				now += ms
				for range 2 {
					if l, err := p.TryPick(now, r); err == nil {
						l.Done(now, Failure)
					}
				}
				r.Reset()
			})
		}
	}
}
