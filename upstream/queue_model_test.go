package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// queueModel is a naive second queue: after every event it asks each waiter in
// turn, from the first one, whether any peer could take it.
type queueModel struct {
	t     *testing.T
	pool  *Pool
	rng   *rand.Rand
	limit int
	peers map[string]*queuePeer
	line  []*queueItem // who waits, in order
	live  []*queueItem // who has a lease
	added int
	log   []string
}

type queuePeer struct {
	conns, limit int
	out          bool
}

type queueItem struct {
	*wait
	tried    map[*queuePeer]bool
	deadline time.Time
	peer     *queuePeer
	canceled bool
}

const queuePatience = 20 * time.Millisecond

func (m *queueModel) fail(format string, args ...any) {
	m.t.Helper()
	for _, line := range m.log[max(0, len(m.log)-30):] {
		m.t.Log(line)
	}
	m.t.Fatalf(format, args...)
}

// choice is what there is for a request: peers, and whether one is merely full.
func (m *queueModel) choice(tried map[*queuePeer]bool) (ids []string, busy bool) {
	for id, p := range m.peers {
		switch {
		case tried[p] || p.out:
		case p.limit > 0 && p.conns >= p.limit:
			busy = true
		default:
			ids = append(ids, id)
		}
	}
	return ids, busy
}

// settle lets the model follow an event, and compares.
func (m *queueModel) settle() {
	synctest.Wait()
	for _, it := range slices.Clone(m.line) {
		ids, busy := m.choice(it.tried)
		want := "waits"
		switch {
		case len(ids) > 0:
			if got := it.got(); !slices.Contains(ids, got) {
				m.fail("%s: %s, want one of %v", it.name, got, ids)
			}
			m.take(it)
			continue
		case !busy:
			want = "none"
		case it.canceled:
			want = "canceled"
		case !time.Now().Before(it.deadline):
			want = "timeout"
		}
		if got := it.got(); got != want {
			m.fail("%s: %s, want %s", it.name, got, want)
		}
		if want != "waits" {
			m.line = slices.DeleteFunc(m.line, func(o *queueItem) bool { return o == it })
		}
	}
	if n := m.pool.Snapshot().Waiting; n != len(m.line) {
		m.fail("%d wait, want %d", n, len(m.line))
	}
}

// take notes that it has a lease.
func (m *queueModel) take(it *queueItem) {
	it.peer = m.peers[it.lease.Backend().ID()]
	it.peer.conns++
	it.tried[it.peer] = true
	m.line = slices.DeleteFunc(m.line, func(o *queueItem) bool { return o == it })
	m.live = append(m.live, it)
	m.log = append(m.log, it.name+" has "+it.lease.Backend().ID())
}

func (m *queueModel) pick(r *Request, tried map[*queuePeer]bool, what string) {
	m.added++
	name := fmt.Sprint(what, " ", m.added)
	m.log = append(m.log, name)
	full := len(m.line) >= m.limit
	it := &queueItem{wait: goPick(m.pool, name, r), tried: tried, deadline: time.Now().Add(queuePatience)}
	ids, busy := m.choice(tried)
	switch {
	case len(ids) == 0 && busy && full:
		if got := it.got(); got != "full" {
			m.fail("%s: %s, want full", name, got)
		}
	default:
		m.line = append(m.line, it)
		m.settle()
	}
}

func (m *queueModel) step() {
	anyPeer := func() string {
		ids := slices.Sorted(func(yield func(string) bool) {
			for id := range m.peers {
				if !yield(id) {
					return
				}
			}
		})
		if len(ids) == 0 {
			return ""
		}
		return ids[m.rng.IntN(len(ids))]
	}
	switch op := m.rng.IntN(20); {
	case op < 7:
		m.pick(new(Request), map[*queuePeer]bool{}, "request")
		return
	case op < 12 && len(m.live) > 0:
		it := m.live[m.rng.IntN(len(m.live))]
		m.live = slices.DeleteFunc(m.live, func(o *queueItem) bool { return o == it })
		it.peer.conns--
		o := []Outcome{Success, Failure, Pass, Free}[m.rng.IntN(4)]
		m.log = append(m.log, fmt.Sprint(it.name, " ends with ", o))
		if o == Free {
			delete(it.tried, it.peer)
		}
		it.lease.Done(m.pool.Now(), o)
		m.settle()
		if o != Success && m.rng.IntN(3) > 0 {
			m.pick(it.r, it.tried, "retry")
		}
		return
	case op == 12 && len(m.line) > 0:
		it := m.line[m.rng.IntN(len(m.line))]
		it.canceled = true
		m.log = append(m.log, it.name+" gives up")
		it.cancel()
	case op == 13:
		ids, _ := m.choice(nil)
		r := new(Request)
		l, err := m.pool.TryPick(m.pool.Now(), r)
		if (err == nil) != (len(ids) > 0) {
			m.fail("TryPick() = %v, want one of %v", err, ids)
		}
		if err == nil {
			l.Done(m.pool.Now(), Pass)
		}
	case op < 16:
		time.Sleep(time.Duration(m.rng.IntN(8)) * time.Millisecond)
		m.log = append(m.log, "time passes")
	case op == 16:
		if id := anyPeer(); id != "" {
			n := m.rng.IntN(4)
			m.log = append(m.log, fmt.Sprint("max_conns of ", id, " = ", n))
			m.peers[id].limit = n
			must(m.t, m.pool.Update(id, MaxConns(n)))
		}
	case op == 17:
		if id := anyPeer(); id != "" {
			out := m.rng.IntN(2) == 0
			m.log = append(m.log, fmt.Sprint(id, " down = ", out))
			m.peers[id].out = out
			must(m.t, m.pool.SetHealth(id, "test", !out, nil))
		}
	case op == 18 && len(m.peers) < 4:
		m.added++
		id := fmt.Sprint("p", m.added)
		n := m.rng.IntN(3) + 1
		m.log = append(m.log, fmt.Sprint("add ", id, " max_conns ", n))
		m.peers[id] = &queuePeer{limit: n}
		must(m.t, m.pool.Add("192.0.2.1:80", ID(id), MaxFails(0), MaxConns(n)))
	case op == 19 && len(m.peers) > 0:
		id := anyPeer()
		m.log = append(m.log, "remove "+id)
		delete(m.peers, id)
		must(m.t, m.pool.Remove(id))
	}
	m.settle()
}

// TestQueueModel compares the queue with the model over random histories.
func TestQueueModel(t *testing.T) {
	for seed := range uint64(60) {
		for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 4))
				m := &queueModel{t: t, rng: rng, limit: 1 + rng.IntN(6), peers: map[string]*queuePeer{}}
				m.pool = newPool(t, WithBalancer(bal), WithQueue(m.limit, queuePatience), WithRetryBudget(1, 0))
				// Two, so that the pool is never the single one whose retries
				// end, which the model does not know of.
				for _, id := range []string{"x", "y"} {
					m.peers[id] = &queuePeer{limit: 1}
					must(t, m.pool.Add("192.0.2.1:80", ID(id), MaxFails(0), MaxConns(1)))
				}
				for range 300 {
					m.step()
				}
				for len(m.live)+len(m.line) > 0 {
					if len(m.live) == 0 {
						time.Sleep(queuePatience)
					} else {
						it := m.live[0]
						m.live = m.live[1:]
						it.peer.conns--
						it.lease.Done(m.pool.Now(), Success)
					}
					m.settle()
				}
				if n := m.pool.waiting.Load(); n != 0 {
					t.Errorf("the count of those who wait is %d", n)
				}
			})
		}
	}
}

// TestQueueConcurrent: many requests for few places, in real time: none is lost,
// no limit is exceeded, and those who give up leave nothing behind.
func TestQueueConcurrent(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		t.Run(bal.String(), func(t *testing.T) {
			const workers, requests, limit = 16, 400, 2
			p := newPool(t, WithBalancer(bal), WithQueue(workers, time.Minute), WithRetryBudget(1, 0),
				server("a", MaxConns(limit), MaxFails(0)), server("b", MaxConns(limit), MaxFails(0)))
			var active sync.Map
			count := func(b *Backend) *atomic.Int32 {
				n, _ := active.LoadOrStore(b, new(atomic.Int32))
				return n.(*atomic.Int32)
			}
			var served, quit atomic.Int64
			stop := make(chan struct{})
			var changes, wg sync.WaitGroup
			changes.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if err := errors.Join(p.SetHealth("a", "test", i%2 == 1, nil), p.SetWeight("b", 1+i%5)); err != nil {
						t.Error(err)
					}
					p.Snapshot()
				}
			})
			for w := range workers {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(w), 5))
					for range requests {
						ctx, cancel := context.WithCancel(context.Background())
						if rng.IntN(4) == 0 {
							go cancel()
						}
						r := new(Request)
						for range 1 + rng.IntN(2) {
							l, err := p.Pick(ctx, r)
							switch {
							case err == nil:
								served.Add(1)
								if n := count(l.Backend()).Add(1); n > limit {
									t.Errorf("%s has %d requests in flight, max_conns is %d", l.Backend().ID(), n, limit)
								}
								count(l.Backend()).Add(-1)
								l.Done(p.Now(), Outcome(rng.IntN(4)))
							case errors.Is(err, context.Canceled), errors.Is(err, ErrNoPeer):
								quit.Add(1)
							default:
								t.Errorf("Pick() = %v", err)
							}
						}
						cancel()
					}
				})
			}
			wg.Wait()
			close(stop)
			changes.Wait()
			s := p.Snapshot()
			if served.Load() == 0 || s.Waiting != 0 || p.waiting.Load() != 0 {
				t.Errorf("%d served, %d gave up, %d wait", served.Load(), quit.Load(), s.Waiting)
			}
			for _, b := range s.Backends {
				if b.Active != 0 {
					t.Errorf("%s has %d requests in flight after the last one ended", b.ID, b.Active)
				}
			}
		})
	}
}
