package lab

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/need"
)

func TestMain(m *testing.M) { leak.Main(m) }

// inLab runs a test in a laboratory of three hosts.
func inLab(t *testing.T, test func(t *testing.T, l *Lab)) {
	t.Helper()
	need.Program(t, "ip", "nft")
	if !need.NamespaceAgain(t, 3) {
		return
	}
	leak.Check(t)
	test(t, New(t, Config{Hosts: 3, LANs: 2}))
}

// reaches reports whether a host gets an answer from an address: that a port
// is closed is one.
func reaches(h *Host, to netip.Addr, patience time.Duration) bool {
	var err error
	h.ns.do(func() {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", netip.AddrPortFrom(to, 9).String(), patience); err == nil {
			_ = c.Close()
		}
	})
	return err == nil || errors.Is(err, unix.ECONNREFUSED)
}

// hears reports whether a host receives what another sends. Host 3, which is
// heard always, sends after it.
func hears(t *testing.T, l *Lab, from, to int) bool {
	t.Helper()
	get := func(h *Host) *net.UDPConn {
		var c *net.UDPConn
		h.Do(func() (err error) {
			c, err = net.ListenUDP("udp6", &net.UDPAddr{IP: h.IPv6(0).AsSlice()})
			return err
		})
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b, c := get(l.Host(from)), get(l.Host(to)), get(l.Host(3))
	at := b.LocalAddr().(*net.UDPAddr).AddrPort()
	if _, err := a.WriteToUDPAddrPort([]byte("frame"), at); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteToUDPAddrPort([]byte("end"), at); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	heard := false
	for {
		n, _, err := b.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatalf("host 3 is not heard: %v", err)
		}
		if string(buf[:n]) == "end" {
			return heard
		}
		heard = true
	}
}

func TestHosts(t *testing.T) {
	inLab(t, func(t *testing.T, l *Lab) {
		a, b := l.Host(1), l.Host(2)
		for lan := range 2 {
			for _, to := range []netip.Addr{b.IPv4(lan), b.IPv6(lan)} {
				if !reaches(a, to, 10*time.Second) {
					t.Errorf("host 1 does not reach %v", to)
				}
			}
			l.Wait("host 1 to have its addresses", func() bool { return a.Has(a.IPv4(lan)) && a.Has(a.IPv6(lan)) && a.Has(a.LinkLocal(lan)) })
			if mac, ok := a.Neighbor(b.IPv4(lan)); !ok || mac != b.MAC(lan) {
				t.Errorf("host 1 has %v at %v (%v), want %v", b.IPv4(lan), mac, ok, b.MAC(lan))
			}
		}
		f := l.WaitFrame("host 1's question", 0, func(f Frame) bool { return f.Kind == ARP && f.Host == 1 && f.LAN == 1 })
		if f.From != a.IPv4(1) || f.Addr != a.IPv4(1) || f.To != b.IPv4(1) || f.Op != 1 || f.Src != a.MAC(1) {
			t.Errorf("host 1 asked for %v: %v", b.IPv4(1), f)
		}
		a.IP("address add 10.77.0.100/32 dev eth0")
		if !a.Has(netip.MustParseAddr("10.77.0.100")) {
			t.Errorf("host 1 has %v, want 10.77.0.100 among them", a.Addrs())
		}
		a.IP("address del 10.77.0.100/32 dev eth0")
		if a.Has(netip.MustParseAddr("10.77.0.100")) {
			t.Errorf("host 1 still has 10.77.0.100: %v", a.Addrs())
		}
	})
}

func TestCuts(t *testing.T) {
	inLab(t, func(t *testing.T, l *Lab) {
		a, b, c := l.Host(1), l.Host(2), l.Host(3)
		for _, h := range l.Hosts() { // so that no neighbour needs to be asked for
			for _, other := range l.Hosts() {
				if h != other {
					h.IP("neigh replace %v lladdr %v dev eth0", other.IPv6(0), other.MAC(0))
				}
			}
		}
		for _, tt := range []struct {
			name       string
			cut        func()
			ours, back bool // from 1 to 2, from 2 to 1
		}{
			{"whole", func() {}, true, true},
			{"out", func() { a.Cut(Out) }, false, true},
			{"in", func() { a.Cut(In) }, true, false},
			{"from the peer", func() { a.Cut(Both, b) }, false, false},
			{"from another", func() { a.Cut(Both, c) }, true, true},
			{"all is lost", func() { a.Loss(100) }, false, false},
		} {
			tt.cut()
			if got := hears(t, l, 1, 2); got != tt.ours {
				t.Errorf("%s: 2 hears 1: %v, want %v", tt.name, got, tt.ours)
			}
			if tt.name != "from another" && tt.name != "all is lost" && tt.name != "in" { // where the end can come
				if got := hears(t, l, 2, 1); got != tt.back {
					t.Errorf("%s: 1 hears 2: %v, want %v", tt.name, got, tt.back)
				}
			}
			a.Heal()
		}
	})
}

func TestLinks(t *testing.T) {
	inLab(t, func(t *testing.T, l *Lab) {
		a, b := l.Host(1), l.Host(2)
		running := func(name string) bool {
			i, ok := a.Interface(name)
			return ok && i.Flags&net.FlagRunning != 0
		}
		a.Unplug(0)
		l.Wait("the carrier to go", func() bool { return !running("eth0") })
		if !running("eth1") {
			t.Error("eth1 was unplugged, too")
		}
		a.Plug()
		l.Wait("the carrier to come back", func() bool { return running("eth0") })
		a.IP("link del eth0")
		if _, ok := a.Interface("eth0"); ok || a.Has(a.IPv4(0)) {
			t.Error("eth0 was deleted, and is there")
		}
		a.Recreate(0)
		if !reaches(a, b.IPv4(0), 10*time.Second) {
			t.Error("the new eth0 reaches nobody")
		}
		mark := l.Mark()
		wire := a.Wire(0)
		if err := wire.Send(Forged{Src: a.MAC(0), From: a.IPv4(0), Priority: 7}.Frame()); err != nil {
			t.Fatal(err)
		}
		f := l.WaitFrame("an advert", mark, func(f Frame) bool { return f.Kind == Advert })
		if f.Host != 1 || f.LAN != 0 || f.Priority != 7 {
			t.Errorf("captured %v, want an advert of host 1 with priority 7", f)
		}
		l.Deafen(a)
		mark = l.Mark()
		for _, w := range []*Wire{wire, b.Wire(0)} {
			if err := w.Send(Forged{From: a.IPv4(0)}.Frame()); err != nil {
				t.Fatal(err)
			}
		}
		if f := l.WaitFrame("an advert", mark, func(f Frame) bool { return f.Kind == Advert }); f.Host != 2 {
			t.Errorf("captured %v, want host 2: the capture is deaf to host 1", f)
		}
		if n := l.Lost(); n != 0 {
			t.Errorf("lost %d frames", n)
		}
	})
}

func TestProcesses(t *testing.T) {
	inLab(t, func(t *testing.T, l *Lab) {
		p := l.Host(2).Start("sh", "-c", "sleep 3600 & trap 'echo asked; kill $!; exit 3' TERM; echo begin $$; wait")
		if got, want := p.WaitLine(`begin (\d+)`)[1], strconv.Itoa(p.PID()); got != want {
			t.Errorf("the shell is process %s, want %s", got, want)
		}
		p.Signal(unix.SIGTERM)
		var exit *exec.ExitError
		if err := p.Join(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("Join() = %v, want exit status 3", err)
		}
		if out := p.Output(); !strings.HasSuffix(out, "asked\n") {
			t.Errorf("printed %q, want asked at the end", out)
		}
		p.Signal(unix.SIGTERM) // it has ended: nothing happens
		if out := l.Host(3).Run("ip", "-o", "address", "show", "dev", "eth0"); !strings.Contains(out, "10.77.0.3/24") {
			t.Errorf("ip in host 3 shows %q", out)
		}
		if out, err := l.Host(3).Try("ip", "link", "show", "dev", "nowhere"); err == nil {
			t.Errorf("ip found a device that is nowhere: %s", out)
		}
	})
}

// orphanScene makes TestOrphans the process that crashes.
const orphanScene = "MAINSTAY_LAB_ORPHANS"

// TestOrphans shows that a program ends with the laboratory, be it by a crash.
func TestOrphans(t *testing.T) {
	need.Program(t, "ip", "sleep")
	if !need.NamespaceAgain(t, 3) {
		return
	}
	if os.Getenv(orphanScene) != "" {
		p := New(t, Config{}).Host(1).Start("sleep", "3600")
		os.Stdout.WriteString("\norphan " + strconv.Itoa(p.PID()) + "\n")
		select {} // until killed
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestOrphans$")
	cmd.Env = append(os.Environ(), orphanScene+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if word, ok := strings.CutPrefix(lines.Text(), "orphan "); ok {
			pid, _ = strconv.Atoi(word)
		}
	}
	if pid == 0 {
		t.Fatal("the copy started nothing")
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(ended, 10_000); n != 1 {
		t.Errorf("the program lives on without its laboratory: poll %d, %v", n, err)
	}
}
