package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func mustConns[K Key](tb testing.TB, limit int, opts ...ZoneOption) *ConnZone[K] {
	tb.Helper()
	z, err := NewConnZone[K](limit, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func TestConnZone(t *testing.T) {
	z := mustConns[string](t, 2)
	a1, ok1 := z.Acquire("a")
	a2, ok2 := z.Acquire("a")
	a3, ok3 := z.Acquire("a")
	b1, ok4 := z.Acquire("b")
	if !ok1 || !ok2 || ok3 || !ok4 {
		t.Fatalf("Acquire: %v, %v, %v, other key %v", ok1, ok2, ok3, ok4)
	}
	if a3 != (Slot{}) || a1 == a2 || a1.Token() == 0 || a1.Token() == b1.Token() {
		t.Errorf("slots %v %v %v %v", a1, a2, a3, b1)
	}
	copied := a1
	a1.Release()
	a1.Release()
	copied.Release()
	a3.Release()
	if z.Release(a1.Token()) || z.Release(0) {
		t.Error("released again")
	}
	a4, ok := z.Acquire("a")
	if !ok {
		t.Fatal("not released")
	}
	if _, ok := z.Acquire("a"); ok {
		t.Fatal("released more than once")
	}
	a1.Release() // the old name of a slot that may be a4's by now
	if _, ok := z.Acquire("a"); ok {
		t.Fatal("an old slot released a new one")
	}
	if !z.Release(a4.Token()) || z.Release(a4.Token()) {
		t.Error("Release by token: want true once")
	}
	a2.Release()
	b1.Release()
	if s := z.Snapshot(); s.Held != 0 || s.Acquired != 4 || s.Refused != 3 || s.Full != 0 || s.Keys != 2 {
		t.Errorf("snapshot %+v", s)
	}
}

func TestConnZoneEmptyKey(t *testing.T) {
	z := mustConns[string](t, 1)
	for range 3 {
		s, ok := z.Acquire("")
		if !ok || s.Token() != 0 {
			t.Fatalf("Acquire of no key: %v, %v", s, ok)
		}
		s.Release()
	}
	if s := z.Snapshot(); s.Acquired != 0 {
		t.Errorf("snapshot %+v", s)
	}
}

// TestConnZoneCounter: the counter has 16 bits, and the largest limit uses them.
func TestConnZoneCounter(t *testing.T) {
	z := mustConns[uint64](t, 65_535, WithCapacity(minCapacity))
	slots := make([]Slot, 65_535)
	for i := range slots {
		var ok bool
		if slots[i], ok = z.Acquire(1); !ok {
			t.Fatalf("refused with %d held", i)
		}
	}
	if _, ok := z.Acquire(1); ok {
		t.Fatal("65,536 held")
	}
	if s := z.Snapshot(); s.Held != 65_535 || s.Keys != 1 {
		t.Errorf("snapshot %+v", s)
	}
	for _, s := range slots {
		s.Release()
	}
	if s, ok := z.Acquire(1); !ok || z.Snapshot().Held != 1 {
		t.Errorf("after all were released: %v, %+v", ok, z.Snapshot())
	} else {
		s.Release()
	}
}

// TestConnZoneFull: new keys are refused when they find no place, those with a slot go on, and a place that is free
// again is used.
func TestConnZoneFull(t *testing.T) {
	z := mustConns[uint64](t, 3, WithCapacity(minCapacity))
	held := map[uint64]Slot{}
	for k := range uint64(1000) {
		if s, ok := z.Acquire(k); ok {
			held[k] = s
		}
	}
	if len(held) < minCapacity*3/2 || len(held) > minCapacity*2 {
		t.Fatalf("%d keys have slots in a table of %d", len(held), minCapacity*2)
	}
	if s := z.Snapshot(); s.Full != 1000-uint64(len(held)) || s.Refused != 0 || z.displaced.Load() != 0 {
		t.Errorf("snapshot %+v with %d held", s, len(held))
	}
	for k := range held {
		s, ok := z.Acquire(k)
		if !ok {
			t.Fatalf("key %d, which has a slot, was refused", k)
		}
		s.Release()
	}
	refused := uint64(0)
	for k := range uint64(1000) {
		if _, has := held[k]; !has {
			refused = k
			break
		}
	}
	for _, s := range held {
		s.Release()
	}
	if s, ok := z.Acquire(refused); !ok {
		t.Error("refused although all is free")
	} else {
		s.Release()
	}
	if s := z.Snapshot(); s.Held != 0 {
		t.Errorf("snapshot %+v", s)
	}
	checkTable(t, &z.table)
}

// TestConnZoneExact: under eight goroutines, no key ever holds more than the limit, each slot is released once though
// two goroutines try, and in the end nothing is held.
func TestConnZoneExact(t *testing.T) {
	for _, test := range []struct {
		keys, limit int
	}{{1, 3}, {7, 1}, {40, 2}, {3000, 1}} {
		t.Run(fmt.Sprintf("keys=%d limit=%d", test.keys, test.limit), func(t *testing.T) {
			z := mustConns[uint64](t, test.limit, WithCapacity(minCapacity))
			inUse := make([]atomic.Int64, test.keys)
			var acquired, released atomic.Int64
			var wg sync.WaitGroup
			for w := range uint64(8) {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(w, 9))
					type holding struct {
						key  uint64
						slot Slot
					}
					var mine []holding
					drop := func() {
						i := rng.IntN(len(mine))
						h := mine[i]
						mine = append(mine[:i], mine[i+1:]...)
						inUse[h.key].Add(-1)
						token := h.slot.Token()
						var other sync.WaitGroup
						if rng.IntN(16) == 0 {
							other.Go(func() {
								if z.Release(token) {
									released.Add(1)
								}
							})
						}
						if z.Release(token) {
							released.Add(1)
						}
						other.Wait()
						if z.Release(token) {
							t.Error("released a second time")
						}
					}
					for range 10_000 {
						if len(mine) > 5 || len(mine) > 0 && rng.IntN(2) == 0 {
							drop()
							continue
						}
						key := rng.Uint64N(uint64(test.keys))
						if s, ok := z.Acquire(key); ok {
							acquired.Add(1)
							if n := inUse[key].Add(1); n > int64(test.limit) {
								t.Errorf("key %d is held %d times", key, n)
							}
							mine = append(mine, holding{key, s})
						}
					}
					for len(mine) > 0 {
						drop()
					}
				})
			}
			wg.Wait()
			s := z.Snapshot()
			if acquired.Load() != released.Load() || s.Held != 0 || s.Acquired != uint64(acquired.Load()) {
				t.Errorf("acquired %d, released %d, snapshot %+v", acquired.Load(), released.Load(), s)
			}
			for i := range z.slots {
				if n := z.slots[i].state.Load() & (1<<countBits - 1); n != 0 {
					t.Errorf("slot %d counts %d", i, n)
				}
			}
			checkTable(t, &z.table)
		})
	}
}

func TestNewConnZoneErrors(t *testing.T) {
	for _, test := range []struct {
		limit int
		opts  []ZoneOption
		want  []string
	}{
		{0, nil, []string{`limit 0: must be from 1 to 65535`}},
		{65_536, nil, []string{`limit 65536: must be from 1 to 65535`}},
		{-1, []ZoneOption{WithName("c"), WithCapacity(3)}, []string{`zone "c": limit -1`, `zone "c": capacity of 3 keys: must be from 32`}},
		{1, []ZoneOption{WithBase(startTime)}, []string{`WithBase is for zones that have a clock`}},
		{1, []ZoneOption{WithPrefix(24, 64)}, []string{`WithPrefix is for zones of netip.Addr`}},
	} {
		_, err := NewConnZone[string](test.limit, test.opts...)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("limit %d: error %v lacks %q", test.limit, err, want)
			}
		}
	}
}

func TestTickets(t *testing.T) {
	var ts tickets
	const n = 5000
	out := map[uint64]uint32{}
	for i := range uint32(n) {
		ticket := ts.take(i)
		if _, twice := out[ticket]; ticket == 0 || twice {
			t.Fatalf("ticket %x for value %d", ticket, i)
		}
		out[ticket] = i
	}
	for ticket, want := range out {
		if _, ok := ts.give(ticket + 1<<32); ok {
			t.Fatalf("gave a ticket of the next use of a cell")
		}
		if got, ok := ts.give(ticket); !ok || got != want {
			t.Fatalf("give(%x) = %d, %v, want %d", ticket, got, ok, want)
		}
		if _, ok := ts.give(ticket); ok {
			t.Fatalf("give(%x) twice", ticket)
		}
	}
	before := ts.bytes()
	for range n {
		if ticket := ts.take(1); out[ticket] != 0 {
			t.Fatalf("ticket %x comes back", ticket)
		}
	}
	if after := ts.bytes(); after != before || before > 16*n {
		t.Errorf("%d bytes for %d tickets, then %d", before, n, after)
	}
}

// TestTicketsEnd: the last block's last cell has an index, and none after it.
func TestTicketsEnd(t *testing.T) {
	var ts tickets
	ts.cells = firstBlock * (1<<len2 - 1)
	if ticket := ts.take(1); ticket != 0 {
		t.Errorf("ticket %x of no cell", ticket)
	}
	for _, i := range []uint32{0, 255, 256, 767, 768, 1<<32 - 257, 1<<32 - 256, 1<<32 - 1} {
		if ts.cell(i) != nil {
			t.Errorf("cell %d of no block", i)
		}
	}
}

func FuzzTicket(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(1<<32 | 1))
	f.Add(^uint64(0))
	f.Fuzz(func(t *testing.T, token uint64) {
		z := mustConns[uint64](t, 2, WithCapacity(minCapacity))
		s, _ := z.Acquire(1)
		if z.Release(token) != (token == s.Token()) {
			t.Fatalf("Release(%x) with %x out", token, s.Token())
		}
	})
}
