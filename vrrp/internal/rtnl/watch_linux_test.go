package rtnl

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl/rtnltest"
)

// deadline bounds every wait of a test.
const deadline = 20 * time.Second

// follower is a Watcher whose states a test waits for.
type follower struct {
	*Watcher
	states chan *State
}

// follow starts a watcher, with the receive buffer given or 0.
func follow(t *testing.T, buffer int) *follower {
	t.Helper()
	f := &follower{states: make(chan *State, 4096)}
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	if buffer == 0 {
		buffer = receiveBuffer
	}
	if f.Watcher, err = c.watch(func(s *State) { f.states <- s }, buffer); err != nil {
		t.Fatal(err)
	}
	f.owned = true
	t.Cleanup(func() { f.Close() })
	return f
}

// until waits for a state.
func (f *follower) until(t *testing.T, what string, ok func(*State) bool) *State {
	t.Helper()
	if s := f.State(); ok(s) {
		return s
	}
	late := time.After(deadline)
	for {
		select {
		case s := <-f.states:
			if ok(s) {
				return s
			}
		case <-late:
			t.Fatalf("never: %s; the state is %+v", what, f.State())
		}
	}
}

func (s *State) has(p string) bool {
	return slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Prefix == netip.MustParsePrefix(p) })
}

// TestWatch needs no privilege: every system has a loopback interface.
func TestWatch(t *testing.T) {
	w, err := Watch(func(*State) {})
	if err != nil {
		t.Fatal(err)
	}
	l, ok := w.State().Link("lo")
	if !ok || !l.Loopback || l.Index == 0 || l.MTU == 0 {
		t.Errorf("lo is %+v, %v", l, ok)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWatchFollows(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n, f := rtnltest.New(t), follow(t, 0)

	n.Veth("eth0", "peer0")
	f.until(t, "eth0 is there and down", func(s *State) bool {
		l, ok := s.Link("eth0")
		return ok && !l.Up && !l.Running && l.Kind == "veth" && len(l.MAC) == 6
	})
	n.Up("eth0", true)
	f.until(t, "eth0 is up without carrier", func(s *State) bool { l, _ := s.Link("eth0"); return l.Up && !l.Running })
	n.Up("peer0", true)
	f.until(t, "eth0 has a carrier", func(s *State) bool { l, _ := s.Link("eth0"); return l.Running })

	n.Address("eth0", "192.0.2.1/24")
	n.Address("eth0", "192.0.2.2/24")
	index := n.Index("eth0")
	f.until(t, "a primary and a secondary", func(s *State) bool {
		return slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Prefix == prefix("192.0.2.2/24") && a.Secondary }) &&
			s.Source(index, 4, nil) == netip.MustParseAddr("192.0.2.1")
	})
	f.until(t, "link-local, tentative no more", func(s *State) bool { return s.Source(index, 6, nil).IsValid() })
	n.NoAddress("eth0", "192.0.2.2/24")
	f.until(t, "the secondary is gone", func(s *State) bool { return !s.has("192.0.2.2/24") })

	n.MTU("eth0", 1400)
	f.until(t, "the MTU", func(s *State) bool { l, _ := s.Link("eth0"); return l.MTU == 1400 })

	n.Up("eth0", false)
	f.until(t, "down: IPv6 addresses vanish, IPv4 ones stay", func(s *State) bool {
		l, _ := s.Link("eth0")
		return !l.Up && !s.Source(index, 6, nil).IsValid() && s.has("192.0.2.1/24")
	})
	n.Rename("eth0", "eth1")
	f.until(t, "renamed", func(s *State) bool {
		_, old := s.Link("eth0")
		l, _ := s.Link("eth1")
		return !old && l.Index == index
	})
	n.Bridge("br0")
	n.Master("eth1", "br0")
	n.Master("eth1", "")
	n.MTU("eth1", 1500)
	f.until(t, "it left a bridge and is there", func(s *State) bool { l, _ := s.Link("eth1"); return l.MTU == 1500 })

	n.Delete("eth1")
	f.until(t, "deleted, with its addresses", func(s *State) bool {
		_, ok := s.Link("eth1")
		return !ok && !slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Index == index })
	})
	if got := f.Resyncs(); got != 0 {
		t.Errorf("%d resyncs, want none", got)
	}
}

// TestWatchResync loses messages: the watcher's own callback holds it up while a
// buffer for a handful overflows. The last change is among the lost ones.
func TestWatchResync(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := rtnltest.New(t)
	n.Wire("eth0", "peer0")
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	held, release := make(chan bool), make(chan bool)
	f := &follower{states: make(chan *State, 4096)}
	first := true
	if f.Watcher, err = c.watch(func(s *State) {
		if first {
			first = false
			held <- true
			<-release
		}
		f.states <- s
	}, 4096); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for round := range 3 {
		n.Address("lo", fmt.Sprintf("198.51.100.%d/32", round+1))
		if round == 0 {
			<-held
		}
		for i := range 256 {
			n.Address("eth0", fmt.Sprintf("10.%d.%d.1/32", round, i))
		}
		n.NoAddress("lo", fmt.Sprintf("198.51.100.%d/32", round+1))
		n.Address("lo", fmt.Sprintf("203.0.113.%d/32", round+1))
		if round == 0 {
			close(release)
		}
		f.until(t, "the last change", func(s *State) bool {
			return s.has(fmt.Sprintf("203.0.113.%d/32", round+1)) && !s.has(fmt.Sprintf("198.51.100.%d/32", round+1))
		})
		if round == 0 && f.Resyncs() == 0 {
			t.Error("nothing was lost: the test shows nothing")
		}
	}
	want, err := c.load()
	if err != nil {
		t.Fatal(err)
	}
	f.until(t, "the same as a list", func(s *State) bool {
		return len(s.Links) == len(want.links) && len(s.Addrs) == len(want.addrs) &&
			!slices.ContainsFunc(want.addrs, func(a Addr) bool { return !s.has(a.Prefix.String()) })
	})
}

// TestWatchLosesDuringResync loses messages again while everything is read anew.
// The kernel says so only if the socket was emptied before.
func TestWatchLosesDuringResync(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n, c := rtnltest.New(t), dial(t)
	n.Wire("eth0", "peer0")
	flood := func(net int) {
		for i := range 256 {
			n.Address("eth0", fmt.Sprintf("10.%d.%d.1/32", net, i))
		}
	}
	f := &follower{states: make(chan *State, 4096)}
	var err error
	if f.Watcher, err = c.newWatcher(func(s *State) { f.states <- s }, 4096); err != nil {
		t.Fatal(err)
	}
	lists := 0
	f.list = func() (*table, error) {
		read, err := c.load()
		if lists++; lists == 1 {
			flood(2)
			n.Address("lo", "203.0.113.1/32") // the last change, and a lost one
		}
		return read, err
	}
	flood(1)
	f.running.Go(f.run)
	defer f.Close()
	f.until(t, "the last change", func(s *State) bool { return s.has("203.0.113.1/32") })
}

// TestWatchOnlyChanges repeats what is known already: nobody is told.
func TestWatchOnlyChanges(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := rtnltest.New(t)
	n.Wire("eth0", "peer0")
	c := dial(t)
	a := NewAddr{Index: n.Index("eth0"), Prefix: prefix("192.0.2.100/32"), Lifetime: time.Hour}
	if err := c.AddAddr(a); err != nil {
		t.Fatal(err)
	}
	f := follow(t, 0)
	f.until(t, "all addresses are settled", func(s *State) bool {
		return !slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Tentative })
	})
	for len(f.states) > 0 {
		<-f.states
	}
	for range 10 {
		if err := c.ReplaceAddr(a); err != nil { // announced each time, with a new lifetime
			t.Fatal(err)
		}
	}
	n.Address("eth0", "192.0.2.1/32")
	if s := <-f.states; !s.has("192.0.2.1/32") {
		t.Errorf("a change that was none was published: %+v", s)
	}
}

func TestWatchThousandAddresses(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n, f, c := rtnltest.New(t), follow(t, 0), dial(t)
	n.Wire("eth0", "peer0")
	index := n.Index("eth0")
	for i := range 1000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
		if err := c.AddAddr(NewAddr{Index: index, Prefix: p, Protocol: 112}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(s *State) (n int) {
		for _, a := range s.Addrs {
			if a.Protocol == 112 {
				n++
			}
		}
		return n
	}
	f.until(t, "a thousand addresses", func(s *State) bool { return count(s) == 1000 })
	if addrs, err := c.Addrs(index); err != nil || count(&State{Addrs: addrs}) != 1000 {
		t.Errorf("Addrs lists %d of them, error %v", count(&State{Addrs: addrs}), err)
	}
	if later, err := Watch(func(*State) {}); err != nil {
		t.Error(err)
	} else {
		if got := count(later.State()); got != 1000 {
			t.Errorf("a new watcher knows %d, want 1000", got)
		}
		later.Close()
	}
	n.Delete("eth0")
	f.until(t, "none", func(s *State) bool { return count(s) == 0 })
}

// TestWatchReceiveBuffer: with privilege the limit of the system does not bind.
func TestWatchReceiveBuffer(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	f := follow(t, 0)
	got, err := f.socket.conn.ReadBuffer()
	if err != nil {
		t.Fatal(err)
	}
	if got < 200<<10 {
		t.Errorf("receive buffer %d, want it large", got)
	}
}

func TestWatchMAC(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n, f, c := rtnltest.New(t), follow(t, 0), dial(t)
	n.Wire("eth0", "peer0")
	mac := net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
	index, err := c.AddMacvlan(Macvlan{Name: "vrrp.51", Parent: n.Index("eth0"), MAC: mac, Alias: "mainstay"})
	if err != nil {
		t.Fatal(err)
	}
	f.until(t, "the macvlan", func(s *State) bool {
		l, _ := s.Link("vrrp.51")
		return l.equal(Link{Index: index, Name: "vrrp.51", MTU: 1500, MAC: mac, Kind: "macvlan", Parent: n.Index("eth0")})
	})
	if err := c.SetUp(index, true); err != nil {
		t.Fatal(err)
	}
	s := f.until(t, "the macvlan runs", func(s *State) bool { l, _ := s.Link("vrrp.51"); return l.Running })
	if slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.Index == index }) {
		t.Errorf("the macvlan made an address of its MAC: %+v", s.Addrs)
	}
}
