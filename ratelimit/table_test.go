package ratelimit

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// occupied counts the slots that hold a key, by looking.
func (t *table) occupied() (n int) {
	for i := range t.slots {
		if t.slots[i].print.Load() != 0 {
			n++
		}
	}
	return n
}

// checkTable holds the table to its rules when nobody is at work: no mark is left, no key stands twice, each stands in
// one of its buckets, and the counts agree.
func checkTable(t *testing.T, tab *table) {
	t.Helper()
	seen := map[uint64]bool{}
	for i := range tab.slots {
		print, state := tab.slots[i].print.Load(), tab.slots[i].state.Load()
		if state >= claimed {
			t.Errorf("slot %d is left marked %x", i, state)
		}
		if print == 0 {
			continue
		}
		if seen[print] {
			t.Errorf("key %x stands twice", print)
		}
		seen[print] = true
		home, away := tab.places(print)
		if at := uint64(i) / ways * ways; at != home && at != away {
			t.Errorf("key %x stands in bucket %d, not in %d or %d", print, at, home, away)
		}
		if found, _ := tab.find(print); found != i {
			t.Errorf("key %x is in slot %d and found in %d", print, i, found)
		}
	}
	if used := int(tab.used.Load()); used != len(seen) {
		t.Errorf("used = %d with %d keys", used, len(seen))
	}
	if gone := tab.added.Load() - tab.reclaimed.Load() - tab.displaced.Load(); gone < uint64(len(seen)) {
		t.Errorf("%d keys added less %d reclaimed and %d displaced, but %d there",
			tab.added.Load(), tab.reclaimed.Load(), tab.displaced.Load(), len(seen))
	}
}

// TestTableHoldsItsCapacity: at the capacity hardly any key is lost, at half as much again few.
func TestTableHoldsItsCapacity(t *testing.T) {
	const capacity = 1 << 15
	for _, test := range []struct {
		name string
		keys int
		most float64 // share of keys that displaced another
	}{
		{"at the capacity", capacity, 0.0005},
		{"at one and a half", capacity * 3 / 2, 0.012},
	} {
		t.Run(test.name, func(t *testing.T) {
			z := mustZone[uint64](t, "1r/m", WithCapacity(capacity))
			c := mustChain(t, On(z, self[uint64], Burst(5)))
			for k := range uint64(test.keys) {
				c.Decide(start, k)
			}
			s := z.Snapshot()
			if share := float64(s.Displaced) / float64(test.keys); share > test.most {
				t.Errorf("%d of %d keys displaced another: %.5f, want at most %.5f", s.Displaced, test.keys, share, test.most)
			}
			if s.Keys != test.keys-int(s.Displaced) || s.Keys != z.occupied() || s.Reclaimed != 0 || s.Added != uint64(test.keys) {
				t.Errorf("snapshot %+v with %d slots taken", s, z.occupied())
			}
			checkTable(t, &z.table)
		})
	}
}

// TestTableReclaimsIdle: keys that come and go for ever take the places of those that are as good as new, and displace
// none with an excess.
func TestTableReclaimsIdle(t *testing.T) {
	z := mustZone[uint64](t, "10r/s", WithCapacity(1024))
	c := mustChain(t, On(z, self[uint64], Burst(20), NoDelay()))
	now := start
	for k := range uint64(200_000) { // 512 keys within the 100 ms that a key takes to be as good as new
		now += int64(time.Millisecond) / 5
		c.Decide(now, k)
	}
	s := z.Snapshot()
	if s.Displaced != 0 || s.Reclaimed == 0 || s.Keys > 2048 || s.Added != s.Reclaimed+uint64(s.Keys) {
		t.Errorf("snapshot %+v", s)
	}
	checkTable(t, &z.table)
}

// TestTableKeepsDebtors: a spray of new keys over a full zone displaces the least excess, so a client far over its
// rate stays known.
func TestTableKeepsDebtors(t *testing.T) {
	z := mustZone[uint64](t, "1r/m", WithCapacity(64))
	c := mustChain(t, On(z, self[uint64], Burst(5), NoDelay()))
	const debtors = 16
	for k := range uint64(debtors) {
		for range 10 {
			c.Decide(start, k)
		}
	}
	for k := range uint64(100_000) {
		c.Decide(start+int64(k), 1000+k)
	}
	for k := range uint64(debtors) {
		if d := c.Decide(start+100_000, k); d.Outcome != Rejected {
			t.Errorf("debtor %d: %v with excess %d", k, d.Outcome, d.Excess())
		}
	}
	if s := z.Snapshot(); s.Displaced < 90_000 || s.Keys != 128 {
		t.Errorf("snapshot %+v", s)
	}
	checkTable(t, &z.table)
}

// TestTableOneInsert: when many goroutines bring the same new keys at once, each key gets one word, and its first
// request is free once.
func TestTableOneInsert(t *testing.T) {
	const workers, keys = 8, 1000
	for _, test := range []struct {
		name     string
		capacity int
		step     int64 // ns between keys: whether others become idle meanwhile
	}{
		{"room for all", 8 * keys, 0},
		{"over idle keys", 1024, int64(time.Second)},
		{"few places", minCapacity, int64(time.Second)},
	} {
		t.Run(test.name, func(t *testing.T) {
			z := mustZone[uint64](t, "10r/s", WithCapacity(test.capacity))
			c := mustChain(t, On(z, self[uint64]))
			var passed [keys]counter
			var wg sync.WaitGroup
			var ready barrier
			ready.n = workers
			for range workers {
				wg.Go(func() {
					for k := range int64(keys) {
						ready.wait(k)
						if c.Decide(start+k*test.step, uint64(k)).Outcome == Passed {
							passed[k].add()
						}
					}
				})
			}
			wg.Wait()
			for k := range passed {
				if n := passed[k].get(); n != 1 {
					t.Fatalf("key %d passed %d times, want once", k, n)
				}
			}
			if s := z.Snapshot(); s.Displaced != 0 {
				t.Errorf("snapshot %+v", s)
			}
			checkTable(t, &z.table)
		})
	}
}

// TestTableChurn: goroutines that insert, charge and displace in a table that is far too small leave it in order.
func TestTableChurn(t *testing.T) {
	for _, step := range []int64{0, 1000, int64(time.Millisecond)} {
		z := mustZone[netip.Addr](t, "1000r/s", WithCapacity(minCapacity))
		c := mustChain(t, On(z, self[netip.Addr], Burst(3), NoDelay()))
		addrs := addresses(500)
		var rejected counter
		var wg sync.WaitGroup
		for w := range uint64(8) {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(w, 1))
				for i := range int64(10_000) {
					if c.Decide(start+i*step, addrs[rng.IntN(len(addrs))]).Outcome == Rejected {
						rejected.add()
					}
				}
			})
		}
		wg.Wait()
		checkTable(t, &z.table)
		if s := z.Snapshot(); s.Rejected != uint64(rejected.get()) {
			t.Errorf("%d rejections, the zone counted %d", rejected.get(), s.Rejected)
		}
	}
}

// TestTableClaims plays the turns of two inserts of one key against each other, step by step.
func TestTableClaims(t *testing.T) {
	const print = 1 << 40
	newOne := func() (*table, *[ways]slot) {
		tab := newTable(64, func(uint64, uint32) uint32 { return 1 })
		home, _ := tab.places(print)
		return &tab, tab.bucket(home)
	}
	t.Run("an unfinished claim is killed", func(t *testing.T) {
		tab, home := newOne()
		home[3].state.Store(claimed)
		home[3].print.Store(print)
		i, result := tab.insert(print, 7, 0)
		if result != done {
			t.Fatalf("insert = %v", result)
		}
		if got := home[3].state.Load(); got != killed {
			t.Errorf("the other claim is %x", got)
		}
		if found, state := tab.find(print); found != i || state != 7 {
			t.Errorf("find = %d, %d", found, state)
		}
	})
	t.Run("a finished one is kept", func(t *testing.T) {
		tab, home := newOne()
		home[3].print.Store(print)
		home[3].state.Store(9)
		tab.used.Store(1)
		if _, result := tab.insert(print, 7, 0); result != again {
			t.Fatalf("insert = %v", result)
		}
		if _, state := tab.find(print); state != 9 || tab.occupied() != 1 || tab.used.Load() != 1 {
			t.Errorf("find = %d, %d occupied", state, tab.occupied())
		}
	})
	t.Run("a slot that is claimed is not the old key's", func(t *testing.T) {
		tab, home := newOne()
		home[0].print.Store(print)
		home[0].state.Store(claimed)
		if i, _ := tab.find(print); i >= 0 {
			t.Errorf("found in %d", i)
		}
	})
	t.Run("an equal word of another key is given back", func(t *testing.T) {
		tab, home := newOne()
		home[1].print.Store(print + 1)
		tab.drop(int(func() uint64 { h, _ := tab.places(print); return h }())+1, content{print + 2, 0})
		if home[1].print.Load() != print+1 || home[1].state.Load() != 0 {
			t.Errorf("slot is %x, %x", home[1].print.Load(), home[1].state.Load())
		}
	})
}
