package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// self is the key function of a chain over the keys themselves.
func self[K Key](k K) (K, bool) { return k, true }

func mustZone[K Key](tb testing.TB, rate string, opts ...ZoneOption) *Zone[K] {
	tb.Helper()
	z, err := NginxZone[K](rate, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

func mustChain[R any](tb testing.TB, rules ...Rule[R]) *Chain[R] {
	tb.Helper()
	c, err := NewChain(rules...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// address returns the i-th of 16 million IPv4 addresses.
func address(i uint64) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// addresses returns the first n of them.
func addresses(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	for i := range out {
		out[i] = address(uint64(i))
	}
	return out
}

// draw returns a number below 2^k for the i-th step, made without touching memory: what a benchmark measures are the
// zone's own cache misses.
func draw(i uint64, k int) uint64 {
	return (i * 0x9e3779b97f4a7c15 >> (64 - k)) * 0xd1342543de82ef95 & (1<<k - 1)
}

const start = int64(time.Hour)

func BenchmarkDecide(b *testing.B) {
	b.Run("keys=1", func(b *testing.B) {
		c := mustChain(b, On(mustZone[netip.Addr](b, "1000r/s"), self[netip.Addr], Burst(MaxBurst), NoDelay()))
		a, now := address(1), start
		b.ReportAllocs()
		for b.Loop() {
			now += int64(time.Millisecond)
			c.Decide(now, a)
		}
	})
	for _, bits := range []int{10, 16, 20} {
		n := 1 << bits
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			z := mustZone[netip.Addr](b, "1000r/s", WithCapacity(max(n, 1024)))
			c := mustChain(b, On(z, self[netip.Addr], Burst(MaxBurst), NoDelay()))
			now := start
			for i := range n {
				c.Decide(now, address(uint64(i)))
			}
			b.ReportAllocs()
			i := uint64(0)
			for b.Loop() {
				i++
				now += int64(time.Millisecond)
				c.Decide(now, address(draw(i, bits)))
			}
		})
	}
	b.Run("rejected", func(b *testing.B) {
		c := mustChain(b, On(mustZone[netip.Addr](b, "1r/m"), self[netip.Addr]))
		a := addresses(1)[0]
		c.Decide(start, a)
		b.ReportAllocs()
		for b.Loop() {
			c.Decide(start, a)
		}
	})
	b.Run("new=10%", func(b *testing.B) { // 65,536 known keys, and a table that has been full for long
		z := mustZone[netip.Addr](b, "1r/s", WithCapacity(1<<19))
		c := mustChain(b, On(z, self[netip.Addr], Burst(MaxBurst), NoDelay()))
		now, i, fresh := start, uint64(0), uint64(1<<16)
		step := func() {
			i++
			now += int64(time.Microsecond)
			if i%10 != 0 {
				c.Decide(now, address(draw(i, 16)))
				return
			}
			c.Decide(now, address(fresh))
			if fresh++; fresh == 1<<24 {
				fresh = 1 << 16
			}
		}
		for range 20 << 20 {
			step()
		}
		b.ReportAllocs()
		for b.Loop() {
			step()
		}
	})
	b.Run("chain=3", func(b *testing.B) {
		c := mustChain(b,
			On(mustZone[netip.Addr](b, "1000r/s"), self[netip.Addr], Burst(MaxBurst), NoDelay()),
			On(mustZone[netip.Addr](b, "2000r/s"), self[netip.Addr], Burst(MaxBurst), NoDelay()),
			On(mustZone[uint64](b, "3000r/s"), func(netip.Addr) (uint64, bool) { return 1, true }, Burst(MaxBurst), NoDelay()))
		a, now := addresses(1)[0], start
		b.ReportAllocs()
		for b.Loop() {
			now += int64(time.Millisecond)
			c.Decide(now, a)
		}
	})
	b.Run("clock read", func(b *testing.B) {
		c := mustChain(b, On(mustZone[netip.Addr](b, "1000r/s"), self[netip.Addr], Burst(MaxBurst), NoDelay()))
		a := addresses(1)[0]
		b.ReportAllocs()
		for b.Loop() {
			c.Decide(c.Now(), a)
		}
	})
}

// BenchmarkDecideParallel is Decide on all processors, for one key and for a million.
func BenchmarkDecideParallel(b *testing.B) {
	for _, bits := range []int{0, 20} {
		n := 1 << bits
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			c := mustChain(b, On(mustZone[netip.Addr](b, "1000r/s", WithCapacity(max(n, 1024))), self[netip.Addr], Burst(MaxBurst), NoDelay()))
			for i := range n {
				c.Decide(start, address(uint64(i)))
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				now, i := start, rand.Uint64()
				for pb.Next() {
					i++
					now += int64(time.Millisecond)
					c.Decide(now, address(draw(i, bits)))
				}
			})
		})
	}
}

func BenchmarkAcquire(b *testing.B) {
	b.Run("keys=1", func(b *testing.B) {
		z := mustConns[netip.Addr](b, 10)
		a := addresses(1)[0]
		b.ReportAllocs()
		for b.Loop() {
			s, _ := z.Acquire(a)
			s.Release()
		}
	})
	b.Run("keys=1048576", func(b *testing.B) {
		z := mustConns[netip.Addr](b, 10, WithCapacity(1<<20))
		i := uint64(0)
		b.ReportAllocs()
		for b.Loop() {
			i++
			s, _ := z.Acquire(address(draw(i, 20)))
			s.Release()
		}
	})
	b.Run("refused", func(b *testing.B) {
		z := mustConns[netip.Addr](b, 1)
		a := addresses(1)[0]
		s, _ := z.Acquire(a)
		defer s.Release()
		b.ReportAllocs()
		for b.Loop() {
			z.Acquire(a)
		}
	})
}

// BenchmarkMemory reports the heap that a zone of a million keys takes, for each of them.
func BenchmarkMemory(b *testing.B) {
	const keys = 1_000_000
	addrs := addresses(keys)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		z := mustZone[netip.Addr](b, "10r/s", WithCapacity(keys))
		c := mustChain(b, On(z, self[netip.Addr], Burst(20)))
		for _, a := range addrs {
			c.Decide(start, a)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/keys, "B/key")
		b.ReportMetric(float64(z.displaced.Load()), "displaced")
		runtime.KeepAlive(z)
	}
}
