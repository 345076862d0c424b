package relay_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/mainstay-ha/mainstay/lvs"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

// greeter is a destination that says who it is.
func greeter(name string) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "this is "+name)
			c.Close()
		}
	}()
	return ln
}

// ask connects, reads to the end and prints what it read.
func ask(addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	answer, err := io.ReadAll(c)
	fmt.Println(string(answer), err)
}

func Example() {
	a, b := greeter("a"), greeter("b")
	defer a.Close()
	defer b.Close()

	ln, err := relay.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	web, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort(ln.Addr().String()))
	if err != nil {
		fmt.Println(err)
		return
	}
	web.Add(netip.MustParseAddrPort(b.Addr().String()), lvs.ID("b"))
	web.Add(netip.MustParseAddrPort(a.Addr().String()), lvs.ID("a"))

	r, err := relay.New(web)
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- r.Serve(ln) }()

	for range 3 {
		ask(ln.Addr().String())
	}
	web.Drain("a", true)
	ask(ln.Addr().String())

	fmt.Println(r.Shutdown(context.Background()), <-served)
	fmt.Println(web.Snapshot().Conns, "connections")
	// Output:
	// this is a <nil>
	// this is b <nil>
	// this is a <nil>
	// this is b <nil>
	// <nil> <nil>
	// 4 connections
}

// A plane serves the services of a director, listening by itself.
func ExamplePlane() {
	a := greeter("a")
	defer a.Close()
	free, _ := net.Listen("tcp", "127.0.0.1:0") // a port for this example
	vip := netip.MustParseAddrPort(free.Addr().String())
	free.Close()

	web, _ := lvs.NewService(lvs.TCP, vip)
	web.Add(netip.MustParseAddrPort(a.Addr().String()))
	listening := make(chan struct{}, 1)
	plane, err := relay.NewPlane(func(ctx context.Context, addr string) (net.Listener, error) {
		defer func() { listening <- struct{}{} }()
		return relay.Listen(ctx, addr) // what NewPlane(nil) does
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	director, err := lvs.NewDirector(plane, web)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- director.Run(ctx) }()

	<-listening
	ask(vip.String())
	stop()
	fmt.Println(<-ran, plane.Shutdown(context.Background()))
	// Output:
	// this is a <nil>
	// <nil> <nil>
}
