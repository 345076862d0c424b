package vrrp_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// Addresses that the kernel removes if the process dies, with a label by which
// ip address lists them.
func ExampleNetlinkAddresses() {
	addresses, err := vrrp.NetlinkAddresses("eth0",
		vrrp.AddressLabel("vip"),
		vrrp.AddressLifetime(30*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	key, _ := vrrp.NewHMACKey(1, make([]byte, 32))
	udp, _ := vrrp.UDPTransport(netip.MustParseAddrPort("192.0.2.1:1985"), key, netip.MustParseAddrPort("192.0.2.2:1985"))
	router, err := vrrp.New(51, []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")},
		vrrp.WithTransport(udp),
		vrrp.WithAddresses(addresses))
	fmt.Println(router, err)
}
