package vrrp

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// fakeKernel is an addressHost in memory, with the habits of Linux that matter: the
// first address of a subnet takes the others along, links that go down lose
// their IPv6 addresses, macvlans go with their parent.
type fakeKernel struct {
	mu       sync.Mutex
	tags     bool
	probe    error
	fail     func(call string) error // nil: nothing fails
	links    []rtnl.Link
	addrs    []rtnl.Addr
	news     map[addrPlace]rtnl.NewAddr // as they were asked for
	conf     map[int]map[rtnl.Conf]uint32
	ipv6     map[string]string
	next     int // index
	changed  []func()
	calls    map[string]int
	deaf     bool          // watchers are not told
	known    *rtnl.State   // what watchers know
	sessions int           // open
	stopped  chan struct{} // the process is stopped until it is closed
}

func newFakeKernel(links ...string) *fakeKernel {
	k := &fakeKernel{tags: true, news: map[addrPlace]rtnl.NewAddr{}, conf: map[int]map[rtnl.Conf]uint32{}, ipv6: map[string]string{}, calls: map[string]int{}}
	k.tell()
	for _, name := range links {
		k.plug(name)
	}
	return k
}

// plug adds a link that is up.
func (k *fakeKernel) plug(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	k.links = append(k.links, rtnl.Link{Index: k.next, Name: name, Up: true, Running: true, MTU: 1500})
	k.conf[k.next] = map[rtnl.Conf]uint32{}
	k.tell()
	return k.next
}

// dial makes the kernel the host of a Netlink.
func (k *fakeKernel) dial(changed func()) (addressHost, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sessions++
	k.changed = append(k.changed, changed)
	return k, nil
}

// netlink returns a Netlink on eth0 of the kernel.
func (k *fakeKernel) netlink(opts ...NetlinkOption) *Netlink {
	c, err := netlinkConfigFor("eth0", opts)
	if err != nil {
		panic(err)
	}
	return newNetlink("eth0", c, k.dial)
}

func (k *fakeKernel) tell() {
	if k.deaf {
		return
	}
	k.known = &rtnl.State{Links: slices.Clone(k.links), Addrs: slices.Clone(k.addrs)}
	for _, f := range k.changed {
		f()
	}
}

// deafen keeps the watchers from hearing anything, or lets them catch up.
func (k *fakeKernel) deafen(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deaf = on
	k.tell()
}

func (k *fakeKernel) State() *rtnl.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known
}

// poke gives deaf watchers news, but not of what happened since.
func (k *fakeKernel) poke() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known = &rtnl.State{Links: k.known.Links, Addrs: k.known.Addrs}
	for _, f := range k.changed {
		f()
	}
}

// call counts a call, and returns its error if it is to fail.
func (k *fakeKernel) call(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	k.calls[s]++
	if k.fail != nil {
		return k.fail(s)
	}
	return nil
}

func (k *fakeKernel) Probe() (bool, error) { return k.tags, k.probe }
func (k *fakeKernel) Resyncs() uint64      { return 0 }

func (k *fakeKernel) Links() ([]rtnl.Link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if stopped := k.stopped; stopped != nil {
		k.mu.Unlock()
		<-stopped
		k.mu.Lock()
	}
	return slices.Clone(k.links), k.call("links")
}

func (k *fakeKernel) Addrs(index int) ([]rtnl.Addr, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(k.addrs), func(a rtnl.Addr) bool { return a.Index != index }), k.call("addrs")
}

func (k *fakeKernel) link(index int) *rtnl.Link {
	i := slices.IndexFunc(k.links, func(l rtnl.Link) bool { return l.Index == index })
	if i < 0 {
		return nil
	}
	return &k.links[i]
}

func (k *fakeKernel) AddAddr(a rtnl.NewAddr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("add %v", a.Prefix); err != nil {
		return err
	}
	if k.find(addrPlace{a.Index, a.Prefix}) >= 0 {
		return syscall.EEXIST
	}
	return k.add(a)
}

func (k *fakeKernel) ReplaceAddr(a rtnl.NewAddr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("replace %v", a.Prefix); err != nil {
		return err
	}
	if k.find(addrPlace{a.Index, a.Prefix}) >= 0 {
		k.news[addrPlace{a.Index, a.Prefix}] = a
		return nil
	}
	return k.add(a)
}

func (k *fakeKernel) add(a rtnl.NewAddr) error {
	if k.link(a.Index) == nil {
		return syscall.ENODEV
	}
	n := rtnl.Addr{Index: a.Index, Prefix: a.Prefix, Label: a.Label, Permanent: a.Lifetime == 0, Deprecated: a.Deprecated}
	if k.tags {
		n.Protocol = a.Protocol
	}
	n.Secondary = a.Prefix.Addr().Is4() && k.primary(a.Index, a.Prefix) >= 0
	k.addrs = append(k.addrs, n)
	k.news[addrPlace{a.Index, a.Prefix}] = a
	k.tell()
	return nil
}

func (k *fakeKernel) find(at addrPlace) int {
	return slices.IndexFunc(k.addrs, func(a rtnl.Addr) bool { return a.Index == at.link && a.Prefix == at.prefix })
}

// primary finds the first address of a subnet.
func (k *fakeKernel) primary(index int, p netip.Prefix) int {
	return slices.IndexFunc(k.addrs, func(a rtnl.Addr) bool {
		return a.Index == index && !a.Secondary && a.Prefix.Masked() == p.Masked()
	})
}

func (k *fakeKernel) DelAddr(index int, p netip.Prefix) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("del %v", p); err != nil {
		return err
	}
	if k.link(index) == nil {
		return syscall.ENODEV
	}
	i := k.find(addrPlace{index, p})
	if i < 0 {
		return syscall.EADDRNOTAVAIL
	}
	gone := k.addrs[i]
	k.addrs = slices.Delete(k.addrs, i, i+1)
	if p.Addr().Is4() && !gone.Secondary {
		sibling := func(a rtnl.Addr) bool { return a.Index == index && a.Prefix.Masked() == p.Masked() }
		if k.conf[index][rtnl.PromoteSecondaries] == 0 {
			k.addrs = slices.DeleteFunc(k.addrs, sibling)
		} else if i := slices.IndexFunc(k.addrs, sibling); i >= 0 {
			k.addrs[i].Secondary = false
		}
	}
	k.tell()
	return nil
}

func (k *fakeKernel) AddMacvlan(m rtnl.Macvlan) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("macvlan %s", m.Name); err != nil {
		return 0, err
	}
	if slices.ContainsFunc(k.links, func(l rtnl.Link) bool { return l.Name == m.Name }) {
		return 0, syscall.EEXIST
	}
	if k.link(m.Parent) == nil {
		return 0, syscall.ENODEV
	}
	k.next++
	k.links = append(k.links, rtnl.Link{Index: k.next, Name: m.Name, Kind: "macvlan", Parent: m.Parent, MAC: m.MAC, Alias: m.Alias})
	k.conf[k.next] = map[rtnl.Conf]uint32{}
	k.tell()
	return k.next, nil
}

func (k *fakeKernel) DelLink(index int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("unlink %d", index); err != nil {
		return err
	}
	if k.link(index) == nil {
		return syscall.ENODEV
	}
	gone := func(i int) bool { l := k.link(i); return i == index || l != nil && l.Parent == index }
	k.addrs = slices.DeleteFunc(k.addrs, func(a rtnl.Addr) bool { return gone(a.Index) })
	k.links = slices.DeleteFunc(k.links, func(l rtnl.Link) bool { return l.Index == index || l.Parent == index })
	k.tell()
	return nil
}

func (k *fakeKernel) SetUp(index int, up bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("up %d %v", index, up); err != nil {
		return err
	}
	l := k.link(index)
	if l == nil {
		return syscall.ENODEV
	}
	l.Up, l.Running = up, up
	if !up {
		k.addrs = slices.DeleteFunc(k.addrs, func(a rtnl.Addr) bool { return a.Index == index && a.Prefix.Addr().Is6() })
	}
	k.tell()
	return nil
}

func (k *fakeKernel) Conf(index int, settings ...rtnl.Conf) (map[rtnl.Conf]uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("conf %d", index); err != nil {
		return nil, err
	}
	if k.link(index) == nil {
		return nil, syscall.ENODEV
	}
	return maps.Clone(k.conf[index]), nil
}

func (k *fakeKernel) SetConf(index int, values map[rtnl.Conf]uint32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("setconf %d", index); err != nil {
		return err
	}
	if k.link(index) == nil {
		return syscall.ENODEV
	}
	maps.Copy(k.conf[index], values)
	return nil
}

func (k *fakeKernel) SetIPv6Conf(link, setting, value string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("ipv6 %s", setting); err != nil {
		return err
	}
	if !slices.ContainsFunc(k.links, func(l rtnl.Link) bool { return l.Name == link }) {
		return fs.ErrNotExist
	}
	k.ipv6[link+"/"+setting] = value
	return nil
}

func (k *fakeKernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sessions--
	k.changed = nil
	return nil
}

// edit changes addresses behind everybody's back.
func (k *fakeKernel) edit(f func(a *rtnl.Addr)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.addrs {
		f(&k.addrs[i])
	}
	k.tell()
}

// list is the addresses of a link, sorted.
func (k *fakeKernel) list(link string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := []string{}
	for _, l := range k.links {
		for _, a := range k.addrs {
			if l.Name == link && a.Index == l.Index {
				out = append(out, a.Prefix.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

func (k *fakeKernel) called(s string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[s]
}

// asked is how an address was asked for.
func (k *fakeKernel) asked(at addrPlace) rtnl.NewAddr {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.news[at]
}

// settings are those of a link.
func (k *fakeKernel) settings(index int) map[rtnl.Conf]uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.conf[index])
}

// set changes a setting, as somebody else would.
func (k *fakeKernel) set(index int, setting rtnl.Conf, value uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.conf[index][setting] = value
}

// failing makes calls fail; nil: none.
func (k *fakeKernel) failing(f func(call string) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = f
}

// open counts the sessions.
func (k *fakeKernel) open() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sessions
}
