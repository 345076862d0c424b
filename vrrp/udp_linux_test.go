package vrrp

import (
	"net"
	"testing"
)

// On the loopback a datagram has arrived when the call that sent it returns.
// Receive must find it, whether or not the reader has run.
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
		if _, err := peer.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if n, err := l.Receive(p[:]); n != 1 || err != nil || p[0].Data[0] != byte(i) {
			t.Fatalf("datagram %d: Receive() = %d, %v", i, n, err)
		}
	}
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
	}
}
