package vrrp_test

import (
	"fmt"
	"net/netip"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// What a router claims follows what it tracks: with 110 against a peer's 100, a
// web server that is down is enough to hand the address over, and a disk that
// is full keeps the router out.
func ExampleRouter_Track() {
	key, err := vrrp.NewHMACKey(1, make([]byte, 32))
	if err != nil {
		fmt.Println(err)
		return
	}
	udp, err := vrrp.UDPTransport(netip.MustParseAddrPort("192.0.2.1:1985"), key, netip.MustParseAddrPort("192.0.2.2:1985"))
	if err != nil {
		fmt.Println(err)
		return
	}
	router, err := vrrp.New(51, nil, vrrp.WithTransport(udp), vrrp.WithPriority(110))
	if err != nil {
		fmt.Println(err)
		return
	}
	web, err := router.Track("web", -20, vrrp.Fall(3))
	if err != nil {
		fmt.Println(err)
		return
	}
	disk, err := router.Track("disk", 0)
	if err != nil {
		fmt.Println(err)
		return
	}

	show := func() {
		for _, t := range router.Snapshot().Trackers {
			fmt.Println(t.Name, t.State, t.Contribution, t.Fault)
		}
	}
	show()
	web.Set(true) // such as a check of package healthcheck has it: web.Set(e.Up)
	disk.Set(true)
	show()
	for range 3 {
		web.Set(false)
	}
	disk.Set(false)
	show()
	// Output:
	// web unknown 0 false
	// disk unknown 0 true
	// web up 0 false
	// disk up 0 false
	// web down -20 false
	// disk down 0 true
}
