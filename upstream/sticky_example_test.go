package upstream_test

import (
	"fmt"

	"github.com/mainstay-ha/mainstay/upstream"
)

// A session meets its peer again, also while that one drains; newcomers go where
// the balancer inside says.
func ExampleSticky() {
	pool, err := upstream.New(
		upstream.WithBalancer(upstream.Sticky(upstream.LeastConn())),
		upstream.WithServer("192.0.2.1:80", upstream.ID("a"), upstream.StickyID("s1")),
		upstream.WithServer("192.0.2.2:80", upstream.ID("b"), upstream.StickyID("s2")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	request := func(cookie string) {
		r := upstream.Request{Sticky: cookie}
		lease, err := pool.TryPick(pool.Now(), &r)
		if err != nil {
			fmt.Println(err)
			return
		}
		b := lease.Backend()
		fmt.Printf("cookie %q: %s, set %s\n", cookie, b.ID(), b.StickyID())
		lease.Done(pool.Now(), upstream.Success)
	}
	request("")
	request("s2")
	if err := pool.Drain("b", true); err != nil {
		fmt.Println(err)
		return
	}
	request("s2")
	request("")
	// Output:
	// cookie "": a, set s1
	// cookie "s2": b, set s2
	// cookie "s2": b, set s2
	// cookie "": a, set s1
}
