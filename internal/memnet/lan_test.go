package memnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	addrA = netip.MustParseAddrPort("192.0.2.1:0")
	addrB = netip.MustParseAddrPort("192.0.2.2:0")
	addrC = netip.MustParseAddrPort("192.0.2.3:0")
	group = netip.MustParseAddrPort("224.0.0.18:0")
)

// hosts returns a LAN and one socket for each address, all in the group.
func hosts(t *testing.T, addrs []netip.AddrPort, opts ...LANOption) (*LAN, []*PacketConn) {
	t.Helper()
	l := NewLAN(opts...)
	t.Cleanup(func() { l.Close() })
	var all []*PacketConn
	for _, addr := range addrs {
		c, err := l.ListenPacket(addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.JoinGroup(group.Addr()); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return l, all
}

func three(t *testing.T, opts ...LANOption) (l *LAN, a, b, c *PacketConn) {
	t.Helper()
	l, all := hosts(t, []netip.AddrPort{addrA, addrB, addrC}, opts...)
	return l, all[0], all[1], all[2]
}

func sendTo(t *testing.T, c *PacketConn, to netip.AddrPort, text string) {
	t.Helper()
	if n, err := c.WriteToUDPAddrPort([]byte(text), to); n != len(text) || err != nil {
		t.Fatalf("write to %v = %d, %v", to, n, err)
	}
}

// heard empties the socket's queue: "from text from text ...", short for tests.
func heard(t *testing.T, c *PacketConn) string {
	t.Helper()
	var all []string
	for {
		c.lan.mu.Lock()
		n := len(c.waiting)
		c.lan.mu.Unlock()
		if n == 0 {
			return strings.Join(all, " ")
		}
		p := make([]byte, 100)
		n, from, err := c.ReadFromUDPAddrPort(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d:%s", from.Addr().As4()[3], p[:n]))
	}
}

func expect(t *testing.T, c *PacketConn, want string) {
	t.Helper()
	if got := heard(t, c); got != want {
		t.Errorf("%v heard %q, want %q", c.local, got, want)
	}
}

func TestUnicast(t *testing.T) {
	l, a, b, c := three(t)
	sendTo(t, a, addrB, "one")
	sendTo(t, a, addrB, "two")
	sendTo(t, a, netip.MustParseAddrPort("192.0.2.9:0"), "nobody")
	sendTo(t, a, netip.MustParseAddrPort("192.0.2.2:5"), "other port")
	sendTo(t, a, netip.MustParseAddrPort("[::ffff:192.0.2.2]:0"), "mapped")
	sendTo(t, a, addrA, "self")
	expect(t, a, "1:self")
	expect(t, b, "1:one 1:two 1:mapped")
	expect(t, c, "")
	want := LANStats{Sent: 6, Delivered: 4, Unheard: 2}
	if got := l.Stats(); got != want {
		t.Errorf("Stats() = %+v, want %+v", got, want)
	}
}

func TestMulticast(t *testing.T) {
	l, a, b, c := three(t)
	port, err := l.ListenPacket(netip.MustParseAddrPort("192.0.2.4:7"))
	if err != nil {
		t.Fatal(err)
	}
	port.JoinGroup(group.Addr())
	c.JoinGroup(netip.MustParseAddr("224.0.0.2"))
	sendTo(t, a, group, "x")
	expect(t, a, "") // never the sender
	expect(t, b, "1:x")
	expect(t, c, "1:x")
	expect(t, port, "") // bound to another port
	sendTo(t, port, netip.MustParseAddrPort("224.0.0.2:0"), "y")
	expect(t, b, "")
	expect(t, c, "4:y")
	if err := b.LeaveGroup(group.Addr()); err != nil {
		t.Fatal(err)
	}
	sendTo(t, a, group, "z")
	expect(t, b, "")
	expect(t, c, "1:z")
	if err := a.JoinGroup(addrB.Addr()); err == nil {
		t.Error("joined a unicast address")
	}
}

func TestMulticastIPv6(t *testing.T) {
	l := NewLAN()
	defer l.Close()
	g := netip.MustParseAddr("ff02::12")
	a, err := l.ListenPacket(netip.MustParseAddrPort("[fe80::1%eth0]:0"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.ListenPacket(netip.MustParseAddrPort("[fe80::2%eth0]:0"))
	if err != nil {
		t.Fatal(err)
	}
	b.JoinGroup(g)
	sendTo(t, a, netip.AddrPortFrom(g, 0), "x")
	p := make([]byte, 9)
	n, from, err := b.ReadFrom(p)
	if err != nil || string(p[:n]) != "x" || from.String() != "[fe80::1%eth0]:0" {
		t.Errorf("ReadFrom() = %q from %v, %v", p[:n], from, err)
	}
}

func TestListenPacketErrors(t *testing.T) {
	l, _, _, _ := three(t)
	for _, addr := range []string{"0.0.0.0:1", "[::]:1", "224.0.0.18:1"} {
		if _, err := l.ListenPacket(netip.MustParseAddrPort(addr)); err == nil {
			t.Errorf("bound %s", addr)
		}
	}
	if _, err := l.ListenPacket(netip.AddrPort{}); err == nil {
		t.Error("bound no address")
	}
	if _, err := l.ListenPacket(addrA); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second bind: %v, want EADDRINUSE", err)
	}
	l.Close()
	if _, err := l.ListenPacket(netip.MustParseAddrPort("192.0.2.9:0")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("bind on a closed LAN: %v, want ErrClosed", err)
	}
}

func TestPacketConnMethods(t *testing.T) {
	_, a, b, _ := three(t)
	if got, ok := a.LocalAddr().(*net.UDPAddr); !ok || got.String() != "192.0.2.1:0" {
		t.Errorf("LocalAddr() = %v", a.LocalAddr())
	}
	for _, to := range []net.Addr{&net.UDPAddr{IP: net.IPv4(192, 0, 2, 2)}, &net.IPAddr{IP: net.IPv4(192, 0, 2, 2)}} {
		if _, err := a.WriteTo([]byte("12345"), to); err != nil {
			t.Errorf("WriteTo(%T): %v", to, err)
		}
		p := make([]byte, 3)
		n, from, err := b.ReadFrom(p)
		if _, ok := from.(*net.UDPAddr); n != 3 || err != nil || !ok {
			t.Errorf("ReadFrom() = %d, %T, %v, want 3 of 5 bytes and a UDPAddr", n, from, err)
		}
	}
	expect(t, b, "") // what did not fit is gone
	for _, to := range []net.Addr{&net.TCPAddr{}, nil, &net.UDPAddr{}} {
		if _, err := a.WriteTo(nil, to); err == nil {
			t.Errorf("wrote to %T %v", to, to)
		}
	}
}

// TestFramesAreCopies shows that no two parties share the bytes of a frame.
func TestFramesAreCopies(t *testing.T) {
	_, a, b, c := three(t)
	p := []byte("text")
	a.WriteToUDPAddrPort(p, group)
	copy(p, "xxxx")
	q := make([]byte, 9)
	if n, _, _ := b.ReadFromUDPAddrPort(q); string(q[:n]) != "text" {
		t.Errorf("the receiver sees %q, the sender's later bytes", q[:n])
	}
	copy(q, "yyyy")
	expect(t, c, "1:text")
}

func TestQueueOverflows(t *testing.T) {
	l, a, b, _ := three(t, WithQueue(2))
	for _, text := range []string{"1", "2", "3", "4"} {
		sendTo(t, a, addrB, text)
	}
	if b.Dropped() != 2 || l.Stats().Overflowed != 2 {
		t.Errorf("Dropped() = %d, Stats() = %+v, want 2 dropped", b.Dropped(), l.Stats())
	}
	expect(t, b, "1:1 1:2")
	sendTo(t, a, addrB, "5")
	expect(t, b, "1:5")
}

func TestTap(t *testing.T) {
	l, a, b, _ := three(t)
	l.SetLoss(1)
	var seen []string
	l.SetTap(func(from, to netip.AddrPort, p []byte) {
		seen = append(seen, fmt.Sprintf("%v>%v %s", from, to, p))
		l.SetLoss(0) // a tap may use the LAN
	})
	sendTo(t, a, group, "x")
	l.SetLoss(1)
	l.SetTap(nil)
	sendTo(t, a, group, "y")
	if want := []string{"192.0.2.1:0>224.0.0.18:0 x"}; !slices.Equal(seen, want) {
		t.Errorf("the tap saw %q, want %q", seen, want)
	}
	expect(t, b, "1:x") // since the tap ended the loss before the frame was carried
}

func TestPacketDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, _ := three(t)
		t0 := time.Now()
		var wg sync.WaitGroup
		read := func(want error) {
			wg.Go(func() {
				_, _, err := b.ReadFrom(make([]byte, 9))
				var e *net.OpError
				if !errors.Is(err, want) || !errors.As(err, &e) || e.Op != "read" {
					t.Errorf("read: %v, want %v in a net.OpError", err, want)
				}
			})
			synctest.Wait()
		}
		read(os.ErrDeadlineExceeded)
		b.SetReadDeadline(t0.Add(time.Hour))
		b.SetReadDeadline(t0.Add(time.Second))
		wg.Wait()
		if d := time.Since(t0); d != time.Second {
			t.Errorf("read ended after %v, want 1s", d)
		}
		sendTo(t, a, addrB, "x")
		if _, _, err := b.ReadFrom(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read past the deadline: %v, want the deadline even with data", err)
		}
		b.SetDeadline(time.Time{})
		expect(t, b, "1:x")

		a.SetWriteDeadline(t0)
		if _, err := a.WriteToUDPAddrPort(nil, addrB); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write past the deadline: %v", err)
		}
		read(net.ErrClosed)
		read(net.ErrClosed)
		b.Close()
		wg.Wait()
	})
}

func TestPacketConnClosed(t *testing.T) {
	l, a, b, c := three(t)
	sendTo(t, b, addrA, "unread")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, readErr := a.ReadFrom(nil)
	_, writeErr := a.WriteToUDPAddrPort(nil, addrB)
	for i, err := range []error{readErr, writeErr, a.Close(), a.SetDeadline(time.Time{}), a.JoinGroup(group.Addr())} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("call %d on a closed socket: %v, want ErrClosed", i, err)
		}
	}
	sendTo(t, b, group, "x")
	expect(t, c, "2:x")
	again, err := l.ListenPacket(addrA) // the address is free
	if err != nil {
		t.Fatal(err)
	}
	sendTo(t, b, addrA, "y")
	expect(t, again, "2:y")
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read on a closed LAN: %v, want ErrClosed", err)
	}
}
