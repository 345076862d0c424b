package lvs_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mainstay-ha/mainstay/lvs"
)

func Example() {
	web, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80"), lvs.WithName("web"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, addr := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
		if err := web.Add(netip.MustParseAddrPort(addr)); err != nil {
			fmt.Println(err)
			return
		}
	}
	serve := func(n int) {
		for range n {
			d, err := web.Pick(lvs.Flow{Virtual: web.VIP()})
			if err != nil {
				fmt.Println(err)
				continue
			}
			conn := d.Bind() // the connection is in the books until Unbind
			fmt.Println(d.Group(), d.ID())
			conn.Unbind()
		}
	}
	serve(4) // the kernel's order: the one added last comes first
	fmt.Println("10.0.0.2 does not answer")
	web.SetHealth("10.0.0.2:80", "tcp", false, errors.New("connection refused"))
	serve(3)
	// Output:
	// web 10.0.0.3:80
	// web 10.0.0.2:80
	// web 10.0.0.1:80
	// web 10.0.0.3:80
	// 10.0.0.2 does not answer
	// web 10.0.0.1:80
	// web 10.0.0.3:80
	// web 10.0.0.1:80
}

// A scheduler of one's own sees the destinations with their weights and connections.
func ExampleNewScheduler() {
	least := lvs.NewScheduler("least", func(v lvs.View, _ lvs.Flow) (int, bool) {
		best := -1
		for i := range v.Len() {
			if v.Eligible(i) && (best < 0 || v.Active(i) < v.Active(best)) {
				best = i
			}
		}
		return best, best >= 0
	})
	web, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80"), lvs.WithScheduler(least))
	if err != nil {
		fmt.Println(err)
		return
	}
	web.Add(netip.MustParseAddrPort("10.0.0.1:80"))
	web.Add(netip.MustParseAddrPort("10.0.0.2:80"))
	for range 2 {
		d, _ := web.Pick(lvs.Flow{})
		conn := d.Bind()
		conn.SetActive(true)
		fmt.Println(d.ID())
	}
	// Output:
	// 10.0.0.2:80
	// 10.0.0.1:80
}

// printPlane is a plane that only says what it is told, once.
type printPlane struct{ done func() }

func (printPlane) Capabilities() lvs.Capabilities {
	return lvs.Capabilities{Name: "print", Protocols: []lvs.Protocol{lvs.TCP}}
}

func (p printPlane) Apply(_ context.Context, want []lvs.ServiceSpec) error {
	for _, s := range want {
		fmt.Println(s.Protocol, s.VIP, s.Scheduler, s.Dests)
	}
	p.done()
	return nil
}

func ExampleDirector() {
	web, _ := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80"))
	dns, _ := lvs.NewService(lvs.UDP, netip.MustParseAddrPort("192.0.2.10:53"), lvs.WithName("dns"))
	web.Add(netip.MustParseAddrPort("10.0.0.1:80"), lvs.ID("a"))

	ctx, cancel := context.WithCancel(context.Background())
	plane := printPlane{cancel}
	if _, err := lvs.NewDirector(plane, web, dns); errors.Is(err, errors.ErrUnsupported) {
		fmt.Println(err)
	}
	director, err := lvs.NewDirector(plane, web)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(director.Run(ctx))
	// Output:
	// lvs: plane print cannot carry dns: it carries tcp, not udp
	// tcp 192.0.2.10:80 rr [{a 10.0.0.1:80 1 false}]
	// <nil>
}
