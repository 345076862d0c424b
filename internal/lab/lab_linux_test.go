package lab

import (
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/need"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestKA(t *testing.T) {
	need.Program(t, "keepalived", "ip")
	if !need.Namespace(t) {
		return
	}
	l := New(t, Config{Hosts: 2})
	a := Keepalived{}.Start(l.Host(1), Router{Priority: 150})
	Keepalived{}.Start(l.Host(2), Router{Priority: 100})
	l.Wait("h1", func() bool { return l.Host(1).Has(VIP4.Addr()) })
	m := l.Mark()
	l.WaitFrame("advert", m, func(f Frame) bool { return f.Kind == Advert && f.Host == 1 })
	a.Stop()
	l.Wait("h2", func() bool { return l.Host(2).Has(VIP4.Addr()) })
	l.Show()
}

func TestFRR(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	l := New(t, Config{Hosts: 2})
	FRR{}.Start(l.Host(1), Router{Priority: 150})
	m := l.Mark()
	l.WaitFrame("advert", m, func(f Frame) bool { return f.Kind == Advert && f.Host == 1 })
	l.Show()
}
