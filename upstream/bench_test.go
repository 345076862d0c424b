package upstream

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func benchPool(b testing.TB, n int, bal Balancer, opts ...ServerOption) *Pool {
	var o []Option
	for i := range n {
		o = append(o, WithServer(fmt.Sprintf("192.0.2.%d:80", i+1), append([]ServerOption{Weight(1 + i%3)}, opts...)...))
	}
	p, err := New(append(o, WithBalancer(bal))...)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func BenchmarkPickDone(b *testing.B) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		for _, n := range []int{1, 3, 16} {
			p := benchPool(b, n, bal)
			b.Run(fmt.Sprintf("%v/peers=%d", bal, n), func(b *testing.B) {
				b.ReportAllocs()
				var r Request
				var now int64
				for b.Loop() {
					now += 1000
					l, err := p.TryPick(now, &r)
					if err != nil {
						b.Fatal(err)
					}
					l.Done(now, Success)
					r.Reset()
				}
			})
			b.Run(fmt.Sprintf("%v/peers=%d/parallel", bal, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					var r Request
					var now int64
					for pb.Next() {
						now += 1000
						l, err := p.TryPick(now, &r)
						if err != nil {
							panic(err)
						}
						l.Done(now, Success)
						r.Reset()
					}
				})
			})
		}
	}
}

// BenchmarkConfigured is BenchmarkPickDone with a queue nobody waits in, an
// outlier detection, a panic threshold and slow starts that are over; and the
// same with a slow start on the way.
func BenchmarkConfigured(b *testing.B) {
	for _, rising := range []bool{false, true} {
		for _, n := range []int{3, 16} {
			b.Run(fmt.Sprintf("peers=%d/rising=%v", n, rising), func(b *testing.B) {
				p := newPool(b, everything(n, MaxFails(0))...)
				if rising {
					if err := p.Update("0", SlowStart(1<<62), Address("192.0.2.9:80")); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				r := new(Request)
				var now int64
				for b.Loop() {
					now += 1000
					l, err := p.TryPick(now, r)
					if err != nil {
						b.Fatal(err)
					}
					r.Status = 200
					l.Done(now, Success)
					r.Reset()
				}
			})
		}
	}
}

// BenchmarkHandOver is a place that goes from one waiting request to the next,
// between as many goroutines per processor as the name says.
func BenchmarkHandOver(b *testing.B) {
	for _, n := range []int{2, 100} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			p := newPool(b, server("a", MaxConns(1)), WithQueue(1<<20, time.Hour))
			b.ReportAllocs()
			b.SetParallelism(n)
			b.RunParallel(func(pb *testing.PB) {
				r := new(Request)
				for pb.Next() {
					l, err := p.Pick(context.Background(), r)
					if err != nil {
						b.Error(err)
						return
					}
					l.Done(p.Now(), Success)
					r.Reset()
				}
			})
		})
	}
}
