package upstream

import (
	"fmt"
	"testing"
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
