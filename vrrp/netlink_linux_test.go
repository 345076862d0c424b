package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl/rtnltest"
	"golang.org/x/sys/unix"
)

// netDeadline bounds every wait for the kernel.
const netDeadline = 20 * time.Second

// realNet is the network of a namespace test, and what is known about it.
type realNet struct {
	*rtnltest.Net
	t       *testing.T
	conn    *rtnl.Conn
	watcher *rtnl.Watcher
	changed chan struct{}
	tags    bool
}

// newRealNet makes eth0, with a cable to peer0.
func newRealNet(t *testing.T) *realNet {
	t.Helper()
	n := &realNet{Net: rtnltest.New(t), t: t, changed: make(chan struct{}, 1)}
	var err error
	if n.conn, err = rtnl.Dial(); err != nil {
		t.Fatal(err)
	}
	if n.watcher, err = n.conn.Watch(func(*rtnl.State) {
		select {
		case n.changed <- struct{}{}:
		default:
		}
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.watcher.Close(); n.conn.Close() })
	if n.tags, err = n.conn.Probe(); err != nil {
		t.Fatal(err)
	}
	n.Wire("eth0", "peer0")
	n.until("the cable is there", func(s *rtnl.State) bool {
		here, _ := s.Link("eth0")
		there, _ := s.Link("peer0")
		return here.Running && there.Running
	})
	return n
}

// until waits for a state of the kernel.
func (n *realNet) until(what string, ok func(*rtnl.State) bool) {
	n.t.Helper()
	late := time.After(netDeadline)
	for !ok(n.watcher.State()) {
		select {
		case <-n.changed:
		case <-late:
			n.t.Fatalf("never: %s; the state is %+v", what, n.watcher.State())
		}
	}
}

// held lists the addresses of a link as the kernel has them now, without those
// the kernel makes itself.
func (n *realNet) held(link string) []string {
	n.t.Helper()
	out := []string{}
	for _, a := range n.addrs(link) {
		if a.Protocol == 0 || a.Protocol > 3 {
			out = append(out, a.Prefix.String())
		}
	}
	slices.Sort(out)
	return out
}

func (n *realNet) addrs(link string) []rtnl.Addr {
	n.t.Helper()
	all, err := n.conn.Addrs(n.Index(link))
	if err != nil {
		n.t.Fatal(err)
	}
	return all
}

// addr finds one.
func (n *realNet) addr(link, prefix string) rtnl.Addr {
	n.t.Helper()
	for _, a := range n.addrs(link) {
		if a.Prefix.String() == prefix {
			return a
		}
	}
	n.t.Fatalf("%s has no %s: %+v", link, prefix, n.addrs(link))
	return rtnl.Addr{}
}

func (n *realNet) netlink(opts ...NetlinkOption) *Netlink {
	n.t.Helper()
	m, err := NetlinkAddresses("eth0", opts...)
	if err != nil {
		n.t.Fatal(err)
	}
	return m
}

// realAddresses is an open router whose events a test waits for.
type realAddresses struct {
	Addresses
	n      *realNet
	events chan AddressEvent
}

func (n *realNet) open(m *Netlink, vr VirtualRouter, vips ...netip.Prefix) *realAddresses {
	n.t.Helper()
	a := &realAddresses{n: n, events: make(chan AddressEvent, 4096)}
	var err error
	if a.Addresses, err = m.Open(n.t.Context(), vr, vips, func(e AddressEvent) { a.events <- e }); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { a.Close() })
	return a
}

func (a *realAddresses) event(kind AddressEventKind, addr string) AddressEvent {
	a.n.t.Helper()
	select {
	case e := <-a.events:
		if e.Kind != kind || e.Addr.String() != addr {
			a.n.t.Errorf("event %d %v (%v), want %d %s", e.Kind, e.Addr, e.Err, kind, addr)
		}
		return e
	case <-time.After(netDeadline):
		a.n.t.Fatalf("no event %d %s; addresses %+v", kind, addr, a.n.watcher.State().Addrs)
	}
	return AddressEvent{}
}

func (a *realAddresses) silent() {
	a.n.t.Helper()
	if len(a.events) > 0 {
		a.n.t.Errorf("unexpected event %+v", <-a.events)
	}
}

func prefixList(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestNetlinkKernelInstall(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	n.Address("eth0", "192.0.2.1/24")
	m := n.netlink(AddressLabel("vip"))
	vips := prefixList("192.0.2.100/24", "192.0.2.101/32", "198.51.100.100/24")
	vips6 := prefixList("fe80::100/64", "2001:db8::100/64", "2001:db8::101/128")
	a, b := n.open(m, nlRouter4, vips...), n.open(m, nlRouter6, vips6...)
	mustDo(t, a.Install(t.Context(), vips))
	mustDo(t, b.Install(t.Context(), vips6))
	wantList(t, "held", n.held("eth0"), "192.0.2.1/24", "192.0.2.100/24", "192.0.2.101/32", "198.51.100.100/24",
		"2001:db8::100/64", "2001:db8::101/128", "fe80::100/64")
	for _, p := range append(slices.Clone(vips), vips6...) {
		got := n.addr("eth0", p.String())
		if n.tags && got.Protocol != 112 || got.Tentative || !got.Permanent || got.Label != "eth0:vip" && p.Addr().Is4() {
			t.Errorf("installed as %+v, want protocol 112, label eth0:vip, permanent, not tentative", got)
		}
		if got.Deprecated != (p.String() == "2001:db8::101/128") {
			t.Errorf("%v deprecated: %v", p, got.Deprecated)
		}
	}
	mustDo(t, a.Install(t.Context(), vips[1:]))
	mustDo(t, a.Remove(t.Context(), vips))
	mustDo(t, b.Remove(t.Context(), vips6))
	wantList(t, "removed", n.held("eth0"), "192.0.2.1/24")
	a.silent()
	b.silent()
}

func TestNetlinkKernelLeftovers(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	vips, vips6 := prefixList("192.0.2.100/24", "192.0.2.101/24"), prefixList("fe80::100/64", "2001:db8::100/128")
	first := n.netlink()
	a, b := n.open(first, nlRouter4, vips...), n.open(first, nlRouter6, vips6...)
	mustDo(t, a.Install(t.Context(), vips))
	mustDo(t, b.Install(t.Context(), vips6))
	mustDo(t, a.Close()) // as if the process had been killed
	mustDo(t, b.Close())
	n.Address("eth0", "192.0.2.1/24") // comes after the leftover in its subnet
	wantList(t, "left over", n.held("eth0"), "192.0.2.1/24", "192.0.2.100/24", "192.0.2.101/24", "2001:db8::100/128", "fe80::100/64")

	second := n.netlink()
	n.open(second, nlRouter4, vips[:1]...)
	n.open(second, nlRouter6, vips6...)
	rest := []string{"192.0.2.1/24", "192.0.2.101/24"}
	wantList(t, "after Open", n.held("eth0"), rest...)
	if n.addr("eth0", "192.0.2.1/24").Secondary && n.addr("eth0", "192.0.2.101/24").Secondary {
		t.Error("nobody is primary")
	}
	if n.Get4("eth0", "promote_secondaries") != "0" {
		t.Error("promote_secondaries stays on")
	}
	if !n.tags {
		return
	}
	n.AddressFrom("eth0", "203.0.113.1/32", 99)
	n.open(n.netlink(SweepLeftovers()), VirtualRouter{VRID: 52, Family: IPv4})
	wantList(t, "swept", n.held("eth0"), "192.0.2.1/24", "203.0.113.1/32")
}

func TestNetlinkKernelPolicies(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	for i, policy := range []LossPolicy{Reinstall, Resign, Ignore} {
		t.Run(policy.String(), func(t *testing.T) {
			v4, v6 := fmt.Sprintf("192.0.2.%d", 100+i), fmt.Sprintf("2001:db8::%d", 100+i)
			for _, tt := range []struct {
				vr   VirtualRouter
				addr string
				bits string
			}{{nlRouter4, v4, "/24"}, {nlRouter6, v6, "/64"}} {
				m := n.netlink(OnLoss(policy))
				vip := prefixList(tt.addr + tt.bits)
				a := n.open(m, tt.vr, vip...)
				mustDo(t, a.Install(t.Context(), vip))
				if !n.NoAddress("eth0", tt.addr+tt.bits) {
					t.Fatal("it is not there")
				}
				switch policy {
				case Reinstall:
					a.event(AddressRestored, tt.addr)
					wantList(t, "held", n.held("eth0"), tt.addr+tt.bits)
				case Resign:
					if e := a.event(AddressLost, tt.addr); e.Err == nil {
						t.Error("lost without a reason")
					}
				}
				mustDo(t, a.Remove(t.Context(), vip))
				wantList(t, "removed", n.held("eth0"))
				mustDo(t, a.Close())
				a.silent()
			}
		})
	}
}

func TestNetlinkKernelForeign(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	if !n.tags {
		t.Skip("addresses carry no protocol before Linux 5.18")
	}
	n.Address("eth0", "192.0.2.100/24")
	vip := prefixList("192.0.2.100/24")
	a := n.open(n.netlink(), VirtualRouter{VRID: 51, Family: IPv4}, vip...)
	mustDo(t, a.Install(t.Context(), vip))
	a.event(AddressConflict, "192.0.2.100")
	mustDo(t, a.Remove(t.Context(), vip))
	wantList(t, "left alone", n.held("eth0"), "192.0.2.100/24")
	mustDo(t, a.Install(t.Context(), vip))
	n.NoAddress("eth0", "192.0.2.100/24")
	a.event(AddressRestored, "192.0.2.100")
	if got := n.addr("eth0", "192.0.2.100/24"); got.Protocol != 112 {
		t.Errorf("%+v is not ours", got)
	}
	n.NoAddress("eth0", "192.0.2.100/24")
	a.event(AddressRestored, "192.0.2.100")
	mustDo(t, a.Remove(t.Context(), vip))
	wantList(t, "removed", n.held("eth0"))
}

func TestNetlinkKernelLink(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	m := n.netlink()
	vips, vips6 := prefixList("192.0.2.100/24"), prefixList("fe80::100/64", "2001:db8::100/128")
	a, b := n.open(m, nlRouter4, vips...), n.open(m, nlRouter6, vips6...)
	all := []string{"192.0.2.100/24", "2001:db8::100/128", "fe80::100/64"}
	mustDo(t, a.Install(t.Context(), vips))
	mustDo(t, b.Install(t.Context(), vips6))

	for range 3 {
		n.Up("eth0", false)
		n.until("down, without IPv6 addresses", func(s *rtnl.State) bool {
			l, _ := s.Link("eth0")
			return !l.Up && !slices.ContainsFunc(s.Addrs, func(a rtnl.Addr) bool { return a.Prefix == vips6[0] })
		})
		n.Up("eth0", true)
		b.event(AddressRestored, "fe80::100")
		b.event(AddressRestored, "2001:db8::100")
		wantList(t, "up again", n.held("eth0"), all...)
	}

	n.Delete("eth0")
	a.event(AddressLost, "192.0.2.100")
	b.event(AddressLost, "fe80::100")
	b.event(AddressLost, "2001:db8::100")
	n.Wire("eth0", "peer0")
	a.event(AddressRestored, "192.0.2.100")
	b.event(AddressRestored, "fe80::100")
	b.event(AddressRestored, "2001:db8::100")
	wantList(t, "made again", n.held("eth0"), all...)

	n.Up("eth0", false)
	n.Rename("eth0", "eth1")
	a.event(AddressLost, "192.0.2.100")
	n.until("nothing is left under the new name", func(s *rtnl.State) bool {
		l, _ := s.Link("eth1")
		return l.Index != 0 && !slices.ContainsFunc(s.Addrs, func(a rtnl.Addr) bool { return a.Index == l.Index && a.Prefix == vips[0] })
	})
	n.Rename("eth1", "eth0")
	a.event(AddressRestored, "192.0.2.100")
	n.Up("eth0", true)
	n.until("all are back", func(s *rtnl.State) bool {
		count := 0
		for _, a := range s.Addrs {
			if slices.Contains(all, a.Prefix.String()) {
				count++
			}
		}
		return count == len(all)
	})
	mustDo(t, a.Remove(t.Context(), vips))
	mustDo(t, b.Remove(t.Context(), vips6))
	wantList(t, "removed", n.held("eth0"))
	a.silent()
}

// TestNetlinkKernelDAD has an IPv6 address on both ends of the cable.
func TestNetlinkKernelDAD(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	n.DetectDuplicates("eth0")
	n.Address("peer0", "2001:db8::100/64")
	n.AddressFrom("eth0", "2001:db8::100/64", 112)
	n.until("detection of duplicates has failed", func(s *rtnl.State) bool {
		return slices.ContainsFunc(s.Addrs, func(a rtnl.Addr) bool {
			return a.Index == n.Index("eth0") && a.Prefix.String() == "2001:db8::100/64" && a.Failed
		})
	})
	vip := prefixList("2001:db8::100/64")
	a := n.open(n.netlink(), nlRouter6, vip...)
	mustDo(t, a.Install(t.Context(), vip))
	if got := n.addr("eth0", "2001:db8::100/64"); got.Tentative {
		t.Errorf("%+v is tentative", got)
	}
	// Somebody puts it there once more, while it is held: that failed, too.
	n.NoAddress("eth0", "2001:db8::100/64")
	a.event(AddressRestored, "2001:db8::100")
	n.NoAddress("peer0", "2001:db8::100/64")
	if got := n.addr("eth0", "2001:db8::100/64"); got.Tentative {
		t.Errorf("%+v is tentative", got)
	}
	mustDo(t, a.Remove(t.Context(), vip))
}

// TestNetlinkKernelLifetime lets an address expire: the process is as good as dead.
func TestNetlinkKernelLifetime(t *testing.T) {
	t.Parallel() // it waits for the kernel's clock
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	m := n.netlink(AddressLifetime(3 * time.Second))
	vips := prefixList("192.0.2.100/24")
	a, b := n.open(m, nlRouter4, vips...), n.open(m, nlRouter6, prefixList("fe80::100/64")...)
	mustDo(t, a.Install(t.Context(), vips))
	mustDo(t, b.Install(t.Context(), prefixList("fe80::100/64")))
	for _, p := range []string{"192.0.2.100/24", "fe80::100/64"} {
		if got := n.addr("eth0", p); got.Permanent || got.Deprecated {
			t.Errorf("%+v has no lifetime", got)
		}
	}
	ours := func(s *rtnl.State) bool {
		return slices.ContainsFunc(s.Addrs, func(a rtnl.Addr) bool {
			return slices.Contains([]string{"192.0.2.100/24", "fe80::100/64"}, a.Prefix.String())
		})
	}
	n.until("they are known", ours)
	mustDo(t, a.Close()) // dies
	mustDo(t, b.Close())
	n.until("the kernel has removed them", func(s *rtnl.State) bool { return !ours(s) })
}

// TestNetlinkKernelRenews keeps an address beyond its lifetime.
func TestNetlinkKernelRenews(t *testing.T) {
	t.Parallel() // it waits for the kernel's clock
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	m := n.netlink(AddressLifetime(3 * time.Second))
	vips := prefixList("192.0.2.100/24")
	a := n.open(m, nlRouter4, vips...)
	mustDo(t, a.Install(t.Context(), vips))
	// An address with a longer lifetime of its own measures the time.
	if err := n.conn.AddAddr(rtnl.NewAddr{Index: n.Index("peer0"), Prefix: netip.MustParsePrefix("198.51.100.1/32"), Lifetime: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	marker := func(s *rtnl.State) bool {
		return slices.ContainsFunc(s.Addrs, func(a rtnl.Addr) bool { return a.Prefix.String() == "198.51.100.1/32" })
	}
	n.until("the clock is there", marker)
	n.until("five seconds have passed", func(s *rtnl.State) bool { return !marker(s) })
	wantList(t, "held", n.held("eth0"), "192.0.2.100/24")
	a.silent()
	mustDo(t, a.Remove(t.Context(), vips))
}

func TestNetlinkKernelThousand(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	m := n.netlink()
	type router struct {
		*realAddresses
		vips []netip.Prefix
	}
	var routers []router
	for v := range 250 {
		var vips []netip.Prefix
		for i := range 4 {
			vips = append(vips, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(v), byte(100 + i)}), 16))
		}
		a := n.open(m, VirtualRouter{VRID: uint8(v + 1), Family: IPv4}, vips...)
		mustDo(t, a.Install(t.Context(), vips))
		routers = append(routers, router{a, vips})
	}
	if got := len(n.held("eth0")); got != 1000 {
		t.Errorf("%d addresses, want 1000", got)
	}
	// The first one goes, of which all others are secondaries: they go with it.
	n.NoAddress("eth0", routers[0].vips[0].String())
	for _, r := range routers {
		back := map[netip.Addr]bool{}
		for len(back) < len(r.vips) {
			e := <-r.events
			if e.Kind != AddressRestored {
				t.Fatalf("event %+v, want that it was restored", e)
			}
			back[e.Addr] = true
		}
	}
	if got := len(n.held("eth0")); got != 1000 {
		t.Errorf("%d addresses, want 1000 again", got)
	}
	for _, r := range routers[:249] {
		mustDo(t, r.Remove(t.Context(), nil))
	}
	if got := len(n.held("eth0")); got != 4 {
		t.Errorf("%d addresses, want those of one router", got)
	}
	mustDo(t, routers[249].Remove(t.Context(), nil))
	wantList(t, "removed", n.held("eth0"))
}

// Sockets and goroutines are for the interface, not for each router.
func TestNetlinkKernelCost(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	m := n.netlink()
	goroutines, sockets := netlinkGoroutines(), openSockets(t)
	for v := range 100 {
		n.open(m, VirtualRouter{VRID: uint8(v + 1), Family: IPv4})
	}
	if got := netlinkGoroutines() - goroutines; got > 2 {
		t.Errorf("%d goroutines for 100 routers, want 2", got)
	}
	if got := openSockets(t) - sockets; got != 2 {
		t.Errorf("%d sockets for 100 routers, want 2", got)
	}
}

// netlinkGoroutines counts those of managers and watchers.
func netlinkGoroutines() int {
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	return strings.Count(stacks, "/vrrp.(*netlinkSession).run(") + strings.Count(stacks, "/rtnl.(*Watcher).run(")
}

// TestNetlinkKernelInstallCost measures, and asserts nothing about time:
// go test ./vrrp -run TestNetlinkKernelInstallCost -v
func TestNetlinkKernelInstallCost(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	m := n.netlink()
	block := func(family Family, count int) (vips []netip.Prefix) {
		for i := range count {
			vip := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), 32)
			if family == IPv6 {
				b := netip.MustParseAddr("2001:db8:2::").As16()
				b[14], b[15] = byte(i>>8), byte(i)
				vip = netip.PrefixFrom(netip.AddrFrom16(b), 128)
			}
			vips = append(vips, vip)
		}
		return vips
	}
	measure := func(what string, f func() error) {
		start := time.Now()
		mustDo(t, f())
		t.Logf("%-50s %v", what, time.Since(start))
	}
	for _, vr := range []VirtualRouter{nlRouter4, nlRouter6, nlVirtual4, nlVirtual6} {
		for _, count := range []int{1, 100} {
			vips := block(vr.Family, count)
			a := n.open(m, vr, vips...)
			for range 3 {
				what := fmt.Sprintf("%d %v addresses, virtual MAC %v: ", count, vr.Family, vr.VirtualMAC)
				measure(what+"Install", func() error { return a.Install(t.Context(), vips) })
				measure(what+"again", func() error { return a.Install(t.Context(), vips) })
				measure(what+"Remove", func() error { return a.Remove(t.Context(), vips) })
			}
			mustDo(t, a.Close())
		}
	}
	vips := block(IPv4, 250)
	var routers []*realAddresses
	for i := range vips {
		routers = append(routers, n.open(m, VirtualRouter{VRID: uint8(i + 1), Family: IPv4}, vips[i]))
	}
	for range 3 {
		for _, what := range []string{"Install", "Remove"} {
			measure("250 routers at once, one address each: "+what, func() error {
				var all nlTogether
				for i, r := range routers {
					all.run(func() error {
						if what == "Install" {
							return r.Install(t.Context(), vips[i:i+1])
						}
						return r.Remove(t.Context(), vips[i:i+1])
					})
				}
				return all.wait()
			})
		}
	}
}

// nlTogether runs functions at once.
type nlTogether struct {
	running sync.WaitGroup
	mu      sync.Mutex // guards errs
	errs    []error
}

func (g *nlTogether) run(f func() error) {
	g.running.Go(func() {
		err := f()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.errs = append(g.errs, err)
	})
}

func (g *nlTogether) wait() error {
	g.running.Wait()
	return errors.Join(g.errs...)
}

func openSockets(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	mustDo(t, err)
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

func TestNetlinkKernelUnprivileged(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // which ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			done <- err
			return
		}
		_, err := n.netlink().Open(t.Context(), nlRouter4, nlPair4, nil)
		done <- err
	}()
	if err := <-done; !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") || !strings.Contains(err.Error(), "eth0") {
		t.Errorf("Open: %v, want EPERM, CAP_NET_ADMIN and the interface", err)
	}
}
