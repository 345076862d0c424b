package vrrp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds what is waited for on real sockets; nothing takes that long.
const patience = 30 * time.Second

// endpoints returns addresses on the loopback whose ports were free just now.
func endpoints(t *testing.T, ip string, n int) []netip.AddrPort {
	t.Helper()
	var out []netip.AddrPort
	for range n {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
		if err != nil {
			t.Skipf("no UDP on %s: %v", ip, err)
		}
		defer c.Close() // after all have a port
		out = append(out, c.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	return out
}

func udp(t *testing.T, local netip.AddrPort, peers ...netip.AddrPort) *UDP {
	t.Helper()
	u, err := UDPTransport(local, testKey(1), peers...)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func openLink(t *testing.T, u *UDP) *udpLink {
	t.Helper()
	l, err := u.Open(context.Background(), VirtualRouter{VRID: 51})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*udpLink)
}

func TestUDPTransportRefuses(t *testing.T) {
	at := netip.MustParseAddrPort
	local, peer := at("192.0.2.1:1985"), at("192.0.2.2:1985")
	for _, c := range []struct {
		name  string
		local netip.AddrPort
		key   HMACKey
		peers []netip.AddrPort
		want  []string
	}{
		{"no key", local, HMACKey{}, []netip.AddrPort{peer}, []string{"without an HMAC key"}},
		{"no peers", local, testKey(1), nil, []string{"without peers"}},
		{"nothing", netip.AddrPort{}, HMACKey{}, nil, []string{"not the address of one host", "without an HMAC key", "without peers"}},
		{"unspecified", at("0.0.0.0:1985"), testKey(1), []netip.AddrPort{peer}, []string{"not the address of one host"}},
		{"no port", at("192.0.2.1:0"), testKey(1), []netip.AddrPort{at("192.0.2.2:0")}, []string{"local address 192.0.2.1:0 has no port", "peer address 192.0.2.2:0 has no port"}},
		{"multicast and broadcast", local, testKey(1), []netip.AddrPort{at("224.0.0.18:1"), at("255.255.255.255:1")}, []string{"224.0.0.18:1 is not", "255.255.255.255:1 is not"}},
		{"other family", local, testKey(1), []netip.AddrPort{at("[2001:db8::1]:1985")}, []string{"not of the family"}},
		{"itself, mapped", local, testKey(1), []netip.AddrPort{at("[::ffff:192.0.2.1]:1985")}, []string{"is the local address"}},
		{"twice", local, testKey(1), []netip.AddrPort{peer, at("[::ffff:192.0.2.2]:1985")}, []string{"listed twice"}},
		{"twice but for the zone", at("[fe80::1%a]:1"), testKey(1), []netip.AddrPort{at("[fe80::2%a]:1"), at("[fe80::2%b]:1")}, []string{"listed twice"}},
	} {
		u, err := UDPTransport(c.local, c.key, c.peers...)
		if err == nil || u != nil {
			t.Errorf("%s: UDPTransport() = %v, %v", c.name, u, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: UDPTransport() = %v, want %q", c.name, err, want)
			}
		}
		if n := len(strings.Split(err.Error(), "\n")); n != len(c.want) {
			t.Errorf("%s: %d problems, want %d: %v", c.name, n, len(c.want), err)
		}
	}
}

// watch collects the transitions of a router.
func watch() (Option, chan Transition) {
	c := make(chan Transition, 1000)
	return WithOnTransition(func(t Transition) { c <- t }), c
}

// await waits for a transition to state.
func await(t *testing.T, c <-chan Transition, state State) Transition {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case tr := <-c:
			if tr.To == state {
				return tr
			}
		case <-deadline:
			t.Fatalf("not %v within %v", state, patience)
		}
	}
}

// Real sockets: an election, a planned hand-over, a resignation.
func TestUDPElection(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			at := endpoints(t, ip, 2)
			transitionsA, a := watch()
			transitionsB, b := watch()
			first := run(t, nil, WithTransport(udp(t, at[0], at[1])), WithInterval(10*time.Millisecond), WithPriority(200), transitionsA)
			await(t, a, Active)
			second := run(t, nil, WithTransport(udp(t, at[1], at[0])), WithInterval(10*time.Millisecond), transitionsB)
			await(t, b, Backup)

			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			// On a busy machine either may have moved meanwhile; what follows
			// holds all the same.
			if err := first.Yield(ctx); err != nil && !errors.Is(err, ErrNoHeir) {
				t.Fatalf("Yield() = %v", err)
			}
			await(t, b, Active)
			if err := first.Resume(); err != nil {
				t.Fatal(err)
			}
			await(t, a, Active)
			if err := first.end(); err != nil {
				t.Errorf("Run() = %v", err)
			}
			for second.Snapshot().State != Active {
				await(t, b, Active)
			}
			s := second.Snapshot()
			if s.Local != at[1] || s.LastAdvSource != at[0] || s.Statistics.PriorityZeroPktsRcvd == 0 {
				t.Errorf("status %+v", s)
			}
			for reason, n := range s.Drops {
				if n != 0 {
					t.Errorf("%d dropped by %s", n, reason)
				}
			}
		})
	}
}

func TestUDPAddressInUse(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	taken := openLink(t, udp(t, at[0], at[1]))
	defer taken.Close()
	r := run(t, nil, WithTransport(udp(t, at[0], at[1])))
	err := <-r.done
	r.done <- err
	if !strings.HasPrefix(err.Error(), "vrrp: virtual router 51: listen udp") {
		t.Errorf("Run() = %v", err)
	}
	if runtime.GOOS != "windows" && !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Run() = %v, not EADDRINUSE", err)
	}
	// The same Router, once the address is free.
	_ = taken.Close()
	transitions, c := watch()
	again := run(t, nil, WithTransport(udp(t, at[0], at[1])), WithPriority(owner), WithInterval(10*time.Millisecond), transitions)
	await(t, c, Active)
	_ = again.end()
}

// receive waits for one packet.
func receive(t *testing.T, l *udpLink) Packet {
	t.Helper()
	deadline := time.After(patience)
	var p [1]Packet
	for {
		switch n, err := l.Receive(p[:]); {
		case err != nil:
			t.Fatalf("Receive() = %v", err)
		case n == 1:
			return p[0]
		}
		select {
		case <-l.Ready():
		case <-deadline:
			t.Fatal("nothing received")
		}
	}
}

// Only peers are heard; strangers and reflections are counted.
func TestUDPStrangers(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 3)
	l := openLink(t, udp(t, at[0], at[1]))
	send := func(from netip.AddrPort, data string) {
		t.Helper()
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(at[0]))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	send(at[2], "stranger")
	if _, err := l.conn.WriteToUDPAddrPort([]byte("myself"), at[0]); err != nil {
		t.Fatal(err)
	}
	send(at[1], "peer")
	if p := receive(t, l); string(p.Data) != "peer" || p.From != at[1] || p.To != at[0] {
		t.Errorf("received %q from %v to %v", p.Data, p.From, p.To)
	}
	if l.Dropped(DropPeer) != 1 || l.Dropped(DropSelf) != 1 {
		t.Errorf("%d strangers, %d reflections, want 1 of each", l.Dropped(DropPeer), l.Dropped(DropSelf))
	}
}

// Junk of any kind and size leaves the router as it was.
func TestUDPJunk(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	slices.SortFunc(at, netip.AddrPort.Compare)
	transitions, c := watch()
	r := run(t, nil, WithTransport(udp(t, at[0], at[1])), WithPriority(owner), WithInterval(10*time.Millisecond), transitions)
	await(t, c, Active)
	peer, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(at[1]), net.UDPAddrFromAddrPort(at[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	sizes := []int{0, 1, 7, 8, 36, 4116, 4117, 9000}
	for _, size := range sizes {
		b := make([]byte, size)
		if size > 1 {
			b[0], b[1] = version3<<4|typeAdvert, 51
		}
		if _, err := peer.Write(b); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
	// A better owner is heard after all of it.
	advert := Advert{VRID: 51, Priority: owner, Interval: 10 * time.Millisecond}
	b := advert.appendTo(nil, IPv4, at[1].Addr(), at[0].Addr())
	signer := newAuthenticator(testKey(1), IPv4, 51, time.Second, 1)
	if _, err := peer.Write(signer.sign(b, b, at[1], time.Now())); err != nil {
		t.Fatal(err)
	}
	if tr := await(t, c, Backup); tr.Peer != at[1] {
		t.Errorf("transition %+v", tr)
	}
	s := r.Snapshot()
	if got := s.Drops["length"] + s.Drops["hmac-missing"] + s.Drops["hmac-malformed"]; got != uint64(len(sizes)) || s.Statistics.AdvertisementRcvd != 1 {
		t.Errorf("%d dropped of %d, %d adverts: %v", got, len(sizes), s.Statistics.AdvertisementRcvd, s.Drops)
	}
}

// A peer that cannot be reached keeps nobody else from hearing us.
func TestUDPUnreachablePeer(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	nowhere := netip.MustParseAddrPort("192.0.2.1:1985") // not from a loopback address
	l := openLink(t, udp(t, at[1], at[0]))
	transitions, c := watch()
	r := run(t, nil, WithTransport(udp(t, at[0], nowhere, at[1])), WithPriority(owner), WithInterval(10*time.Millisecond), transitions)
	await(t, c, Active)
	receive(t, l)
	receive(t, l)
	if s := r.Snapshot(); s.State != Active || runtime.GOOS == "linux" && s.Statistics.SendErrors == 0 {
		t.Errorf("state %v, %d send errors", s.State, s.Statistics.SendErrors)
	}
	_ = l.Close()
	// Nobody listened for a while: the ICMP answers must not disturb either.
	l = openLink(t, udp(t, at[1], at[0]))
	receive(t, l)
	receive(t, l)
}

func TestUDPClose(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	l := openLink(t, udp(t, at[0], at[1]))
	var closing sync.WaitGroup
	for range 4 {
		closing.Go(func() {
			if err := l.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
		})
	}
	closing.Wait()
	if _, err := l.Receive(make([]Packet, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive() after Close = %v", err)
	}
	if err := l.Send([]Packet{{Data: []byte("x"), To: at[1]}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send() after Close = %v", err)
	}
}

func TestUDPOpenFamily(t *testing.T) {
	at := endpoints(t, "127.0.0.1", 2)
	if l, err := udp(t, at[0], at[1]).Open(context.Background(), VirtualRouter{VRID: 1, Family: IPv6}); err == nil {
		_ = l.Close()
		t.Error("Open() took an IPv6 virtual router")
	}
}
