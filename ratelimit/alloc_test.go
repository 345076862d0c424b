package ratelimit

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// TestAllocs: deciding and acquiring allocate nothing, whatever the key, the outcome or the state of the table.
func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	keys := make([]string, 200)
	for i := range keys {
		keys[i] = "client " + string(rune('a'+i))
	}
	var buf [64]byte
	allocsOf(t, "netip.Addr", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) })
	allocsOf(t, "netip.Addr, IPv6", func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 7: byte(i)}) })
	allocsOf(t, "string", func(i int) string { return keys[i%len(keys)] })
	allocsOf(t, "bytes", func(i int) []byte { return append(append(buf[:0], "client "...), byte(i)) })
	allocsOf(t, "uint64", func(i int) uint64 { return uint64(i) })

	t.Run("ByRemoteAddr", func(t *testing.T) {
		c := mustChain(t, On(mustZone[netip.Addr](t, "1r/s"), ByRemoteAddr))
		for _, remote := range []string{"192.0.2.1:1234", "[2001:db8::1]:1234", "@"} {
			r := &http.Request{RemoteAddr: remote}
			noAllocs(t, remote, func(i int) { c.Decide(int64(i)*1e6, r) })
		}
	})
}

func allocsOf[K Key](t *testing.T, name string, key func(i int) K) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		rule := func(opts ...RuleOption) Rule[K] {
			return On(mustZone[K](t, "10r/s", WithCapacity(minCapacity)), self[K], opts...)
		}
		one := mustChain(t, rule(Burst(2)))
		noAllocs(t, "Decide", func(i int) { one.Decide(int64(i)*1e6, key(i%200)) })
		three := mustChain(t, rule(Burst(2)), rule(NoDelay()), rule(Burst(5), Delay(1)))
		noAllocs(t, "Decide by three", func(i int) { three.Decide(int64(i)*1e6, key(i%200)) })
		five := mustChain(t, rule(), rule(), rule(), rule(), rule(Burst(2)))
		noAllocs(t, "Decide by five", func(i int) { five.Decide(int64(i)*1e6, key(i%3)) })

		conns := mustConns[K](t, 2, WithCapacity(minCapacity))
		var held [8]Slot
		noAllocs(t, "Acquire", func(i int) {
			held[i%8].Release()
			held[i%8], _ = conns.Acquire(key(i % 200))
		})
		onConn := OnConn(conns, self[K])
		noAllocs(t, "Enter", func(i int) { onConn.Leave(onConn.Enter(key(i%200), 503).Token) })
	})
}

// noAllocs runs f a thousand times to warm up, then ten times a thousand.
func noAllocs(t *testing.T, what string, f func(i int)) {
	t.Helper()
	i := 0
	if n := testing.AllocsPerRun(10, func() {
		for range 1000 {
			f(i)
			i++
		}
	}); n != 0 {
		t.Errorf("%s: %v allocations in a thousand", what, n)
	}
}
