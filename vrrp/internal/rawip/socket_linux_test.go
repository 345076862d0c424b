package rawip

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/internal/race"
	"github.com/mainstay-ha/mainstay/vrrp/internal/cable"
	"github.com/mainstay-ha/mainstay/vrrp/internal/ethernet"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

const patience = 10 * time.Second

var (
	group4 = netip.MustParseAddr("224.0.0.18")
	group6 = netip.MustParseAddr("ff02::12")
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// config is that of a family at one end of the cable.
func config(family int, name string) Config {
	c := Config{Interface: name, Family: family, Group: group4}
	if family == 6 {
		c.Group = group6
	}
	return c
}

func openSocket(t testing.TB, c Config) *Socket {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// openFar opens a socket at the far end, for VRID 51.
func openFar(t testing.TB, c *cable.Cable, cfg Config) (s *Socket) {
	t.Helper()
	var err error
	c.There(func() { s, err = Open(cfg) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.SetVRIDs(set(51)); err != nil {
		t.Fatal(err)
	}
	return s
}

// readable waits for at most ms milliseconds until there is something to receive.
func readable(t testing.TB, fd, ms int) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, ms)
		if err == nil {
			return n > 0
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// receive waits for n datagrams.
func receive(t testing.TB, s *Socket, n int) []Datagram {
	t.Helper()
	var all []Datagram
	for len(all) < n {
		if !readable(t, s.FD(), int(patience.Milliseconds())) {
			t.Fatalf("received %d datagrams, want %d", len(all), n)
		}
		d := make([]Datagram, n-len(all))
		k, err := s.Receive(d)
		if err != nil {
			t.Fatal(err)
		}
		for i := range d[:k] {
			d[i].Data = bytes.Clone(d[i].Data)
		}
		all = append(all, d[:k]...)
	}
	return all
}

func same(got, want Datagram) bool {
	return bytes.Equal(got.Data, want.Data) && got.Src == want.Src && got.Dst == want.Dst && got.TTL == want.TTL && got.AH == want.AH
}

func TestRoundTrip(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	m := message(3, 51)
	virtual := net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
	for _, tt := range []struct {
		name   string
		family int
		send   Datagram
		want   Datagram
	}{
		{"IPv4 multicast", 4, Datagram{Dst: group4, Src: addr(cable.Near4)}, Datagram{Dst: group4, Src: addr(cable.Near4)}},
		{"IPv4 multicast, the kernel's source", 4, Datagram{Dst: group4}, Datagram{Dst: group4, Src: addr(cable.Near4)}},
		{"IPv4 unicast", 4, Datagram{Dst: addr(cable.Far4), Src: addr(cable.Near4)}, Datagram{Dst: addr(cable.Far4), Src: addr(cable.Near4)}},
		{"IPv4 virtual MAC", 4, Datagram{Dst: group4, Src: addr(cable.Near4), MAC: virtual}, Datagram{Dst: group4, Src: addr(cable.Near4)}},
		{"IPv4 unicast, virtual MAC", 4, Datagram{Dst: addr(cable.Far4), Src: addr(cable.Near4), MAC: virtual}, Datagram{Dst: addr(cable.Far4), Src: addr(cable.Near4)}},
		{"IPv6 multicast", 6, Datagram{Dst: group6, Src: addr(cable.NearLink)}, Datagram{Dst: group6, Src: addr(cable.NearLink)}},
		{"IPv6 multicast, the kernel's source", 6, Datagram{Dst: group6}, Datagram{Dst: group6, Src: addr(cable.NearLink)}},
		{"IPv6 multicast, another source", 6, Datagram{Dst: group6, Src: addr(cable.Near6)}, Datagram{Dst: group6, Src: addr(cable.Near6)}},
		{"IPv6 unicast", 6, Datagram{Dst: addr(cable.Far6), Src: addr(cable.Near6)}, Datagram{Dst: addr(cable.Far6), Src: addr(cable.Near6)}},
		{"IPv6 link-local unicast", 6, Datagram{Dst: addr(cable.FarLink), Src: addr(cable.NearLink)}, Datagram{Dst: addr(cable.FarLink), Src: addr(cable.NearLink)}},
		{"IPv6 virtual MAC", 6, Datagram{Dst: group6, Src: addr(cable.NearLink), MAC: virtual}, Datagram{Dst: group6, Src: addr(cable.NearLink)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := openSocket(t, config(tt.family, cable.Near)), openFar(t, c, config(tt.family, cable.Far))
			if err := near.SetVRIDs(set(51)); err != nil {
				t.Fatal(err)
			}
			tt.send.Data, tt.want.Data, tt.want.TTL = m, m, 255
			if err := near.Send([]Datagram{tt.send}); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, far, 1)[0]; !same(got, tt.want) {
				t.Errorf("received %+v, want %+v", got, tt.want)
			}
			if readable(t, near.FD(), 0) {
				t.Error("our own message came back")
			}
		})
	}
}

// The longest messages do not fit into a frame of Ethernet: they leave in
// fragments. Those are made by the kernel, with the MAC of the interface.
func TestLongest(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	for _, tt := range []struct {
		name   string
		family int
		room   int
		d      Datagram
	}{
		{"IPv4", 4, maxMessage4, Datagram{Dst: group4, Src: addr(cable.Near4)}},
		{"IPv4, virtual MAC", 4, maxMessage4, Datagram{Dst: group4, Src: addr(cable.Near4), MAC: net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}}},
		{"IPv6", 6, maxMessage6, Datagram{Dst: group6, Src: addr(cable.NearLink)}},
		{"IPv6, virtual MAC", 6, maxMessage6, Datagram{Dst: group6, Src: addr(cable.NearLink), MAC: net.HardwareAddr{0, 0, 0x5e, 0, 2, 51}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := openSocket(t, config(tt.family, cable.Near)), openFar(t, c, config(tt.family, cable.Far))
			tt.d.Data = append(message(3, 51), make([]byte, tt.room)...)[:tt.room]
			short := tt.d
			short.Data = message(3, 51)
			if err := near.Send([]Datagram{tt.d, short}); err != nil {
				t.Fatal(err)
			}
			lengths := map[int]bool{}
			for _, d := range receive(t, far, 2) {
				lengths[len(d.Data)] = true
			}
			if !lengths[tt.room] || !lengths[len(short.Data)] {
				t.Errorf("received messages of %v bytes, want %d and %d", lengths, tt.room, len(short.Data))
			}
		})
	}
}

// frame is what a tap at the far end sees.
type frame struct {
	src, dst ethernet.MAC
	ip       []byte
}

// tap opens a socket for every frame of a type that arrives at the far end.
func tap(t *testing.T, c *cable.Cable, family int) func() frame {
	t.Helper()
	kind := ethernet.TypeIPv4
	if family == 6 {
		kind = ethernet.TypeIPv6
	}
	var conn *packet.Conn
	var err error
	c.There(func() {
		ifi, e := net.InterfaceByName(cable.Far)
		if err = e; err == nil {
			conn, err = packet.Listen(ifi, packet.Raw, kind, nil)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func() frame {
		conn.SetReadDeadline(time.Now().Add(patience))
		for {
			b := make([]byte, 2048)
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				t.Fatal(err)
			}
			f := frame{ethernet.MAC(b[6:]), ethernet.MAC(b), b[ethernet.HeaderLen:n]}
			if family == 4 && f.ip[9] == protoVRRP || family == 6 && f.ip[6] == protoVRRP {
				return f
			}
		}
	}
}

// The envelope, as far as the receiver's socket does not tell it.
func TestEnvelope(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	virtual := ethernet.MAC{0, 0, 0x5e, 0, 1, 51}
	nearMAC, farMAC := ethernet.MAC{2, 0, 0, 0, 0, 1}, ethernet.MAC{2, 0, 0, 0, 0, 2}
	m := message(3, 51)
	for _, tt := range []struct {
		name     string
		family   int
		d        Datagram
		src, dst ethernet.MAC
	}{
		{"IPv4", 4, Datagram{Dst: group4, Src: addr(cable.Near4)}, nearMAC, ethernet.GroupMAC(group4)},
		{"IPv4 unicast", 4, Datagram{Dst: addr(cable.Far4)}, nearMAC, farMAC},
		{"IPv4 virtual MAC", 4, Datagram{Dst: group4, Src: addr(cable.Near4), MAC: virtual[:]}, virtual, ethernet.GroupMAC(group4)},
		{"IPv6", 6, Datagram{Dst: group6, Src: addr(cable.NearLink)}, nearMAC, ethernet.GroupMAC(group6)},
		{"IPv6 unicast", 6, Datagram{Dst: addr(cable.Far6)}, nearMAC, farMAC},
		{"IPv6 virtual MAC", 6, Datagram{Dst: group6, Src: addr(cable.NearLink), MAC: virtual[:]}, virtual, ethernet.GroupMAC(group6)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next := tap(t, c, tt.family)
			s := openSocket(t, config(tt.family, cable.Near))
			tt.d.Data = m
			if err := s.Send([]Datagram{tt.d}); err != nil {
				t.Fatal(err)
			}
			f := next()
			if f.src != tt.src || f.dst != tt.dst {
				t.Errorf("frame from %v to %v, want from %v to %v", f.src, f.dst, tt.src, tt.dst)
			}
			tos, ttl, at := f.ip[1], f.ip[8], 20
			if tt.family == 6 {
				tos, ttl, at = f.ip[0]<<4|f.ip[1]>>4, f.ip[7], 40
			} else if f.ip[6]&0x40 != 0 {
				t.Error("don't fragment is set")
			}
			if tos != 0xc0 || ttl != 255 {
				t.Errorf("traffic class %#x, hop limit %d, want 0xc0 and 255", tos, ttl)
			}
			if !bytes.Equal(f.ip[at:], m) {
				t.Errorf("message %x, want %x as it was given: the checksum is not the kernel's", f.ip[at:], m)
			}
		})
	}
}

// raw sends IP packets from the far end as they are, in frames to the near one.
func raw(t testing.TB, c *cable.Cable) func(ip []byte) {
	t.Helper()
	var conn *packet.Conn
	var err error
	c.There(func() {
		ifi, e := net.InterfaceByName(cable.Far)
		if err = e; err == nil {
			conn, err = packet.Listen(ifi, packet.Raw, 0, nil)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(ip []byte) {
		to, kind := ethernet.GroupMAC(group4), uint16(ethernet.TypeIPv4)
		if ip[0]>>4 == 6 {
			to, kind = ethernet.GroupMAC(group6), ethernet.TypeIPv6
		}
		f := append(ethernet.AppendHeader(nil, to, ethernet.MAC{2, 0, 0, 0, 0, 2}, kind), ip...)
		if _, err := conn.WriteTo(f, &packet.Addr{HardwareAddr: to[:]}); err != nil {
			t.Error(err)
		}
	}
}

// packet4 is an IPv4 packet from the far end, with options and a right checksum.
func packet4(protocol, ttl uint8, options int, payload []byte) []byte {
	b := header4(protocol, options, payload)
	copy(b[12:], []byte{192, 0, 2, 2})
	b[8] = ttl
	for i := 20; i < 20+4*options; i++ {
		b[i] = 1 // no operation
	}
	acc := uint32(0)
	for i := 0; i < 20+4*options; i += 2 {
		acc += uint32(b[i])<<8 | uint32(b[i+1])
	}
	acc = acc>>16 + acc&0xffff
	acc += acc >> 16
	b[10], b[11] = ^uint8(acc>>8), ^uint8(acc)
	return b
}

func packet6(hopLimit uint8, payload []byte) []byte {
	b := ethernet.IP{Src: addr(cable.FarLink), Dst: group6, Protocol: protoVRRP, Payload: len(payload)}.AppendTo(nil)
	b[7] = hopLimit
	return append(b, payload...)
}

// What arrives in unusual envelopes.
func TestReceive(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	send := raw(t, c)
	s4 := openSocket(t, Config{Interface: cable.Near, Family: 4, Group: group4, AH: true})
	s6 := openSocket(t, config(6, cable.Near))
	for _, s := range []*Socket{s4, s6} {
		if err := s.SetVRIDs(set(51)); err != nil {
			t.Fatal(err)
		}
	}
	m := message(3, 51)
	captured := 0
	for _, tt := range []struct {
		name string
		s    *Socket
		ip   []byte
		want Datagram
	}{
		{"plain", s4, packet4(112, 255, 0, m), Datagram{Data: m, TTL: 255}},
		{"another TTL", s4, packet4(112, 254, 0, m), Datagram{Data: m, TTL: 254}},
		{"IP options", s4, packet4(112, 255, 2, m), Datagram{Data: m, TTL: 255}},
		{"padding", s4, append(packet4(112, 255, 0, m), make([]byte, 14)...), Datagram{Data: m, TTL: 255}},
		{"AH", s4, packet4(51, 255, 0, ah(112, 6, m)), Datagram{Data: m, TTL: 255, AH: true}},
		{"AH behind options, padding", s4, append(packet4(51, 255, 1, ah(112, 6, m)), 1, 2, 3), Datagram{Data: m, TTL: 255, AH: true}},
		{"IPv6", s6, packet6(255, m), Datagram{Data: m, TTL: 255}},
		{"IPv6, another hop limit", s6, packet6(64, m), Datagram{Data: m, TTL: 64}},
		{"IPv6, padding", s6, append(packet6(255, m), 0, 0, 0, 0), Datagram{Data: m, TTL: 255}},
		{"two bytes", s6, packet6(255, m[:2]), Datagram{Data: m[:2], TTL: 255}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(tt.ip)
			tt.want.Src, tt.want.Dst = addr(cable.Far4), group4
			if tt.s == s6 {
				tt.want.Src, tt.want.Dst = addr(cable.FarLink), group6
			}
			if got := receive(t, tt.s, 1)[0]; !same(got, tt.want) {
				t.Errorf("received %+v, want %+v", got, tt.want)
			}
			captured++
		})
	}
	t.Run("the longest, and longer", func(t *testing.T) {
		big := make([]byte, 1400)
		copy(big, m)
		send(func() []byte {
			b := packet4(112, 255, 0, big)
			n := len(b)
			b = packet4(112, 255, 0, nil)
			b[2], b[3] = uint8(n>>8), uint8(n)
			b[10], b[11] = 0, 0
			acc := uint32(0)
			for i := 0; i < 20; i += 2 {
				acc += uint32(b[i])<<8 | uint32(b[i+1])
			}
			acc = acc>>16 + acc&0xffff
			b[10], b[11] = ^uint8(acc>>8), ^uint8(acc)
			return append(b, big...)
		}())
		if got := receive(t, s4, 1)[0]; len(got.Data) <= maxMessage4 || len(got.Data) >= len(big) {
			t.Errorf("of a message of %d bytes %d came, want more than the longest that makes sense, and less than all", len(big), len(got.Data))
		}
	})
	if n, err := s4.Receive(make([]Datagram, 4)); n != 0 || err != nil {
		t.Errorf("Receive() of nothing = %d, %v", n, err)
	}
	if n, err := s4.Receive(nil); n != 0 || err != nil {
		t.Errorf("Receive(nil) = %d, %v", n, err)
	}
}

// The frames of a real keepalived with AH.
func TestReceiveCapturedAH(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	cable.IP(t, "addr add 10.77.0.9/24 dev "+cable.Near) // its network
	send := raw(t, c)
	s := openSocket(t, Config{Interface: cable.Near, Family: 4, Group: group4, AH: true})
	if err := s.SetVRIDs(set(51)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, ip := range ipPackets(t, "v2-ah-stop.pcap") {
		want, ok := ParsePacket(ip)
		if !ok {
			continue
		}
		n++
		send(ip)
		if got := receive(t, s, 1)[0]; !same(got, want) || !got.AH {
			t.Errorf("received %+v, want %+v", got, want)
		}
	}
	if n == 0 {
		t.Error("no packet in the capture")
	}
}

// Junk never makes the socket readable, whatever it is, and a message after it is
// the only one that comes.
func TestJunkDoesNotWake(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	send := raw(t, c)
	s4 := openSocket(t, Config{Interface: cable.Near, Family: 4, Group: group4, AH: true})
	s6 := openSocket(t, config(6, cable.Near))
	m := message(3, 51)

	// An edge-triggered poller counts how often a sleeper would have been woken.
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ep)
	for _, fd := range []int{s4.fd, s4.ah, s6.fd} {
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}); err != nil {
			t.Fatal(err)
		}
	}
	woken := func() (fds []int) {
		events := make([]unix.EpollEvent, 8)
		n, err := unix.EpollWait(ep, events, 0)
		for err == unix.EINTR {
			n, err = unix.EpollWait(ep, events, 0)
		}
		for _, e := range events[:n] {
			fds = append(fds, int(e.Fd))
		}
		return fds
	}

	send(packet4(112, 255, 0, m))
	send(packet6(255, m))
	witness(t, c)
	if fds := woken(); len(fds) != 0 {
		t.Fatalf("%v were woken before any VRID was set", fds)
	}
	for _, s := range []*Socket{s4, s6} {
		if err := s.SetVRIDs(set(51, 7)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20000 {
		vrid := uint8(i)
		if vrid == 51 || vrid == 7 {
			vrid++
		}
		switch i % 5 {
		case 0:
			send(packet4(112, 255, i%11, message(3, vrid)))
		case 1:
			send(packet4(51, 255, 0, ah(112, 6, message(2, vrid))))
		case 2:
			send(packet4(51, 255, 0, ah(6, 6, m)))
		case 3:
			send(packet6(255, message(3, vrid)))
		case 4:
			send(packet4(112, 255, 0, message(4, 51)))
		}
	}
	witness(t, c)
	if fds := woken(); len(fds) != 0 {
		t.Errorf("%v were woken by junk", fds)
	}
	send(packet4(112, 255, 0, m))
	send(packet6(255, m))
	for _, s := range []*Socket{s4, s6} {
		if got := receive(t, s, 1)[0]; !bytes.Equal(got.Data, m) {
			t.Errorf("received %+v", got)
		}
		if n, err := s.Receive(make([]Datagram, 8)); n != 0 || err != nil {
			t.Errorf("%d more, %v", n, err)
		}
		if n := s.Overflows(); n != 0 {
			t.Errorf("%d overflows", n)
		}
	}
	// The set is replaced, not added to.
	for _, s := range []*Socket{s4, s6} {
		if err := s.SetVRIDs(set(52)); err != nil {
			t.Fatal(err)
		}
	}
	woken()
	send(packet4(112, 255, 0, m))
	send(packet6(255, m))
	witness(t, c)
	if fds := woken(); len(fds) != 0 {
		t.Errorf("%v were woken by a VRID that is no longer in the set", fds)
	}
}

// witness waits until what was sent from the far end has been dealt with at the
// near one: a socket of its own sees messages that are sent now.
func witness(t *testing.T, c *cable.Cable) {
	t.Helper()
	send := raw(t, c)
	for _, family := range []int{4, 6} {
		s := openSocket(t, config(family, cable.Near))
		if err := s.SetVRIDs(set(255)); err != nil {
			t.Fatal(err)
		}
		if family == 4 {
			send(packet4(112, 255, 0, message(3, 255)))
		} else {
			send(packet6(255, message(3, 255)))
		}
		receive(t, s, 1)
	}
}

func TestOverflows(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	send := raw(t, c)
	s := openSocket(t, config(4, cable.Near))
	if err := s.SetVRIDs(set(51)); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil { // the least there is
		t.Fatal(err)
	}
	const sent = 500
	for range sent {
		send(packet4(112, 255, 0, message(3, 51)))
	}
	witness(t, c) // one packet more, which a full buffer drops before it is filtered
	received := 0
	for {
		n, err := s.Receive(make([]Datagram, maxBatch))
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		received += n
	}
	send(packet4(112, 255, 0, message(3, 51)))
	receive(t, s, 1) // which tells
	if got, want := s.Overflows(), uint64(sent-received); got != want && got != want+1 || want == 0 {
		t.Errorf("%d overflows, want %d: %d were sent and %d received", got, want, sent, received)
	}
}

// The queue holds what arrives while the process is held up.
func TestReceiveBuffer(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	send := raw(t, c)
	s := openSocket(t, config(4, cable.Near))
	if err := s.SetVRIDs(set(51)); err != nil {
		t.Fatal(err)
	}
	const burst = 255 // one of every router
	for range burst {
		send(packet4(112, 255, 0, message(3, 51)))
	}
	receive(t, s, burst)
	if n := s.Overflows(); n != 0 {
		t.Errorf("%d overflows", n)
	}
}

// One that cannot be sent does not keep the others from leaving.
func TestSendTriesAll(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	s, far := openSocket(t, config(4, cable.Near)), openFar(t, c, config(4, cable.Far))
	good := Datagram{Data: message(3, 51), Dst: group4, Src: addr(cable.Near4)}
	stranger := Datagram{Data: message(3, 51), Dst: group4, Src: addr("198.51.100.1")}
	frame := good
	frame.MAC = net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
	var d []Datagram
	for range sendBatch {
		d = append(d, good, stranger, frame)
	}
	err := s.Send(d)
	if !errors.Is(err, unix.EADDRNOTAVAIL) || !strings.Contains(err.Error(), "198.51.100.1") {
		t.Errorf("Send() = %v, want EADDRNOTAVAIL and the source", err)
	}
	receive(t, far, 2*sendBatch)
	if readable(t, far.FD(), 0) {
		t.Error("more came than was sent")
	}
}

func TestSendErrors(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	cable.New(t)
	mac := net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
	s4, s6 := openSocket(t, config(4, cable.Near)), openSocket(t, config(6, cable.Near))
	lo := openSocket(t, Config{Interface: "lo", Family: 4})
	m := message(3, 51)
	check := func(name string, s *Socket, d Datagram, want error) {
		t.Helper()
		d.Data = m
		if err := s.Send([]Datagram{d}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	check("IPv6 on IPv4", s4, Datagram{Dst: group6}, unix.EAFNOSUPPORT)
	check("IPv4 on IPv6", s6, Datagram{Dst: group4}, unix.EAFNOSUPPORT)
	check("no destination", s6, Datagram{}, unix.EAFNOSUPPORT)
	check("IPv6, not our source", s6, Datagram{Dst: group6, Src: addr("2001:db8::99")}, unix.EADDRNOTAVAIL)
	check("a frame without source", s4, Datagram{Dst: group4, MAC: mac}, unix.EADDRNOTAVAIL)
	check("a frame from half a MAC", s4, Datagram{Dst: group4, Src: addr(cable.Near4), MAC: mac[:3]}, unix.EINVAL)
	check("a frame on lo", lo, Datagram{Dst: group4, Src: addr("127.0.0.1"), MAC: mac}, errors.ErrUnsupported)

	cable.IP(t, "link set "+cable.Near+" down")
	check("down", s4, Datagram{Dst: group4, Src: addr(cable.Near4)}, unix.ENETDOWN)
	check("down, IPv6", s6, Datagram{Dst: group6}, unix.ENETDOWN)
	check("down, unicast", s6, Datagram{Dst: addr(cable.Far6), Src: addr(cable.Near6)}, unix.ENETDOWN)
	check("down, a frame", s4, Datagram{Dst: group4, Src: addr(cable.Near4), MAC: mac}, unix.ENETDOWN)
	cable.IP(t, "link del "+cable.Near)
	check("deleted", s4, Datagram{Dst: group4}, unix.ENODEV)
	check("deleted, IPv6", s6, Datagram{Dst: group6}, unix.ENODEV)
	check("deleted, a frame", s4, Datagram{Dst: group4, Src: addr(cable.Near4), MAC: mac}, unix.ENODEV)
	for _, s := range []*Socket{s4, s6} {
		if n, err := s.Receive(make([]Datagram, 1)); n != 0 || err != nil {
			t.Errorf("Receive() on a deleted interface = %d, %v", n, err)
		}
	}
}

// A socket may be opened before the interface comes up.
func TestOpenWhileDown(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	far4, far6 := openFar(t, c, config(4, cable.Far)), openFar(t, c, config(6, cable.Far))
	cable.IP(t, "link set "+cable.Near+" down")
	s4, s6 := openSocket(t, config(4, cable.Near)), openSocket(t, config(6, cable.Near))
	c.Up()
	cable.IP(t, "addr add "+cable.NearLink+"/64 dev "+cable.Near+" nodad") // down has removed it
	m := message(3, 51)
	for _, s := range []*Socket{s4, s6} {
		if err := s.SetVRIDs(set(51)); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		far4.Send([]Datagram{{Data: m, Dst: group4}}), far6.Send([]Datagram{{Data: m, Dst: group6}}),
		s4.Send([]Datagram{{Data: m, Dst: group4}}), s6.Send([]Datagram{{Data: m, Dst: group6}}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, s := range []*Socket{far4, far6, s4, s6} {
		receive(t, s, 1)
	}
}

// Every method may be called while another runs, Close too.
func TestConcurrency(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	s := openSocket(t, Config{Interface: "lo", Family: 4, AH: true})
	var running sync.WaitGroup
	for _, f := range []func() error{
		func() error { return s.Send([]Datagram{{Data: message(3, 51), Dst: addr("127.0.0.1")}}) },
		func() error { return s.SetVRIDs(set(51)) },
		func() error { _, err := s.Receive(make([]Datagram, 3)); return err },
		func() error { s.Overflows(); return nil },
	} {
		running.Go(func() {
			for range 1000 {
				if err := f(); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	running.Go(func() {
		for range 200 {
			runtime.Gosched()
		}
		s.Close()
	})
	running.Wait()
}

// What was joined survives down and up.
func TestLinkFlap(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	s, far := openSocket(t, config(4, cable.Near)), openFar(t, c, config(4, cable.Far))
	d := []Datagram{{Data: message(3, 51), Dst: group4}}
	cable.IP(t, "link set "+cable.Near+" down")
	if err := s.Send(d); err == nil {
		t.Error("sent on an interface that is down")
	}
	c.Up()
	if err := s.Send(d); err != nil {
		t.Fatal(err)
	}
	receive(t, far, 1)
	if err := s.SetVRIDs(set(51)); err != nil {
		t.Fatal(err)
	}
	if err := far.Send(d); err != nil {
		t.Fatal(err)
	}
	receive(t, s, 1)
}

func TestOpenErrors(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	for _, tt := range []struct {
		name   string
		config Config
		want   error
		text   string
	}{
		{"missing interface", Config{Interface: "eth9", Family: 4}, unix.ENODEV, `interface "eth9"`},
		{"missing interface, IPv6", Config{Interface: "eth9", Family: 6}, unix.ENODEV, `interface "eth9"`},
		{"no interface", Config{Family: 4}, unix.ENODEV, `interface ""`},
		{"a name that is too long", Config{Interface: "a-very-long-interface", Family: 4}, unix.ENODEV, "a-very-long-interface"},
		{"no family", Config{Interface: "lo"}, nil, "IP version 0"},
		{"group of the other family", Config{Interface: "lo", Family: 4, Group: group6}, nil, "ff02::12"},
		{"no group", Config{Interface: "lo", Family: 4, Group: addr("192.0.2.1")}, nil, "192.0.2.1"},
	} {
		s, err := Open(tt.config)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v with %q", tt.name, err, tt.want, tt.text)
		}
		if s != nil {
			s.Close()
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: it has no capabilities any more
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			t.Error(err)
			return
		}
		_, err := Open(Config{Interface: "lo", Family: 4})
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("without privilege: %v, want EPERM and CAP_NET_RAW", err)
		}
	}()
	<-done
}

func TestClosed(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	s, err := Open(Config{Interface: "lo", Family: 4, AH: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	_, rerr := s.Receive(make([]Datagram, 1))
	for name, err := range map[string]error{"Receive": rerr, "Send": s.Send(nil), "SetVRIDs": s.SetVRIDs(set(1))} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

// Sending and receiving allocate nothing.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	for _, family := range []int{4, 6} {
		s, far := openSocket(t, config(family, cable.Near)), openFar(t, c, config(family, cable.Far))
		d, in := batch(family), make([]Datagram, 8)
		fds := []unix.PollFd{{Fd: int32(far.FD()), Events: unix.POLLIN}}
		var err error
		got := testing.AllocsPerRun(10, func() {
			for range 1000 / len(d) {
				if err = s.Send(d); err != nil {
					return
				}
				for n := 0; n < len(d); {
					var k int
					if k, err = far.Receive(in); err != nil {
						return
					}
					if n += k; k == 0 {
						if k, err = unix.Poll(fds, int(patience.Milliseconds())); k == 0 && err == nil {
							err = errors.New("a message was lost")
							return
						}
						// An error is an interruption, or Receive will tell.
					}
				}
			}
		})
		if got != 0 || err != nil {
			t.Errorf("IPv%d: %v allocations in a thousand messages, %v", family, got, err)
		}
	}
}

// batch is a message for a group, one from a virtual MAC, and one by unicast.
func batch(family int) []Datagram {
	m := message(3, 51)
	mac := net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
	if family == 4 {
		return []Datagram{
			{Data: m, Dst: group4, Src: addr(cable.Near4)}, {Data: m, Dst: group4, Src: addr(cable.Near4), MAC: mac},
			{Data: m, Dst: addr(cable.Far4), Src: addr(cable.Near4)}, {Data: m, Dst: group4},
		}
	}
	return []Datagram{
		{Data: m, Dst: group6, Src: addr(cable.NearLink)}, {Data: m, Dst: group6, Src: addr(cable.NearLink), MAC: mac},
		{Data: m, Dst: addr(cable.Far6), Src: addr(cable.Near6)}, {Data: m, Dst: group6},
	}
}
