package vrrp

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
)

// testLAN is a LAN in memory with hosts 192.0.2.1, .2, ...
type testLAN struct{ *memnet.LAN }

func newTestLAN(t *testing.T, opts ...memnet.LANOption) testLAN {
	lan := memnet.NewLAN(opts...)
	t.Cleanup(func() { _ = lan.Close() })
	return testLAN{lan}
}

func host(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

// multicast joins host n to the group.
func (l testLAN) multicast(n int) Transport {
	return &lanTransport{l.LAN, netip.AddrPortFrom(host(n), 0), []netip.AddrPort{group}}
}

// unicast joins host n to the others of total hosts, as UDP does.
func (l testLAN) unicast(n, total int) Transport {
	t := &lanTransport{lan: l.LAN, local: netip.AddrPortFrom(host(n), 1985)}
	for i := range total {
		if i+1 != n {
			t.peers = append(t.peers, netip.AddrPortFrom(host(i+1), 1985))
		}
	}
	return t
}

// The two shapes of a network: everything here runs on both.
func onBothLANs(t *testing.T, f func(t *testing.T, lan testLAN, join func(n, total int) Option)) {
	bubble(t, "multicast", func(t *testing.T) {
		lan := newTestLAN(t)
		f(t, lan, func(n, _ int) Option { return WithTransport(lan.multicast(n)) })
	})
	bubble(t, "unicast with HMAC", func(t *testing.T) {
		lan := newTestLAN(t)
		f(t, lan, func(n, total int) Option {
			transport, key := WithTransport(lan.unicast(n, total)), WithHMAC(testKey(1))
			return func(c *config) { transport(c); key(c) }
		})
	})
}

func TestElectionOnLAN(t *testing.T) {
	onBothLANs(t, func(t *testing.T, lan testLAN, join func(n, total int) Option) {
		lan.SetDelay(time.Millisecond, time.Millisecond)
		j := newJournal()
		a := run(t, vips4, join(1, 2), WithPriority(150), WithOnTransition(func(tr Transition) { j.add("a %v", tr.To) }))
		b := run(t, vips4, join(2, 2), WithOnTransition(func(tr Transition) { j.add("b %v", tr.To) }))
		pass(4 * time.Second)
		j.take()

		// The Active router vanishes: exactly a down interval after its last
		// advert, which arrived 1 ms after 3.4140625 s.
		lan.Partition([]netip.Addr{host(1)})
		pass(4 * time.Second)
		j.expect(t, "7.0244375s b active")

		// It comes back. Both are Active until the first advert of one crosses;
		// b's is due first.
		lan.Heal()
		pass(2 * time.Second)
		j.expect(t, "8.0264375s b backup")
		if s := a.Snapshot(); s.Statistics.LosingAdverts != 2 {
			t.Errorf("the winner heard %d losing adverts, want 2", s.Statistics.LosingAdverts)
		}

		// A planned hand-over: the heir first, then the end.
		done := make(chan error, 1)
		go func() { done <- a.Yield(context.Background()) }()
		pass(time.Second)
		j.expect(t, "10.610375s b active", "10.621375s a backup")
		if err := <-done; err != nil {
			t.Errorf("Yield() = %v", err)
		}
		_ = b.end()
		_ = a.end()
	})
}

// Equal in all but the address.
func TestTieOnLAN(t *testing.T) {
	onBothLANs(t, func(t *testing.T, lan testLAN, join func(n, total int) Option) {
		lan.SetDelay(time.Millisecond, 3*time.Millisecond)
		var nodes []*running
		for i := range 3 {
			nodes = append(nodes, run(t, vips4, join(i+1, 3)))
		}
		pass(4 * time.Second)
		for i, n := range nodes {
			want := Backup
			if i == 2 {
				want = Active
			}
			if s := n.Snapshot(); s.State != want || s.Statistics.EqualPriorities == 0 {
				t.Errorf("node %d is %v, and saw its priority %d times", i+1, s.State, s.Statistics.EqualPriorities)
			}
		}
	})
}

// Two owners, multicast and unicast: one stays Active, and both report it. Case 25.
func TestTwoOwnersOnLAN(t *testing.T) {
	onBothLANs(t, func(t *testing.T, lan testLAN, join func(n, total int) Option) {
		lan.SetDelay(time.Millisecond, 3*time.Millisecond)
		var nodes []*running
		for i := range 2 {
			nodes = append(nodes, run(t, vips4, join(i+1, 2), WithPriority(owner)))
			pass(300 * time.Millisecond)
		}
		pass(2 * time.Second)
		for i, want := range []State{Backup, Active} {
			if s := nodes[i].Snapshot(); s.State != want || s.Statistics.OwnerConflicts == 0 {
				t.Errorf("owner %d is %v, with %d conflicts", i+1, s.State, s.Statistics.OwnerConflicts)
			}
		}
	})
}

// holders counts who holds the addresses, and for how long several do.
type holders struct {
	mu    sync.Mutex // guards everything below
	n     int
	since time.Time
	worst time.Duration
}

func (h *holders) change(by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n > 1 {
		h.worst = max(h.worst, time.Since(h.since))
	}
	if h.n <= 1 && h.n+by > 1 {
		h.since = time.Now()
	}
	h.n += by
}

// forget begins to measure anew, in a moment when one holds the addresses.
func (h *holders) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.worst = 0
}

func (h *holders) addresses() AddressManager {
	return FuncAddresses(
		func(context.Context, []netip.Prefix) error { h.change(1); return nil },
		func(context.Context, []netip.Prefix) error { h.change(-1); return nil })
}

// Routers on a bad network, cut and healed by chance. When the network is good
// again, one is Active within two down intervals, the best, and it stays. While
// it is good, two hold the addresses together for an interval and the delay of
// a packet at most, whoever stops, starts and yields.
func TestLANModel(t *testing.T) {
	const interval, delay = 100 * time.Millisecond, time.Millisecond
	for seed := range 12 {
		onBothLANs(t, func(t *testing.T, lan testLAN, join func(n, total int) Option) {
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			total := 2 + r.IntN(4)
			var h holders
			var nodes []*running
			for i, p := range r.Perm(254)[:total] {
				nodes = append(nodes, run(t, vips4, join(i+1, total), WithInterval(interval), WithPriority(uint8(1+p)), WithAddresses(h.addresses())))
			}
			best := slices.MaxFunc(nodes, func(a, b *running) int { return int(a.Snapshot().Priority) - int(b.Snapshot().Priority) })
			restart := func(n *running) {
				_ = n.end()
				*n = *rerun(t, n.Router)
			}
			for range 10 {
				lan.SetLoss(r.Float64() * 0.3)
				lan.SetDuplicate(r.Float64() * 0.2)
				lan.SetReorder(r.Float64() * 0.2)
				lan.SetDelay(0, time.Duration(r.Int64N(int64(50*time.Millisecond))))
				switch r.IntN(4) {
				case 0:
					lan.Cut(host(1+r.IntN(total)), host(1+r.IntN(total)))
				case 1:
					lan.Partition([]netip.Addr{host(1 + r.IntN(total))})
				case 2:
					restart(nodes[r.IntN(total)])
				case 3:
					lan.Heal()
				}
				pass(time.Duration(r.Int64N(int64(5 * interval))))
			}
			lan.Heal()
			lan.SetLoss(0)
			lan.SetDuplicate(0)
			lan.SetReorder(0)
			lan.SetDelay(0, delay)
			pass(interval + 2*downInterval(3, 1, interval))
			settled := func(when string) {
				t.Helper()
				for i, n := range nodes {
					if s := n.Snapshot(); s.State != Active == (n == best) {
						t.Errorf("seed %d, %s: node %d of %d, priority %d, is %v", seed, when, i+1, total, s.Priority, s.State)
					}
				}
			}
			settled("healed")
			promoted := best.Snapshot().Statistics.MasterTransitions
			pass(5 * time.Second)
			settled("in peace")
			if got := best.Snapshot().Statistics.MasterTransitions; got != promoted {
				t.Errorf("seed %d: the best node was promoted %d times in peace", seed, got-promoted)
			}

			h.forget()
			for range 5 {
				switch n := nodes[r.IntN(total)]; r.IntN(3) {
				case 0:
					restart(best)
				case 1:
					restart(n)
				case 2:
					if err := n.Yield(context.Background()); err != nil {
						t.Errorf("seed %d: Yield() = %v", seed, err)
					}
					pass(interval)
					_ = n.Resume()
				}
				pass(2 * downInterval(3, 1, interval))
				settled("after a planned change")
			}
			if h.worst > interval+delay {
				t.Errorf("seed %d: two held the addresses for %v", seed, h.worst)
			}
			for _, n := range nodes {
				n.stop() // all at once: nobody inherits
			}
		})
	}
}
