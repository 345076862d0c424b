package memnet_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
)

// Two speakers of a multicast protocol, and a cable that is pulled. A test does
// this in a testing/synctest bubble, where the delays cost nothing.
func ExampleLAN() {
	lan := memnet.NewLAN(memnet.WithSeed(7))
	defer lan.Close()
	lan.SetDelay(time.Millisecond, 2*time.Millisecond)

	group := netip.MustParseAddrPort("224.0.0.18:0")
	a, _ := lan.ListenPacket(netip.MustParseAddrPort("192.0.2.1:0"))
	b, _ := lan.ListenPacket(netip.MustParseAddrPort("192.0.2.2:0"))
	b.JoinGroup(group.Addr())

	a.WriteToUDPAddrPort([]byte("advert"), group)
	buf := make([]byte, 1500)
	n, from, err := b.ReadFromUDPAddrPort(buf)
	fmt.Println(string(buf[:n]), from.Addr(), err)

	lan.Cut(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"))
	a.WriteToUDPAddrPort([]byte("advert"), group)
	fmt.Println("cut:", lan.Stats().Cut)
	// Output:
	// advert 192.0.2.1 <nil>
	// cut: 1
}

func ExampleStreams() {
	network := memnet.NewStreams(memnet.WithBuffer(4 << 10))
	ln, _ := network.Listen("192.0.2.80:80")
	defer ln.Close()

	c, _ := network.DialContext(context.Background(), "tcp", "192.0.2.80:80")
	io.WriteString(c, "hello")
	c.(*memnet.Conn).CloseWrite()

	s, _ := ln.Accept()
	all, err := io.ReadAll(s)
	fmt.Println(string(all), err)
	s.Close()
	c.Close()
	// Output: hello <nil>
}
