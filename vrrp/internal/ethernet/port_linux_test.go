package ethernet

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/cable"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	patience = 20 * time.Second
	etherAll = 0x0003 // ETH_P_ALL
)

var (
	near = MAC{2, 0, 0, 0, 0, 1}
	far  = MAC{2, 0, 0, 0, 0, 2}
	doc4 = netip.MustParseAddr("192.0.2.100")
	doc6 = netip.MustParseAddr("2001:db8::100")
)

// tap opens a socket for all ARP and ICMPv6 frames that arrive at the far end.
func tap(t *testing.T, c *cable.Cable) *packet.Conn {
	t.Helper()
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4, SkipTrue: 5}, // sent from there
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: TypeARP, SkipTrue: 2},
		bpf.LoadAbsolute{Off: HeaderLen + 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpv6, SkipTrue: 1},
		pass,
		drop,
	})
	if err != nil {
		t.Fatal(err)
	}
	var conn *packet.Conn
	c.There(func() {
		ifi, e := net.InterfaceByName(cable.Far)
		if err = e; err == nil {
			conn, err = packet.Listen(ifi, packet.Raw, etherAll, &packet.Config{Filter: filter})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// next reads the next announcement or probe at a tap.
func next(t *testing.T, conn *packet.Conn) []byte {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	for {
		b := make([]byte, 256)
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		switch b = b[:n]; {
		case b[12] == 0x86 && b[HeaderLen+40] != typeNA && b[HeaderLen+40] != typeNS: // the kernel's own
		default:
			return b
		}
	}
}

func open(t *testing.T, c Config) *Port {
	t.Helper()
	if c.Interface == "" {
		c.Interface = cable.Near
	}
	p, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func join(t *testing.T, p *Port, mac MAC, report func(Conflict)) *Member {
	t.Helper()
	m, err := p.Join(mac, Families{IPv4: true, IPv6: true}, report)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func unexpected(t *testing.T) func(Conflict) {
	return func(c Conflict) { t.Errorf("unexpected conflict: %v is at %v", c.Addr, c.MAC) }
}

func TestAnnounce(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	link := netip.MustParseAddr("fe80::100")
	virtual := MAC{0, 0, 0x5e, 0, 1, 51}
	for _, tt := range []struct {
		name   string
		config Config
		mac    MAC
		addrs  []netip.Addr
		want   [][]byte
	}{
		{"ARP", Config{}, MAC{}, []netip.Addr{doc4, doc4.Next()},
			[][]byte{AppendGratuitousARP(nil, near, doc4), AppendGratuitousARP(nil, near, doc4.Next())}},
		{"ARP from the virtual MAC", Config{}, virtual, []netip.Addr{doc4},
			[][]byte{AppendGratuitousARP(nil, virtual, doc4)}},
		{"with replies", Config{Replies: true}, MAC{}, []netip.Addr{doc4},
			[][]byte{AppendGratuitousARP(nil, near, doc4), AppendGratuitousReply(nil, near, doc4)}},
		{"NA", Config{Router: RouterYes}, MAC{}, []netip.Addr{link, doc6},
			[][]byte{AppendUnsolicitedNA(nil, near, link, true), AppendUnsolicitedNA(nil, near, doc6, true)}},
		{"NA of a host", Config{Router: RouterNo}, MAC{}, []netip.Addr{doc6},
			[][]byte{AppendUnsolicitedNA(nil, near, doc6, false)}},
		{"NA as the kernel answers", Config{}, MAC{}, []netip.Addr{doc6},
			[][]byte{AppendUnsolicitedNA(nil, near, doc6, false)}},
		{"asking who else", Config{Pace: Pace{Reask: time.Hour}}, virtual, []netip.Addr{doc4, doc6},
			[][]byte{
				AppendGratuitousARP(nil, virtual, doc4), AppendARPProbe(nil, near, doc4),
				AppendUnsolicitedNA(nil, virtual, doc6, false), AppendNSProbe(nil, near, doc6),
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.config.Pace == (Pace{}) {
				tt.config.Pace = Patient
			}
			conn := tap(t, c)
			p := open(t, tt.config)
			m := join(t, p, tt.mac, unexpected(t))
			if err := m.Announce(tt.addrs); err != nil {
				t.Fatal(err)
			}
			if err := m.Announce(nil); err != nil {
				t.Fatal(err)
			}
			for _, w := range tt.want {
				if got := next(t, conn); !bytes.Equal(got, w) {
					t.Errorf("frame\n%x, want\n%x", got, w)
				}
			}
		})
	}
	t.Run("NA of an interface that forwards", func(t *testing.T) {
		setSysctl(t, "/proc/sys/net/ipv6/conf/"+cable.Near+"/forwarding", "1")
		conn := tap(t, c)
		m := join(t, open(t, Config{Pace: Patient}), MAC{}, unexpected(t))
		if err := m.Announce([]netip.Addr{doc6}); err != nil {
			t.Fatal(err)
		}
		want := AppendUnsolicitedNA(nil, near, doc6, true)
		for {
			got := next(t, conn)
			if got[HeaderLen+40] == typeNA && netip.AddrFrom16([16]byte(got[HeaderLen+48:])) == doc6 {
				if !bytes.Equal(got, want) {
					t.Errorf("frame\n%x, want\n%x", got, want)
				}
				return
			}
		}
	})
}

// The kernel at the other end believes what is announced.
func TestAnnounceMovesNeighbors(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	m := join(t, open(t, Config{Pace: Patient}), MAC{}, unexpected(t))
	addrs := []netip.Addr{doc4, doc6}
	c.There(func() {
		for _, a := range addrs {
			cable.IP(t, "neigh replace "+a.String()+" lladdr 02:00:00:00:00:99 dev "+cable.Far+" nud reachable")
		}
	})
	if err := m.Announce(addrs); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		var out []byte
		c.There(func() { out, _ = exec.Command("ip", "neigh", "show", "dev", cable.Far).Output() })
		if !bytes.Contains(out, []byte(":99")) && strings.Count(string(out), cable.NearMAC) >= len(addrs) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("neighbours of the other end:\n%s", out)
		}
		runtime.Gosched()
	}
}

// eager makes conflicts visible at once.
var eager = Pace{Quiet: time.Hour, Reask: time.Hour}

func TestConflictOnTheWire(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	for _, addr := range []netip.Addr{doc4, doc6} {
		t.Run(addr.String(), func(t *testing.T) {
			found := make(chan Conflict, 100)
			p := open(t, Config{Pace: eager})
			bystander := join(t, p, MAC{}, unexpected(t))
			if err := bystander.Announce([]netip.Addr{addr.Next()}); err != nil {
				t.Fatal(err)
			}
			m := join(t, p, MAC{}, func(c Conflict) { found <- c })
			// The kernel there answers the question of the first round.
			bits := "/32"
			if addr.Is6() {
				bits = "/128 nodad"
			}
			c.There(func() { cable.IP(t, "addr add "+addr.String()+bits+" dev "+cable.Far) })
			defer c.There(func() { cable.IP(t, "addr del "+strings.TrimSuffix(addr.String()+bits, " nodad")+" dev "+cable.Far) })
			if err := m.Announce([]netip.Addr{addr}); err != nil {
				t.Fatal(err)
			}
			// The claims of the other kernel, to be heard, need the filter that the
			// goroutine sets: it may come after the first answer.
			for deadline := time.After(patience); ; {
				select {
				case got := <-found:
					if got != (Conflict{addr, far}) {
						t.Errorf("found %v, want %v at %v", got, addr, far)
					}
					return
				case <-deadline:
					t.Fatal("nothing found")
				default:
					if err := m.Announce(nil); err != nil {
						t.Fatal(err)
					}
					if err := m.Announce([]netip.Addr{addr}); err != nil {
						t.Fatal(err)
					}
					runtime.Gosched()
				}
			}
		})
	}
}

// Only claims to addresses that are held pass the filter, each at most once in a
// while, and none after the addresses were given up.
func TestOnlyClaimsWake(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	found := make(chan Conflict, 100)
	p := open(t, Config{Pace: eager})
	m := join(t, p, MAC{}, func(c Conflict) { found <- c })
	if err := m.Announce([]netip.Addr{doc4, doc4.Next()}); err != nil {
		t.Fatal(err)
	}
	w := p.watch4
	settled(t, p, func() bool { return w.next.IsZero() && len(w.listed) == 2 })
	received := func() uint32 {
		s, err := w.conn.(*arpConn).Stats()
		if err != nil {
			t.Fatal(err)
		}
		return s.Packets
	}
	received() // reading resets it
	send := sender(t, c)
	for i := range 2000 {
		send(AppendGratuitousARP(nil, far, netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 100)})))
		send(AppendARPProbe(nil, far, doc4))
	}
	for range 2000 {
		send(AppendGratuitousARP(nil, far, doc4)) // a flood: one may pass, or a few until the filter changes
	}
	send(AppendGratuitousARP(nil, far, doc4.Next()))
	var got []netip.Addr
	for range 2 {
		got = append(got, (<-found).Addr)
	}
	if !slices.Equal(got, []netip.Addr{doc4, doc4.Next()}) {
		t.Errorf("found %v", got)
	}
	if n := received(); n < 2 || n > 1000 {
		t.Errorf("%d packets passed the filter of 6001, want few", n)
	}
	if len(found) != 0 {
		t.Errorf("%d more conflicts", len(found))
	}
}

// settled waits until the goroutine of a watch has done what it was woken for.
func settled(t *testing.T, p *Port, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		p.mu.Lock()
		ok := f()
		p.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the watch does not settle")
		}
	}
}

// sender sends frames from the far end.
func sender(t *testing.T, c *cable.Cable) func([]byte) {
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
	return func(frame []byte) {
		if _, err := conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]}); err != nil {
			t.Error(err)
		}
	}
}

// An interface that goes down, and one that is deleted and made again.
func TestPortFollowsTheInterface(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	cable.New(t)
	found := make(chan Conflict, 100)
	p := open(t, Config{Pace: eager})
	m := join(t, p, MAC{}, func(c Conflict) { found <- c })
	held := []netip.Addr{doc4, doc6}

	cable.IP(t, "link set "+cable.Near+" down")
	if err := m.Announce(held); !errors.Is(err, unix.ENETDOWN) || !strings.Contains(err.Error(), doc4.String()) {
		t.Errorf("down: %v, want ENETDOWN and the address", err)
	}
	cable.IP(t, "link set "+cable.Near+" up")
	if err := m.Announce(held); err != nil {
		t.Errorf("up again: %v", err)
	}
	cable.IP(t, "link set "+cable.Near+" address 02:00:00:00:00:03")
	if err := m.Announce(held); err != nil || p.mac != (MAC{2, 0, 0, 0, 0, 3}) {
		t.Errorf("another MAC: %v, announced %v", err, p.mac)
	}
	cable.IP(t, "link del "+cable.Near)
	if err := m.Announce(held); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), `"near"`) {
		t.Errorf("deleted: %v, want ENODEV and the name", err)
	}
	cable.IP(t, "link add "+cable.Near+" address 02:00:00:00:00:04 type veth peer name other")
	cable.IP(t, "link set "+cable.Near+" up")
	cable.IP(t, "link set other address 02:00:00:00:00:05 up")
	if err := m.Announce(held); err != nil || p.mac != (MAC{2, 0, 0, 0, 0, 4}) {
		t.Errorf("made again: %v, announced %v", err, p.mac)
	}
	settled(t, p, func() bool { return p.watch4.next.IsZero() && p.watch6.next.IsZero() })
	conn, err := packet.Listen(&net.Interface{Index: index(t, "other")}, packet.Raw, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, addr := range held {
		frame := AppendUnsolicitedNA(nil, far, doc6, true)
		if addr == doc4 {
			frame = AppendGratuitousARP(nil, far, doc4)
		}
		for deadline := time.After(patience); len(found) == i; {
			if _, err := conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-deadline:
				t.Fatalf("%v is not heard on the new interface", addr)
			default:
				runtime.Gosched()
			}
		}
	}
}

// An interface that has another name now is another one.
func TestPortFollowsTheName(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	cable.New(t)
	p := open(t, Config{Pace: eager})
	m := join(t, p, MAC{}, unexpected(t))
	cable.IP(t, "link set "+cable.Near+" down name old")
	if err := m.Announce([]netip.Addr{doc4}); !errors.Is(err, unix.ENODEV) {
		t.Errorf("renamed: %v, want ENODEV", err)
	}
	cable.IP(t, "link set old up")
	cable.IP(t, "link add "+cable.Near+" address 02:00:00:00:00:04 type veth peer name other")
	cable.IP(t, "link set "+cable.Near+" up")
	if err := m.Announce([]netip.Addr{doc4}); err != nil || p.index != index(t, cable.Near) || p.mac != (MAC{2, 0, 0, 0, 0, 4}) {
		t.Errorf("another interface has the name: %v, announced %v on %d", err, p.mac, p.index)
	}
}

func index(t *testing.T, name string) int {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return ifi.Index
}

func TestOpenErrors(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	for _, tt := range []struct {
		name, iface string
		want        error
		text        string
	}{
		{"missing", "eth9", unix.ENODEV, `interface "eth9"`},
		{"no name", "", unix.ENODEV, `interface ""`},
		{"a name that is too long", "a-very-long-interface", unix.ENODEV, "a-very-long-interface"},
		{"loopback", "lo", errors.ErrUnsupported, `interface "lo" has no Ethernet neighbours`},
	} {
		p, err := Open(Config{Interface: tt.iface})
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v with %q", tt.name, err, tt.want, tt.text)
		}
		if p != nil {
			p.Close()
		}
	}
	p, err := Open(Config{Interface: "eth9", Absent: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	m, err := p.Join(MAC{}, Families{IPv4: true, IPv6: true}, unexpected(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Announce([]netip.Addr{doc4}); !errors.Is(err, unix.ENODEV) {
		t.Errorf("announcing on a missing interface: %v", err)
	}
	cable.IP(t, "link add eth9 type veth peer name eth8")
	cable.IP(t, "link set eth9 up")
	if err := m.Announce([]netip.Addr{doc4}); err != nil {
		t.Errorf("announcing when it has come: %v", err)
	}
	unprivileged(t, func() {
		_, err := Open(Config{Interface: "eth9"})
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("without privilege: %v, want EPERM and CAP_NET_RAW", err)
		}
	})
}

// unprivileged calls f on a thread without capabilities.
func unprivileged(t *testing.T, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// A router that has left hears nothing more, and leaves the others alone.
func TestMemberClose(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c := cable.New(t)
	p := open(t, Config{Pace: eager})
	found := make(chan Conflict, 1000)
	gone := join(t, p, MAC{}, unexpected(t))
	if err := gone.Announce([]netip.Addr{doc4}); err != nil {
		t.Fatal(err)
	}
	stays := join(t, p, MAC{}, func(c Conflict) { found <- c })
	gone.Close()
	gone.Close()
	if err := gone.Announce([]netip.Addr{doc4}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("announcing after Close: %v", err)
	}
	if err := stays.Announce([]netip.Addr{doc4}); err != nil {
		t.Fatal(err)
	}
	send := sender(t, c)
	for deadline := time.After(patience); len(found) == 0; {
		select {
		case <-deadline:
			t.Fatal("nothing found")
		default:
			send(AppendGratuitousARP(nil, far, doc4))
			runtime.Gosched()
		}
	}
}

func setSysctl(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		need.Skip(t, err.Error())
	}
}
