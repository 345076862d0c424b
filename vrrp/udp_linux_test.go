package vrrp

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"golang.org/x/sys/unix"
)

// What the kernel has received, Receive finds, whether or not the reader has
// run since.
func TestUDPReceiveLooksIntoTheKernel(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	l := openLink(t, udp(t, at[0], at[1]))
	peer, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(at[1]), net.UDPAddrFromAddrPort(at[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	var p [8]Packet
	for i := range 1000 {
		l.reader.mu.Lock() // the reader cannot read
		if _, err := peer.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		awaitReadable(t, l)
		l.reader.mu.Unlock()
		if n, err := l.Receive(p[:]); n != 1 || err != nil || p[0].Data[0] != byte(i) {
			t.Fatalf("datagram %d: Receive() = %d, %v", i, n, err)
		}
	}
}

// awaitReadable waits until the kernel has a datagram: softirqs may be late.
func awaitReadable(t *testing.T, l *udpLink) {
	t.Helper()
	fds := []unix.PollFd{{Events: unix.POLLIN}}
	if err := l.reader.raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		for {
			if _, err := unix.Poll(fds, int(patience.Milliseconds())); err != unix.EINTR {
				return
			}
		}
	}); err != nil || fds[0].Revents&unix.POLLIN == 0 {
		t.Fatalf("the socket is not readable: %v", err)
	}
}

// A network that takes nothing any more does not hold up the router.
func TestUDPSendDoesNotWait(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	need.Program(t, "ip")
	need.Program(t, "tc")
	there := newElsewhere(t)
	there.lay(t)
	defer ip(t, "link del near")
	if out, err := exec.Command("tc", strings.Fields("qdisc add dev near root tbf rate 8bit burst 2000 limit 100000000")...).CombinedOutput(); err != nil {
		t.Skipf("tc: %v\n%s", err, out)
	}
	l := openLink(t, udp(t, netip.MustParseAddrPort("192.0.2.1:1120"), netip.MustParseAddrPort("192.0.2.2:1120")))
	packets := []Packet{{Data: make([]byte, 1000), To: netip.MustParseAddrPort("192.0.2.2:1120")}}
	// Who waits does so until the link is closed.
	closing := time.AfterFunc(patience, func() { _ = l.Close() })
	defer closing.Stop()
	for i := range 1000 {
		switch err := l.Send(packets); {
		case errors.Is(err, unix.ENOBUFS):
			return
		case err != nil:
			t.Fatalf("Send %d = %v", i, err)
		}
	}
	t.Error("the send buffer never fills up")
}

// More than the inbox holds waits in the kernel, in order, and wakes the router
// until it is all taken.
func TestUDPFullInbox(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	l := openLink(t, udp(t, at[0], at[1]))
	peer, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(at[1]), net.UDPAddrFromAddrPort(at[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	for round := range 20 {
		for i := range 3 * inboxLen {
			if _, err := peer.Write([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 * inboxLen {
			if p := receive(t, l); p.Data[0] != byte(i) {
				t.Fatalf("round %d: received %d, want %d", round, p.Data[0], i)
			}
		}
		select {
		case <-l.Ready():
		default:
		}
		if _, err := peer.Write([]byte("wake up")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-l.Ready():
		case <-time.After(patience):
			t.Fatalf("round %d: the reader sleeps", round)
		}
		receive(t, l)
	}
}

// What does not fit into the receive buffer is counted, also after Close.
func TestUDPOverflow(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	l := openLink(t, udp(t, at[0], at[1]))
	if err := l.conn.SetReadBuffer(1); err != nil { // the kernel has a least size
		t.Fatal(err)
	}
	peer, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(at[1]), net.UDPAddrFromAddrPort(at[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	eventually(t, "a drop is counted", func() bool {
		if _, err := peer.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		return l.Dropped(DropOverflow) > 0
	})
	before := l.Dropped(DropOverflow)
	_ = l.Close()
	if after := l.Dropped(DropOverflow); after < before {
		t.Errorf("%d after Close, were %d", after, before)
	}
}
