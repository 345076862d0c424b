package vrrp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

func TestRawTransportRefuses(t *testing.T) {
	for _, c := range []struct {
		iface string
		opts  []RawOption
		want  []string
	}{
		{"", nil, []string{`"" is no name of an interface`}},
		{"sixteen-letters-", nil, []string{"is no name"}},
		{"a/b", []RawOption{MulticastGroup(netip.MustParseAddr("192.0.2.1")), nil}, []string{"option 2 is nil", "a/b", "group 192.0.2.1 is no multicast address"}},
	} {
		r, err := RawTransport(c.iface, c.opts...)
		if r != nil || err == nil || !strings.HasPrefix(err.Error(), "vrrp: raw transport: ") {
			t.Errorf("RawTransport(%q) = %v, %v", c.iface, r, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("RawTransport(%q) = %v, want %q", c.iface, err, want)
			}
		}
		if _, err := New(51, vips4, WithTransport(r)); err == nil || !strings.Contains(err.Error(), "a transport is needed") {
			t.Errorf("New() with what it returned = %v", err)
		}
	}
	raw, err := RawTransport("eth0")
	if err != nil || raw.Interface() != "eth0" {
		t.Fatalf("RawTransport() = %v, %v", raw, err)
	}
	if runtime.GOOS != "linux" {
		r, err := New(51, vips4, WithTransport(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Run() = %v", err)
		}
	}
}

// Routers share the sockets of an interface: one for each family, opened with
// the first router and closed with the last, which hears only what is for it.
func TestRawShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		raw := n.raw(t)
		a := runRaw(t, raw, 1, vips4)
		b := runRaw(t, raw, 200, vips4)
		c := runRaw(t, raw, 1, vips6)
		synctest.Wait()
		if s, w := n.count(); s != 2 || w != 1 || n.opened != 2 {
			t.Errorf("%d sockets, %d watchers, want 2 and 1", s, w)
		}
		for _, s := range n.sockets {
			want := map[int]rawip.Config{
				4: {Interface: "eth0", Family: 4, Group: group.Addr(), AH: true},
				6: {Interface: "eth0", Family: 6, Group: netip.MustParseAddr("ff02::12")},
			}[s.config.Family]
			if s.config != want {
				t.Errorf("opened %+v, want %+v", s.config, want)
			}
		}
		for _, x := range []struct {
			vrid  uint8
			taken int
			heard [3]uint64
		}{{1, 1, [3]uint64{1, 0, 0}}, {200, 1, [3]uint64{1, 1, 0}}, {2, 0, [3]uint64{1, 1, 0}}} {
			if got := n.deliver(advert(x.vrid, 200, highPeer)); got != x.taken {
				t.Errorf("VRID %d woke %d sockets, want %d", x.vrid, got, x.taken)
			}
			synctest.Wait()
			for i, r := range []*running{a, b, c} {
				if got := r.Snapshot().Statistics.AdvertisementRcvd; got != x.heard[i] {
					t.Errorf("after VRID %d router %d has heard %d, want %d", x.vrid, i, got, x.heard[i])
				}
			}
		}
		pass(4 * time.Second)
		if got := states(a, b, c); !slices.Equal(got, []State{Active, Active, Active}) {
			t.Errorf("states %v", got)
		}
		seen := map[netip.Addr]int{}
		for _, d := range n.adverts() {
			seen[d.Src]++
			if want := map[bool]netip.Addr{true: group.Addr(), false: netip.MustParseAddr("ff02::12")}[d.Src.Is4()]; d.Dst != want || d.MAC != nil {
				t.Errorf("sent from %v to %v with %v", d.Src, d.Dst, d.MAC)
			}
		}
		if len(seen) != 2 || seen[netip.MustParseAddr("192.0.2.2")] == 0 || seen[netip.MustParseAddr("fe80::2")] == 0 {
			t.Errorf("sent from %v", seen)
		}
		if s := a.Snapshot(); s.Interface != "eth0" || s.Local != netip.MustParseAddrPort("192.0.2.2:0") || !slices.Equal(s.Peers, []netip.AddrPort{group}) {
			t.Errorf("%+v", s)
		}

		// One leaves, one comes back, all leave.
		_ = a.end()
		if n.deliver(advert(1, 200, highPeer)) != 0 {
			t.Error("the socket still lets VRID 1 in")
		}
		_ = c.end()
		if s, w := n.count(); s != 1 || w != 1 {
			t.Errorf("%d sockets, %d watchers, want 1 and 1", s, w)
		}
		again := rerun(t, a.Router)
		pass(4 * time.Second)
		if got := states(again, b); !slices.Equal(got, []State{Active, Active}) {
			t.Errorf("states %v", got)
		}
		_, _ = again.end(), b.end()
		if s, w := n.count(); s != 0 || w != 0 || n.opened != 2 {
			t.Errorf("%d sockets, %d watchers are left; %d were opened", s, w, n.opened)
		}
		if len(claims.m) != 0 {
			t.Errorf("claims are left: %v", claims.m)
		}
		last := rerun(t, a.Router)
		pass(4 * time.Second)
		if n.opened != 3 || states(last)[0] != Active {
			t.Errorf("%d sockets opened, state %v", n.opened, states(last)[0])
		}
	})
}

// Many routers share one goroutine; each has only that of its Run.
func TestRawGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		raw := n.raw(t)
		first := runRaw(t, raw, 1, vips4)
		pass(4 * time.Second)
		before := runtime.NumGoroutine()
		for v := range 99 {
			runRaw(t, raw, uint8(v+2), vips4)
		}
		pass(4 * time.Second)
		if got := runtime.NumGoroutine() - before; got > 99 { // goroutines of other tests may end
			t.Errorf("99 routers more have %d goroutines", got)
		}
		_ = first.end()
	})
}

func TestRawDuplicateVRID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		one, two := n.raw(t), n.raw(t)
		a := runRaw(t, one, 51, vips4)
		synctest.Wait()
		for _, raw := range []*Raw{one, two} {
			b := runRaw(t, raw, 51, vips4)
			synctest.Wait()
			if len(b.done) == 0 {
				t.Fatal("a second router runs")
			}
			err := <-b.done
			if b.done <- err; !errors.Is(err, ErrDuplicateVRID) || err.Error() != `vrrp: the VRID is in use on the interface "eth0": 51 for ipv4` {
				t.Errorf("Run() = %v", err)
			}
		}
		if _, w := n.count(); w != 1 {
			t.Errorf("%d watchers", w)
		}
		other := runRaw(t, two, 51, vips6) // another family, and another transport
		pass(4 * time.Second)
		if got := states(a, other); !slices.Equal(got, []State{Active, Active}) {
			t.Errorf("states %v", got)
		}
		_ = a.end()
		b := runRaw(t, two, 51, vips4)
		pass(4 * time.Second)
		if got := states(b); got[0] != Active {
			t.Errorf("once the VRID is free: %v", got)
		}
	})
}

func TestRawOpenFails(t *testing.T) {
	bubble(t, "no interface", func(t *testing.T) {
		n := newRawNet()
		n.remove()
		r := runRaw(t, n.raw(t), 51, vips4)
		err := <-r.done
		if r.done <- err; !errors.Is(err, syscall.ENODEV) || err.Error() != `vrrp: virtual router 51: interface "eth0" does not exist: `+syscall.ENODEV.Error() {
			t.Errorf("Run() = %v", err)
		}
		if s, w := n.count(); s+w != 0 || len(claims.m) != 0 {
			t.Errorf("%d sockets, %d watchers, claims %v", s, w, claims.m)
		}
	})
	bubble(t, "no privilege", func(t *testing.T) {
		n := newRawNet()
		n.openErr = errors.Join(errors.New("CAP_NET_RAW is needed"), syscall.EPERM)
		r := runRaw(t, n.raw(t), 51, vips4)
		err := <-r.done
		if r.done <- err; !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("Run() = %v", err)
		}
		if s, w := n.count(); s+w != 0 || len(claims.m) != 0 {
			t.Errorf("%d sockets, %d watchers, claims %v", s, w, claims.m)
		}
	})
	bubble(t, "alone", func(t *testing.T) {
		n := newRawNet()
		l, err := n.raw(t).Open(context.Background(), VirtualRouter{VRID: 1, Family: IPv4})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Receive(nil); err == nil {
			t.Error("Receive() = nil without a router")
		}
		if err := l.Send(nil); err == nil {
			t.Error("Send() = nil without a router")
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
}

// The router follows the interface: each row is what happens to it, and where
// the router is then.
func TestRawFollowsTheInterface(t *testing.T) {
	type row struct {
		name   string
		do     func(n *rawNet)
		wait   time.Duration
		state  State
		faults []string
		sent   []uint8 // priorities
	}
	const d = down100
	for _, c := range []struct {
		name string
		opts []RawOption
		rows []row
	}{
		{"down and up", nil, []row{
			{"start", func(*rawNet) {}, d + time.Millisecond, Active, nil, []uint8{100}},
			{"carrier lost", func(n *rawNet) { n.link(func(l *rtnl.Link) { l.Running = false }) }, 0, Fault, []string{"link"}, nil},
			{"down too", func(n *rawNet) { n.link(func(l *rtnl.Link) { l.Up = false }) }, time.Second, Fault, []string{"link"}, nil},
			{"up", func(n *rawNet) { n.link(func(l *rtnl.Link) { l.Up, l.Running = true, true }) }, 0, Backup, nil, nil},
			{"a down interval later", func(*rawNet) {}, d, Active, nil, []uint8{100}},
		}},
		{"carrier does not matter", []RawOption{IgnoreLink()}, []row{
			{"start", func(*rawNet) {}, d + time.Millisecond, Active, nil, []uint8{100}},
			{"carrier lost", func(n *rawNet) { n.link(func(l *rtnl.Link) { l.Running = false }) }, 0, Active, nil, nil},
			{"deleted", func(n *rawNet) { n.remove() }, 0, Fault, []string{"link", "source"}, nil},
		}},
		{"deleted and made again", nil, []row{
			{"start", func(*rawNet) {}, d + time.Millisecond, Active, nil, []uint8{100}},
			{"deleted", func(n *rawNet) { n.remove() }, time.Minute, Fault, []string{"link", "source"}, nil},
			{"made again, no address", func(n *rawNet) {
				n.change(func(s *rtnl.State) { s.Links = []rtnl.Link{{Index: 9, Name: "eth0", Up: true, Running: true}} })
			}, 0, Fault, []string{"source"}, nil},
			{"an address", func(n *rawNet) {
				n.change(func(s *rtnl.State) {
					s.Addrs = []rtnl.Addr{{Index: 9, Prefix: netip.MustParsePrefix("192.0.2.7/24")}}
				})
			}, 0, Backup, nil, nil},
			{"a down interval later", func(*rawNet) {}, d, Active, nil, []uint8{100}},
		}},
		{"replaced at once", nil, []row{
			{"start", func(*rawNet) {}, d + time.Millisecond, Active, nil, []uint8{100}},
			{"another index", func(n *rawNet) {
				n.change(func(s *rtnl.State) { s.Links[0].Index, s.Addrs[0].Index = 9, 9 })
			}, 0, Backup, nil, nil},
			{"a down interval later", func(*rawNet) {}, d, Active, nil, []uint8{100}},
		}},
		{"renamed and back", nil, []row{
			{"start", func(*rawNet) {}, d + time.Millisecond, Active, nil, []uint8{100}},
			{"renamed", func(n *rawNet) { n.link(func(l *rtnl.Link) { l.Name = "wan" }) }, 0, Fault, []string{"link", "source"}, nil},
			{"back", func(n *rawNet) { n.link(func(l *rtnl.Link) { l.Name = "eth0" }) }, d, Active, nil, []uint8{100}},
		}},
		{"missing at first", nil, []row{
			{"start", func(*rawNet) {}, time.Second, Active, nil, nil}, // replaced below
		}},
		{"address", nil, []row{
			{"start", func(*rawNet) {}, d + time.Millisecond, Active, nil, []uint8{100}},
			{"gone", func(n *rawNet) { n.change(func(s *rtnl.State) { s.Addrs = nil }) }, time.Second, Fault, []string{"source"}, nil},
			{"a virtual one is none", func(n *rawNet) {
				n.change(func(s *rtnl.State) { s.Addrs = []rtnl.Addr{{Index: eth0Index, Prefix: vips4[0]}} })
			}, time.Second, Fault, []string{"source"}, nil},
			{"one of ours is none", func(n *rawNet) {
				n.change(func(s *rtnl.State) {
					s.Addrs = []rtnl.Addr{{Index: eth0Index, Prefix: netip.MustParsePrefix("192.0.2.9/24"), Protocol: defaultAddressProtocol}}
				})
			}, time.Second, Fault, []string{"source"}, nil},
			{"a tentative one is none", func(n *rawNet) {
				n.change(func(s *rtnl.State) {
					s.Addrs = []rtnl.Addr{{Index: eth0Index, Prefix: netip.MustParsePrefix("192.0.2.9/24"), Tentative: true}}
				})
			}, time.Second, Fault, []string{"source"}, nil},
			{"another", func(n *rawNet) {
				n.change(func(s *rtnl.State) {
					s.Addrs = []rtnl.Addr{{Index: eth0Index, Prefix: netip.MustParsePrefix("192.0.2.9/24")}}
				})
			}, d, Active, nil, []uint8{100}},
			{"and another, at once", func(n *rawNet) {
				n.change(func(s *rtnl.State) { s.Addrs[0].Prefix = netip.MustParsePrefix("192.0.2.10/24") })
			}, time.Second, Active, nil, []uint8{100}},
		}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			n := newRawNet()
			rows := c.rows
			if c.name == "missing at first" {
				links, addrs := n.state.Links, n.state.Addrs
				n.remove()
				rows = []row{
					{"start", func(*rawNet) {}, time.Minute, Fault, []string{"link", "source"}, nil},
					{"made", func(n *rawNet) { n.change(func(s *rtnl.State) { s.Links, s.Addrs = links, addrs }) }, 0, Backup, nil, nil},
					{"a down interval later", func(*rawNet) {}, d, Active, nil, []uint8{100}},
				}
			}
			var opts []Option
			if c.name == "missing at first" {
				opts = append(opts, WithDynamicInterface())
			}
			r := runRaw(t, n.raw(t, c.opts...), 51, vips4, opts...)
			synctest.Wait()
			for _, x := range rows {
				n.adverts()
				x.do(n)
				if x.wait > 0 {
					pass(x.wait)
				}
				s := r.Snapshot()
				if s.State != x.state || !slices.Equal(s.Faults, x.faults) {
					t.Errorf("%s: %v with faults %v, want %v with %v", x.name, s.State, s.Faults, x.state, x.faults)
				}
				var sent []uint8
				for _, o := range n.adverts() {
					sent = append(sent, o.Data[2])
					if o.Src != s.Local.Addr() {
						t.Errorf("%s: sent from %v, identity %v", x.name, o.Src, s.Local)
					}
				}
				if !slices.Equal(sent, x.sent) {
					t.Errorf("%s: sent %v, want %v", x.name, sent, x.sent)
				}
			}
			if s, w := n.count(); w != 1 || s > 1 {
				t.Errorf("%d sockets, %d watchers", s, w)
			}
			_ = r.end()
			if s, w := n.count(); s+w != 0 {
				t.Errorf("%d sockets, %d watchers are left", s, w)
			}
		})
	}
}

// A socket that cannot be opened again is tried until it can.
func TestRawReopens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		var log logs
		r := runRaw(t, n.raw(t), 51, vips4, WithLogger(log.logger()))
		synctest.Wait()
		broken := errors.New("no buffer space")
		n.mu.Lock()
		n.openErr = broken
		n.mu.Unlock()
		n.change(func(s *rtnl.State) { s.Links[0].Index, s.Addrs[0].Index = 9, 9 })
		pass(10 * time.Second)
		if s := r.Snapshot(); s.State != Fault || !slices.Equal(s.Faults, []string{"link"}) {
			t.Errorf("%v with faults %v", s.State, s.Faults)
		}
		if n.opened < 10 || n.opened > 13 {
			t.Errorf("tried %d times in 10 s", n.opened)
		}
		if got := log.count("opening the socket"); got != 1 {
			t.Errorf("logged %d times:\n%v", got, log.String())
		}
		n.mu.Lock()
		n.openErr = nil
		n.mu.Unlock()
		pass(5 * time.Second)
		if got := states(r); got[0] != Active {
			t.Errorf("state %v", got)
		}
		// A socket that fails is replaced.
		n.mu.Lock()
		n.sockets[0].recvErr = broken
		n.sockets[0].lost = 7
		n.sockets[0].ready <- struct{}{}
		n.mu.Unlock()
		synctest.Wait()
		if got := states(r); got[0] != Fault {
			t.Errorf("state %v", got)
		}
		pass(5 * time.Second)
		if s := r.Snapshot(); s.State != Active || s.Drops["overflow"] != 7 {
			t.Errorf("state %v, %d overflows", s.State, s.Drops["overflow"])
		}
		n.mu.Lock()
		n.sockets[0].lost = 3
		n.mu.Unlock()
		late := runRaw(t, n.raw(t), 52, vips4)
		synctest.Wait()
		_ = r.end()
		if got := r.Snapshot().Drops["overflow"]; got != 10 {
			t.Errorf("%d overflows after Run, want 10", got)
		}
		if got := late.Snapshot().Drops["overflow"]; got != 0 {
			t.Errorf("%d overflows of a router that came later", got)
		}
	})
}

// brokenWaiter cannot wait.
type brokenWaiter struct{ *timerWaiter }

var errCannotWait = errors.New("cannot wait")

func (w brokenWaiter) run(turn func() (time.Duration, bool)) error {
	<-w.rung
	turn()
	return errCannotWait
}

// An engine that breaks ends the routers that share it, and those that come
// while it has any.
func TestRawEngineBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		raw := n.raw(t)
		e := newEngine(brokenWaiter{newTimerWaiter()})
		raw.mu.Lock()
		raw.lockedEmploy(e)
		raw.hired = 1 // another router, so that the engine stays
		raw.mu.Unlock()
		for range 2 {
			r := runRaw(t, raw, 51, vips4)
			pass(time.Second)
			select {
			case err := <-r.done:
				if r.done <- err; !errors.Is(err, errCannotWait) {
					t.Errorf("Run() = %v", err)
				}
			default:
				t.Fatal("Run goes on")
			}
		}
		raw.release()
		if s, w := n.count(); s+w != 0 {
			t.Errorf("%d sockets, %d watchers are left", s, w)
		}
	})
}

// What comes from our own address is not our own, which never comes back: another
// host has the address.
func TestRawDuplicateIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		var log logs
		r := runRaw(t, n.raw(t), 51, vips4, WithLogger(log.logger()))
		pass(4 * time.Second)
		n.deliver(advert(51, 200, r.Snapshot().Local))
		synctest.Wait()
		s := r.Snapshot()
		if s.State != Active || s.Drops["self"] != 1 || s.Statistics.DuplicateIdentities != 1 || log.count(warningTexts[warnDuplicate]) != 1 {
			t.Errorf("%v, %d dropped, %d duplicates\n%v", s.State, s.Drops["self"], s.Statistics.DuplicateIdentities, log.String())
		}
	})
}

// A packet with a TTL of 0 is none whose TTL is not known.
func TestRawTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		r := runRaw(t, n.raw(t), 51, vips4)
		synctest.Wait()
		for _, ttl := range []uint8{0, 1, 254} {
			d := advert(51, 200, highPeer)
			d.TTL = ttl
			n.deliver(d)
		}
		synctest.Wait()
		if s := r.Snapshot(); s.Drops["ttl"] != 3 || s.Statistics.AdvertisementRcvd != 0 {
			t.Errorf("%d dropped for their TTL, %d received", s.Drops["ttl"], s.Statistics.AdvertisementRcvd)
		}
	})
}

// A router that begins does not look at what the engine is changing just then.
// The race detector is the judge.
func TestRawBeginsDuringChange(t *testing.T) {
	n := newRawNet()
	raw := n.raw(t)
	runRaw(t, raw, 51, vips4)
	for sockets := 0; sockets == 0; sockets, _ = n.count() {
		runtime.Gosched()
	}
	n.mu.Lock()
	n.openErr = errors.New("no buffer space")
	n.mu.Unlock()
	changes, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(changes)
		for {
			n.mu.Lock()
			n.state.Links = slices.Clone(n.state.Links)
			n.state.Links[0].Index++ // another interface of the name
			n.mu.Unlock()
			raw.changed(nil)
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	for range 200 {
		ctx, stop := context.WithCancel(context.Background())
		r := newRouter(t, 52, vips4, WithTransport(raw), WithOnTransition(func(Transition) { stop() }))
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
	}
	close(done)
	<-changes
}

// What comes back, or looks new, is a reason to tell the neighbours again; so is
// a new identity for the core.
func TestRawTellsTheCore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		var spy *spy
		r := runRaw(t, n.raw(t, IgnoreLink()), 51, vips4, spying(&spy), WithPriority(owner))
		synctest.Wait()
		for _, c := range []struct {
			name string
			do   func(s *rtnl.State)
			want []eventKind
		}{
			{"start", func(*rtnl.State) {}, []eventKind{evTrack, evStart, evInstalled}},
			{"carrier lost", func(s *rtnl.State) { s.Links[0].Running = false }, nil},
			{"carrier back", func(s *rtnl.State) { s.Links[0].Running = true }, []eventKind{evNeighbors}},
			{"another MAC", func(s *rtnl.State) { s.Links[0].MAC = net.HardwareAddr{2, 0, 0, 0, 0, 9} }, []eventKind{evNeighbors}},
			{"another MTU", func(s *rtnl.State) { s.Links[0].MTU = 9000 }, nil},
			{"another address", func(s *rtnl.State) { s.Addrs[0].Prefix = netip.MustParsePrefix("192.0.2.9/24") }, []eventKind{evIdentity}},
			{"no address", func(s *rtnl.State) { s.Addrs = nil }, []eventKind{evFault}},
			{"the first again", func(s *rtnl.State) {
				s.Addrs = []rtnl.Addr{{Index: eth0Index, Prefix: netip.MustParsePrefix(eth0Addr)}}
			}, []eventKind{evIdentity, evClear}},
			{"all gone", func(s *rtnl.State) { s.Links, s.Addrs = nil, nil }, []eventKind{evFault, evFault}},
		} {
			n.change(c.do)
			if got := spy.take(); !slices.Equal(got, c.want) {
				t.Errorf("%s: the core was told %v, want %v", c.name, got, c.want)
			}
		}
		_ = r.end()
	})
}

// Where adverts come from and go to.
func TestRawAddresses(t *testing.T) {
	addr := netip.MustParseAddr
	more := func(prefixes ...string) func(*rtnl.State) {
		return func(s *rtnl.State) {
			for _, p := range prefixes {
				s.Addrs = append(s.Addrs, rtnl.Addr{Index: eth0Index, Prefix: netip.MustParsePrefix(p)})
			}
		}
	}
	for _, c := range []struct {
		name  string
		raw   []RawOption
		opts  []Option
		vips  []netip.Prefix
		state func(*rtnl.State)
		src   string
		dst   []string
		mac   string
	}{
		{"multicast", nil, nil, vips4, nil, "192.0.2.2", []string{"224.0.0.18"}, ""},
		{"IPv6", nil, nil, vips6, nil, "fe80::2", []string{"ff02::12"}, ""},
		{"another group", []RawOption{MulticastGroup(addr("239.1.2.3"))}, nil, vips4, nil, "192.0.2.2", []string{"239.1.2.3"}, ""},
		{"another group of the other family", []RawOption{MulticastGroup(addr("ff02::77"))}, nil, vips4, nil, "192.0.2.2", []string{"224.0.0.18"}, ""},
		{"virtual MAC", nil, []Option{WithVirtualMAC()}, vips4, nil, "192.0.2.2", []string{"224.0.0.18"}, "00:00:5e:00:01:33"},
		{"virtual MAC, IPv6", nil, []Option{WithVirtualMAC()}, vips6, nil, "fe80::2", []string{"ff02::12"}, "00:00:5e:00:02:33"},
		{"from the parent", []RawOption{TransmitFromParent()}, []Option{WithVirtualMAC()}, vips4, nil, "192.0.2.2", []string{"224.0.0.18"}, ""},
		{"unicast", nil, []Option{WithUnicast(netip.Addr{}, Peer{Addr: addr("192.0.2.3")}, Peer{Addr: addr("192.0.2.4")})}, vips4, nil, "192.0.2.2", []string{"192.0.2.3", "192.0.2.4"}, ""},
		{"unicast from a source", nil, []Option{WithUnicast(addr("198.51.100.1"), Peer{Addr: addr("198.51.100.2")})}, vips4, more("198.51.100.1/32"), "198.51.100.1", []string{"198.51.100.2"}, ""},
		{"unicast from a source that is not there", nil, []Option{WithUnicast(addr("198.51.100.1"), Peer{Addr: addr("198.51.100.2")})}, vips4, nil, "", nil, ""},
		{"unicast from a link-local source of another interface", nil, []Option{WithUnicast(addr("fe80::9"), Peer{Addr: addr("fe80::3")})}, vips6, func(s *rtnl.State) {
			s.Addrs = append(s.Addrs, rtnl.Addr{Index: eth0Index + 1, Prefix: netip.MustParsePrefix("fe80::9/64")})
		}, "", nil, ""},
		{"unicast IPv6", nil, []Option{WithUnicast(netip.Addr{}, Peer{Addr: addr("2001:db8::3")})}, vips6, more("2001:db8::100/64", "2001:db8::2/64"), "2001:db8::2", []string{"2001:db8::3"}, ""},
		{"unicast IPv6, link-local", nil, []Option{WithUnicast(netip.Addr{}, Peer{Addr: addr("fe80::3%eth0")})}, vips6, more("2001:db8::2/64"), "fe80::2", []string{"fe80::3"}, ""},
		{"unicast IPv6, no address", nil, []Option{WithUnicast(netip.Addr{}, Peer{Addr: addr("2001:db8::3")})}, vips6, nil, "", nil, ""},
		{"the owner's own address", nil, []Option{WithPriority(owner)}, []netip.Prefix{netip.MustParsePrefix(eth0Addr)}, nil, "192.0.2.2", []string{"224.0.0.18"}, ""},
		{"not the owner's", nil, nil, []netip.Prefix{netip.MustParsePrefix(eth0Addr)}, nil, "", nil, ""},
	} {
		bubble(t, c.name, func(t *testing.T) {
			n := newRawNet()
			if c.state != nil {
				n.change(c.state)
			}
			r := runRaw(t, n.raw(t, c.raw...), 51, c.vips, c.opts...)
			pass(4 * time.Second)
			s := r.Snapshot()
			if (s.State == Active) != (c.dst != nil) {
				t.Fatalf("state %v, faults %v", s.State, s.Faults)
			}
			var to []string
			for _, d := range n.adverts() {
				to = append(to, d.Dst.String())
				if d.Src.String() != c.src || d.MAC.String() != c.mac {
					t.Errorf("from %v with %q, want %v with %q", d.Src, d.MAC, c.src, c.mac)
				}
				if d.Data[0]>>4 != version3 {
					t.Errorf("sent %x", d.Data)
				}
			}
			if to = slices.Compact(to); !slices.Equal(to, c.dst) { // the owner has sent several
				t.Errorf("sent to %v, want %v", to, c.dst)
			}
		})
	}
}

// Peers come and go without a transition.
func TestRawUpdatesPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addr := netip.MustParseAddr
		n, j := newRawNet(), newJournal()
		r := runRaw(t, n.raw(t), 51, vips4, WithUnicast(netip.Addr{}, Peer{Addr: addr("192.0.2.3")}), WithOnTransition(j.transition), WithPriority(owner))
		synctest.Wait()
		n.adverts()
		if err := r.Update(WithUnicast(netip.Addr{}, Peer{Addr: addr("192.0.2.4")}, Peer{Addr: addr("192.0.2.5")})); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var to []netip.Addr
		for _, d := range n.adverts() {
			to = append(to, d.Dst)
		}
		if want := []netip.Addr{addr("192.0.2.4"), addr("192.0.2.5")}; !slices.Equal(to, want) {
			t.Errorf("sent to %v at once, want %v", to, want)
		}
		if s := r.Snapshot(); len(s.Peers) != 2 || s.Peers[0].Addr() != addr("192.0.2.4") {
			t.Errorf("Snapshot() has %v", s.Peers)
		}
		for _, c := range []struct {
			opt  Option
			want string
		}{
			{WithUnicast(netip.Addr{}), "at least one peer"},
			{WithUnicast(addr("192.0.2.2"), Peer{Addr: addr("192.0.2.4")}), "the source cannot change"},
			{WithUnicast(netip.Addr{}, Peer{Addr: addr("fe80::1")}), "is not an ipv4 address"},
		} {
			if err := r.Update(c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Update() = %v, want %q", err, c.want)
			}
		}
		multi := runRaw(t, n.raw(t), 52, vips4)
		synctest.Wait()
		if err := multi.Update(WithUnicast(netip.Addr{}, Peer{Addr: addr("192.0.2.4")})); err == nil || !strings.Contains(err.Error(), "between multicast and unicast") {
			t.Errorf("Update() of a multicast router = %v", err)
		}
		j.expect(t, "0s initialize>active owner")
	})
}

// Two hosts that own an address each, and stand in for each other (RFC 9568
// section 4.2): what a router owns does not move, so its neighbours on the
// interface may send from it.
func TestRawSendsFromWhatAnotherOwns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		raw := n.raw(t)
		mine, yours := runRaw(t, raw, 1, []netip.Prefix{netip.MustParsePrefix(eth0Addr)}, WithPriority(owner)), runRaw(t, raw, 2, vips4)
		for _, c := range []struct {
			priority uint8
			want     []State
		}{
			{owner, []State{Active, Active}},
			{200, []State{Fault, Fault}}, // it moves now
			{owner, []State{Active, Active}},
		} {
			if err := mine.Update(WithPriority(c.priority)); err != nil {
				t.Fatal(err)
			}
			pass(4 * time.Second)
			if got := states(mine, yours); !slices.Equal(got, c.want) {
				t.Errorf("priority %d: states %v, want %v, faults %v", c.priority, got, c.want, yours.Snapshot().Faults)
			}
		}
	})
}

// An address that becomes virtual is left as a source at once.
func TestRawLeavesASourceThatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		raw := n.raw(t)
		n.change(func(s *rtnl.State) {
			s.Addrs = append(s.Addrs, rtnl.Addr{Index: eth0Index, Prefix: netip.MustParsePrefix("198.51.100.2/24")})
		})
		a, b := runRaw(t, raw, 51, vips4), runRaw(t, raw, 52, []netip.Prefix{netip.MustParsePrefix("192.0.2.101/24")})
		synctest.Wait()
		if err := b.Update(WithVIPs(netip.MustParsePrefix(eth0Addr))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := a.Snapshot().Local.Addr().String(); got != "198.51.100.2" {
			t.Errorf("the identity is %v", got)
		}
		_ = b.end()
		synctest.Wait()
		if got := a.Snapshot().Local.Addr().String(); got != "192.0.2.2" {
			t.Errorf("the identity is %v when the other is gone", got)
		}
	})
}

// listening looks at what the socket lets in when its router begins.
type listening struct {
	core
	begins func()
}

func (l listening) step(now instant, member int, ev event) []action {
	if ev.kind == evStart {
		l.begins()
	}
	return l.core.step(now, member, ev)
}

// A router hears before it is a Backup: a priority 0 that comes at once is for it.
func TestRawHearsBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, heard := newRawNet(), 0
		runRaw(t, n.raw(t), 51, vips4, func(c *config) {
			c.core = func(inner core) core {
				return listening{inner, func() { heard = n.deliver(advert(51, 0, highPeer)) }}
			}
		})
		synctest.Wait()
		if heard != 1 {
			t.Errorf("%d sockets let the advert in, want 1", heard)
		}
	})
}

// An address that carries the number of the router's own address manager is a
// leftover, and goes.
func TestRawSourceIsNoLeftover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		n.change(func(s *rtnl.State) {
			s.Addrs = []rtnl.Addr{
				{Index: eth0Index, Prefix: netip.MustParsePrefix("192.0.2.7/24"), Protocol: 99},
				{Index: eth0Index, Prefix: netip.MustParsePrefix("192.0.2.9/24")},
			}
		})
		r := run(t, vips4, WithTransport(n.raw(t)), WithAddresses(newFakeKernel("eth0").netlink(AddressProtocol(99))))
		synctest.Wait()
		if got := r.Snapshot().Local.Addr(); got != netip.MustParseAddr("192.0.2.9") {
			t.Errorf("adverts come from %v", got)
		}
	})
}
