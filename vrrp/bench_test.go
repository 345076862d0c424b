package vrrp

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
)

// How late a Backup takes over on real sockets, at 10 ms: from the last advert,
// beyond the down interval of 36.09 ms. A figure, not a gate.
func BenchmarkTakeoverUDP(b *testing.B) {
	at := make([]netip.AddrPort, 2)
	conns := make([]*net.UDPConn, 2)
	for i := range at {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Skip(err)
		}
		conns[i], at[i] = c, c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	peer := conns[1]
	defer peer.Close()
	_ = conns[0].Close()

	const interval = 10 * time.Millisecond
	u, err := UDPTransport(at[0], testKey(1), at[1])
	if err != nil {
		b.Fatal(err)
	}
	var taken = make(chan time.Time, 100)
	r, err := New(51, nil, WithTransport(u), WithInterval(interval), WithOnTransition(func(t Transition) {
		if t.To == Active {
			taken <- t.Time
		}
	}))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()

	signer := newAuthenticator(testKey(1), IPv4, 51, time.Second, 1)
	advert := Advert{VRID: 51, Priority: 200, Interval: interval}
	<-taken
	var late []time.Duration
	for b.Loop() {
		m := advert.appendTo(nil, IPv4, at[1].Addr(), at[0].Addr())
		sent := time.Now()
		if _, err := peer.WriteToUDPAddrPort(signer.sign(m, m, at[1], sent), at[0]); err != nil {
			b.Fatal(err)
		}
		late = append(late, (<-taken).Sub(sent)-downInterval(3, 100, interval))
	}
	stop()
	<-done
	slices.Sort(late)
	b.ReportMetric(float64(late[len(late)/2].Microseconds()), "late-us/median")
	b.ReportMetric(float64(late[len(late)-1].Microseconds()), "late-us/max")
}

// What one more running router takes, with both callbacks: on a raw transport in
// memory, whose engine and sockets are there already, and with a UDP transport of
// its own.
func BenchmarkRouterMemory(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		var raws [4]Transport
		for i := range raws {
			n := newRawNet()
			n.deaf = true
			raws[i] = n.raw(b)
		}
		memoryOf(b, 4*250, func(i int) (uint8, Transport) { return uint8(i/4 + 1), raws[i%4] })
	})
	b.Run("UDP", func(b *testing.B) {
		memoryOf(b, 200, func(int) (uint8, Transport) {
			u, err := UDPTransport(freePort(b), testKey(1), netip.MustParseAddrPort("127.0.0.1:1"))
			if err != nil {
				b.Fatal(err)
			}
			return 51, u
		})
	})
}

// memoryOf runs n routers after the first, all Active, and reports what one takes.
func memoryOf(b *testing.B, n int, transport func(i int) (uint8, Transport)) {
	var total uint64
	for b.Loop() {
		ctx, stop := context.WithCancel(context.Background())
		done, up := make(chan error, n+2), make(chan struct{}, n+2)
		start := func(i int) {
			vrid, t := transport(i)
			r, err := New(vrid, vips4, WithTransport(t), WithPriority(owner), WithAddresses(FuncAddresses(nil, nil)), WithOnTransition(func(t Transition) {
				if t.To == Active {
					up <- struct{}{}
				}
			}))
			if err != nil {
				b.Fatal(err)
			}
			go func() { done <- r.Run(ctx) }()
			select {
			case <-up:
			case err := <-done:
				b.Fatal(err)
			}
		}
		start(n)
		start(n + 1)
		before := inUse()
		for i := range n {
			start(i)
		}
		total += inUse() - before
		stop()
		for range n + 2 {
			<-done
		}
	}
	b.ReportMetric(float64(total)/float64(b.N)/float64(n), "B/router")
}

// inUse is the memory of the heap and of stacks after a collection.
func inUse() uint64 {
	var m runtime.MemStats
	for range 3 { // stacks shrink by half each time
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func freePort(b *testing.B) netip.AddrPort {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Skip(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}
