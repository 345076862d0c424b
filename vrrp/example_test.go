package vrrp_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// One router alone: it takes the address after a down interval, and gives it
// up when its context ends.
func Example() {
	secret := make([]byte, 32) // read it from where secrets are kept
	key, err := vrrp.NewHMACKey(1, secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	udp, err := vrrp.UDPTransport(freeAddress(), key, netip.MustParseAddrPort("127.0.0.1:1"))
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	router, err := vrrp.New(51, []netip.Prefix{netip.MustParsePrefix("192.0.2.100/32")},
		vrrp.WithTransport(udp),
		vrrp.WithPriority(150),
		vrrp.WithInterval(10*time.Millisecond),
		vrrp.WithAddresses(vrrp.FuncAddresses(
			func(_ context.Context, vips []netip.Prefix) error {
				fmt.Println("holding", vips)
				stop() // enough for an example
				return nil
			},
			func(_ context.Context, vips []netip.Prefix) error {
				fmt.Println("gave up", vips)
				return nil
			})))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Run:", router.Run(ctx))
	// Output:
	// holding [192.0.2.100/32]
	// gave up [192.0.2.100/32]
	// Run: <nil>
}

// freeAddress is a UDP address of the loopback that nobody uses.
func freeAddress() netip.AddrPort {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// The codec alone, to read what is on a wire.
func ExampleAdvert_Parse() {
	src, group := netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("224.0.0.18")
	message := []byte{0x31, 0x33, 0x96, 0x01, 0x00, 0x64, 0x42, 0xd9, 0x0a, 0x4d, 0x00, 0x64}
	var a vrrp.Advert
	if err := a.Parse(message, src, group); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.VRID, a.Priority, a.Interval, a.Addrs, a.Checksum)

	message[2] = 200 // somebody tampers with the priority
	fmt.Println(a.Parse(message, src, group))
	// Output:
	// 51 150 1s [10.77.0.100] pseudo-header
	// vrrp: dropped: checksum
}
