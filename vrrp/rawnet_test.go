package vrrp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// rawNet is a host's network in memory, for a Raw.
type rawNet struct {
	mu       sync.Mutex // guards everything below
	state    rtnl.State
	watchers map[*netWatcher]bool
	sockets  []*netSocket // open
	opened   int
	openErr  error
	sent     []rawip.Datagram
	deaf     bool // keeps nothing that is sent
}

// The interface of the tests, up and with addresses.
const (
	eth0Index = 3
	eth0Addr  = "192.0.2.2/24"
	eth0Local = "fe80::2/64"
)

func newRawNet() *rawNet {
	n := &rawNet{watchers: map[*netWatcher]bool{}}
	n.state = rtnl.State{
		Links: []rtnl.Link{{Index: eth0Index, Name: "eth0", Up: true, Running: true, MTU: 1500, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}},
		Addrs: []rtnl.Addr{
			{Index: eth0Index, Prefix: netip.MustParsePrefix(eth0Addr)},
			{Index: eth0Index, Prefix: netip.MustParsePrefix(eth0Local)},
		},
	}
	return n
}

// raw is a transport on this network.
func (n *rawNet) raw(t testing.TB, opts ...RawOption) *Raw {
	t.Helper()
	r, err := RawTransport("eth0", opts...)
	if err != nil {
		t.Fatal(err)
	}
	r.net = n
	return r
}

// change changes the state, and tells it.
func (n *rawNet) change(f func(s *rtnl.State)) {
	n.mu.Lock()
	n.state.Links, n.state.Addrs = slices.Clone(n.state.Links), slices.Clone(n.state.Addrs)
	f(&n.state)
	state := n.state
	var told []*netWatcher
	for w := range n.watchers {
		told = append(told, w)
	}
	n.mu.Unlock()
	for _, w := range told {
		w.changed(&state)
	}
	synctest.Wait()
}

// link changes the one interface; a change to none removes it.
func (n *rawNet) link(f func(l *rtnl.Link)) { n.change(func(s *rtnl.State) { f(&s.Links[0]) }) }

// remove deletes the interface with its addresses.
func (n *rawNet) remove() {
	n.change(func(s *rtnl.State) { s.Links, s.Addrs = nil, nil })
}

func (n *rawNet) descriptors() bool { return false }

func (n *rawNet) claim(iface string, key rawKey) any { return fmt.Sprintf("%p %s %v", n, iface, key) }

func (n *rawNet) open(c rawip.Config) (rawSocket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened++
	if n.openErr != nil {
		return nil, n.openErr
	}
	if _, ok := n.state.Link(c.Interface); !ok {
		return nil, fmt.Errorf("interface %q: %w", c.Interface, syscall.ENODEV)
	}
	s := &netSocket{net: n, config: c, ready: make(chan struct{}, 1)}
	n.sockets = append(n.sockets, s)
	return s, nil
}

func (n *rawNet) watch(changed func(*rtnl.State)) (rawWatcher, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := &netWatcher{n, changed}
	n.watchers[w] = true
	return w, nil
}

// count returns how many sockets are open, and watchers.
func (n *rawNet) count() (sockets, watchers int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sockets), len(n.watchers)
}

// adverts returns what was sent, and forgets it.
func (n *rawNet) adverts() []rawip.Datagram {
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := n.sent
	n.sent = nil
	return sent
}

// deliver gives a datagram to every socket of its family that lets it in, as
// the kernel does, and returns how many those are.
func (n *rawNet) deliver(d rawip.Datagram) (taken int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.sockets {
		if v := d.Data[1]; (s.config.Family == 4) == d.Src.Is4() && s.vrids[v/64]>>(v%64)&1 == 1 {
			d.Data = bytes.Clone(d.Data)
			s.queue = append(s.queue, d)
			taken++
			select {
			case s.ready <- struct{}{}:
			default:
			}
		}
	}
	return taken
}

// advert is a datagram with an advert to the group.
func advert(vrid, priority uint8, from netip.AddrPort) rawip.Datagram {
	return rawip.Datagram{
		Data: message(from, priority, func(a *Advert) { a.VRID = vrid }),
		Src:  from.Addr(), Dst: group.Addr(), TTL: 255,
	}
}

type netWatcher struct {
	net     *rawNet
	changed func(*rtnl.State)
}

func (w *netWatcher) State() *rtnl.State {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	state := w.net.state
	return &state
}

func (w *netWatcher) Close() error {
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if !w.net.watchers[w] {
		return errors.New("closed twice")
	}
	delete(w.net.watchers, w)
	return nil
}

type netSocket struct {
	net     *rawNet
	config  rawip.Config
	vrids   [4]uint64
	queue   []rawip.Datagram
	ready   chan struct{}
	lost    uint64
	recvErr error
	sendErr error
}

func (s *netSocket) FD() int                { return -1 }
func (s *netSocket) Ready() <-chan struct{} { return s.ready }

func (s *netSocket) Receive(d []rawip.Datagram) (int, error) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.recvErr != nil {
		return 0, s.recvErr
	}
	n := copy(d, s.queue)
	s.queue = s.queue[n:]
	return n, nil
}

func (s *netSocket) Send(d []rawip.Datagram) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.sendErr != nil {
		return s.sendErr
	}
	for _, o := range d {
		if s.net.deaf {
			return nil
		}
		if l, _ := s.net.state.Link(s.config.Interface); !l.Running && l.Index != 0 {
			return syscall.ENETDOWN
		}
		if !slices.ContainsFunc(s.net.state.Addrs, func(a rtnl.Addr) bool { return a.Prefix.Addr() == o.Src }) {
			return syscall.EADDRNOTAVAIL
		}
		o.Data = bytes.Clone(o.Data)
		s.net.sent = append(s.net.sent, o)
	}
	return nil
}

func (s *netSocket) SetVRIDs(vrids [4]uint64) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.vrids = vrids
	return nil
}

func (s *netSocket) Overflows() uint64 {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.lost
}

func (s *netSocket) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	n := len(s.net.sockets)
	if s.net.sockets = slices.DeleteFunc(s.net.sockets, func(o *netSocket) bool { return o == s }); len(s.net.sockets) == n {
		return errors.New("closed twice")
	}
	return nil
}

// runRaw runs a router of this VRID on a transport.
func runRaw(t *testing.T, raw *Raw, vrid uint8, vips []netip.Prefix, opts ...Option) *running {
	t.Helper()
	r, err := New(vrid, vips, append([]Option{WithTransport(raw)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return rerun(t, r)
}

// states are those of routers.
func states(routers ...*running) (out []State) {
	for _, r := range routers {
		out = append(out, r.Snapshot().State)
	}
	return out
}
