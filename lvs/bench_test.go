package lvs_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/mainstay-ha/mainstay/lvs"
)

var vip = netip.MustParseAddrPort("192.0.2.10:80")

// pool makes a service with n destinations of weight 1, named by their numbers from 0.
func pool(tb testing.TB, n int, opts ...lvs.ServiceOption) *lvs.Service {
	tb.Helper()
	s, err := lvs.NewService(lvs.TCP, vip, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
		if err := s.Add(addr, lvs.ID(fmt.Sprint(i))); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{1, 32, 1024} {
		b.Run(fmt.Sprint("rr/", n), func(b *testing.B) {
			s, f := pool(b, n), lvs.Flow{Virtual: vip}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Pick(f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("rr/1 of 1024", func(b *testing.B) {
		s, f := pool(b, 1024), lvs.Flow{Virtual: vip}
		for i := range 1023 {
			s.SetWeight(fmt.Sprint(i), 0)
		}
		b.ReportAllocs()
		for b.Loop() {
			s.Pick(f)
		}
	})
	b.Run("rr/parallel", func(b *testing.B) {
		s, f := pool(b, 32), lvs.Flow{Virtual: vip}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				s.Pick(f)
			}
		})
	})
}

func BenchmarkBind(b *testing.B) {
	s := pool(b, 1)
	d, _ := s.Pick(lvs.Flow{})
	b.ReportAllocs()
	for b.Loop() {
		bound := d.Bind()
		bound.SetActive(true)
		bound.In(100)
		bound.Out(100)
		bound.Unbind()
	}
}
