package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// scene is a daemon whose routers speak over UDP to nobody, and whose addresses are a list.
type scene struct {
	*daemon
	t       *testing.T
	lines   *lines
	log     *lines
	signals chan os.Signal
	ended   chan error
	flags   string // what SIGHUP reads

	mu    sync.Mutex // guards held
	held  map[netip.Prefix]bool
	taken chan struct{} // has a value after each change of held
}

func newScene(t *testing.T, flags string) *scene {
	t.Helper()
	s := &scene{
		t: t, lines: newLines(), log: newLines(), flags: flags, signals: make(chan os.Signal, 2), ended: make(chan error, 1),
		held: map[netip.Prefix]bool{}, taken: make(chan struct{}, 100),
	}
	var err error
	s.daemon, err = newDaemon(&printer{w: s.lines}, slog.New(slog.NewTextHandler(s.log, nil)), edges{
		transport: s.transport,
		addresses: func(*instance) (vrrp.AddressManager, error) {
			return vrrp.FuncAddresses(s.set(true), s.set(false)), nil
		},
		announcer: func(*instance) (vrrp.Announcer, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// transport is a free port of the loopback interface, with a peer that is not there.
func (s *scene) transport(*instance) (vrrp.Transport, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	local := c.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Close()
	key, err := vrrp.NewHMACKey(1, slices.Repeat([]byte{1}, 32))
	if err != nil {
		return nil, err
	}
	return vrrp.UDPTransport(local, key, netip.AddrPortFrom(local.Addr(), 9))
}

func (s *scene) set(held bool) func(context.Context, []netip.Prefix) error {
	return func(_ context.Context, vips []netip.Prefix) error {
		s.mu.Lock()
		for _, v := range vips {
			s.held[v] = held
		}
		s.mu.Unlock()
		s.taken <- struct{}{}
		return nil
	}
}

// holds waits until the address is held, or is not.
func (s *scene) holds(vip string, want bool) {
	s.t.Helper()
	for {
		s.mu.Lock()
		got := s.held[netip.MustParsePrefix(vip)]
		s.mu.Unlock()
		if got == want {
			return
		}
		<-s.taken
	}
}

// run starts the daemon.
func (s *scene) run() {
	s.t.Helper()
	o, err := parse(s.t, s.flags)
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		s.ended <- s.daemon.run(o.instances, s.signals, func() ([]instance, error) {
			o, err := parse(s.t, s.flags)
			return o.instances, err
		})
	}()
}

// stop sends a signal and wants a clean end.
func (s *scene) stop(signal os.Signal) {
	s.t.Helper()
	s.signals <- signal
	if err := <-s.ended; err != nil {
		s.t.Errorf("run = %v after %v", err, signal)
	}
}

// loopback is an interface that is there.
var loopback = func() string {
	list, err := net.Interfaces()
	if err != nil {
		panic(err)
	}
	for _, i := range list {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
	}
	panic("no loopback interface")
}()

func alone(more string) string {
	return "-interface '" + loopback + "' -interval 10ms -vrid 51 -vip 192.0.2.100/24 " + more
}

func TestDaemonHoldsAndResigns(t *testing.T) {
	s := newScene(t, alone("-priority 200"))
	s.run()
	s.lines.until(t, "from=initialize to=backup reason=startup priority=200 name="+loopback+"-51")
	if line := s.lines.until(t, "to=active"); !strings.Contains(line, " vrid=51 iface="+loopback+" from=backup to=active reason=no-response priority=200") {
		t.Errorf("line = %s", line)
	}
	s.holds("192.0.2.100/24", true)
	s.stop(syscall.SIGTERM)
	s.lines.until(t, "from=active to=initialize reason=shutdown")
	s.holds("192.0.2.100/24", false)
}

func TestDaemonEndsWhenARouterFails(t *testing.T) {
	s := newScene(t, alone(""))
	broken := errors.New("broken")
	s.edges.transport = func(*instance) (vrrp.Transport, error) { return failing{broken}, nil }
	s.run()
	if err := <-s.ended; !errors.Is(err, broken) || exitCode(err) != exitFailed {
		t.Errorf("run = %v, code %d", err, exitCode(err))
	}
}

// failing is a transport that cannot be opened.
type failing struct{ err error }

func (f failing) Open(context.Context, vrrp.VirtualRouter) (vrrp.Link, error) { return nil, f.err }

func TestDaemonTellsTheMissingPrivilege(t *testing.T) {
	s := newScene(t, alone(""))
	s.edges.transport = func(*instance) (vrrp.Transport, error) { return failing{syscall.EPERM}, nil }
	s.run()
	if err := <-s.ended; exitCode(err) != exitPrivilege || !strings.Contains(err.Error(), "CAP_NET_RAW") || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("run = %v, code %d", err, exitCode(err))
	}
}

func TestDaemonWithoutTheInterface(t *testing.T) {
	s := newScene(t, least+"-interface nosuchlink0")
	s.run()
	if err := <-s.ended; exitCode(err) != exitInterface || !strings.Contains(err.Error(), "nosuchlink0") || !strings.Contains(err.Error(), loopback) {
		t.Errorf("run = %v, code %d", err, exitCode(err))
	}
}

// TestDaemonReloads changes everything that a reload can, while one router stays Active.
func TestDaemonReloads(t *testing.T) {
	const stays = "-instance vrid=51,vip=192.0.2.100/24"
	common := "-interface '" + loopback + "' -interval 10ms "
	s := newScene(t, common+stays+" -instance vrid=52,vip=192.0.2.102")
	s.run()
	s.lines.count(t, "to=active", 2)

	s.flags = common + stays + ",priority=33 -instance vrid=53,vip=192.0.2.103"
	s.signals <- syscall.SIGHUP
	s.lines.until(t, "vrid=52 iface="+loopback+" from=active to=initialize reason=shutdown")
	s.lines.until(t, "vrid=53 iface="+loopback+" from=backup to=active")
	s.holds("192.0.2.102/32", false)
	if got := s.snapshot(loopback + "-51"); got.Priority != 33 || got.State != vrrp.Active || got.Statistics.MasterTransitions != 1 {
		t.Errorf("the router that stays = %+v", got)
	}

	s.flags = common + "-instance vrid=0"
	s.signals <- syscall.SIGHUP
	s.log.until(t, "want 1 to 255")
	s.flags = common + "-interface nosuchlink0 " + stays
	s.signals <- syscall.SIGHUP
	s.log.until(t, "nosuchlink0 does not exist")
	if got := s.snapshot(loopback + "-51"); len(s.list()) != 2 || got.State != vrrp.Active {
		t.Errorf("%d routers after reloads that are refused, the first one %v, want 2, Active", len(s.list()), got.State)
	}

	s.flags = common + stays + ",profile=keepalived"
	s.signals <- syscall.SIGHUP
	s.lines.until(t, "vrid=51 iface="+loopback+" from=active to=initialize")
	s.lines.until(t, "vrid=51 iface="+loopback+" from=initialize to=backup")
	s.stop(os.Interrupt)
}

func (s *scene) snapshot(name string) vrrp.Status {
	for _, l := range s.list() {
		if l.name == name {
			return l.router.Snapshot()
		}
	}
	s.t.Fatalf("no router %s", name)
	return vrrp.Status{}
}

// TestSecondSignal stops a daemon whose addresses cannot be removed.
func TestSecondSignal(t *testing.T) {
	s := newScene(t, alone(""))
	s.patience = 0
	release, removing := make(chan struct{}), make(chan struct{})
	s.edges.addresses = func(*instance) (vrrp.AddressManager, error) {
		return vrrp.FuncAddresses(nil, func(context.Context, []netip.Prefix) error { close(removing); <-release; return nil }), nil
	}
	s.run()
	s.lines.until(t, "to=active")
	s.signals <- syscall.SIGTERM
	<-removing
	s.signals <- syscall.SIGHUP // is not one
	s.signals <- syscall.SIGTERM
	if err := <-s.ended; err == nil || exitCode(err) != exitFailed || !strings.Contains(err.Error(), "second signal") {
		t.Errorf("run = %v, code %d", err, exitCode(err))
	}
	close(release)
	<-s.units[0].ended
}

// TestTwoSignalsAtOnce are one: the address is removed all the same.
func TestTwoSignalsAtOnce(t *testing.T) {
	s := newScene(t, alone(""))
	s.patience = time.Hour
	s.run()
	s.holds("192.0.2.100/24", true)
	s.signals <- syscall.SIGTERM
	s.stop(syscall.SIGTERM)
	s.holds("192.0.2.100/24", false)
}

func TestPages(t *testing.T) {
	s := newScene(t, alone("-name VI_1"))
	door, err := s.open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer door.close()
	line := s.log.until(t, "msg=status addr=")
	addr := line[strings.Index(line, "addr=")+5:]
	s.run()
	s.lines.until(t, "to=active")

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	get := func(path string) (int, string) {
		t.Helper()
		answer, err := client.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(b)
	}
	var document map[string]map[string]any
	if code, body := get("/status"); code != 200 || json.Unmarshal([]byte(body), &document) != nil || document["VI_1"]["state"] != "active" {
		t.Errorf("/status: %d\n%s", code, body)
	}
	want := `mainstay_vrrp_state{vrid="51",family="ipv4",state="active",iface="` + loopback + `",name="VI_1"} 1` + "\n"
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, want) || !strings.Contains(body, "# TYPE mainstay_vrrp_drops_total counter\n") {
		t.Errorf("/metrics: %d\n%s", code, body)
	}
	if code, body := get("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if code, _ := get("/debug/snapshot"); code != 200 {
		t.Errorf("/debug/snapshot: %d", code)
	}
	s.stop(syscall.SIGTERM)
	if code, body := get("/healthz"); code != 503 || body != "stopping\n" {
		t.Errorf("/healthz after the end: %d %s", code, body)
	}
}

// TestDebugPagesAreLocal serves no profiles to strangers.
func TestDebugPagesAreLocal(t *testing.T) {
	s := newScene(t, "")
	_, pattern := s.pages(false).(*http.ServeMux).Handler(&http.Request{Method: "GET", URL: mustURL("/debug/pprof/")})
	if pattern != "" {
		t.Errorf("/debug/pprof/ is served by %q", pattern)
	}
}

func TestStatusAddressInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := newScene(t, "")
	if _, err := s.open(ln.Addr().String()); err == nil || !strings.Contains(err.Error(), "-status") || exitCode(err) != exitFailed {
		t.Errorf("open = %v", err)
	}
}
