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

// kernel is an addressHost in memory, with the habits of Linux that matter: the
// first address of a subnet takes the others along, links that go down lose
// their IPv6 addresses, macvlans go with their parent.
type kernel struct {
	mu       sync.Mutex
	tags     bool
	probe    error
	fail     func(call string) error // nil: nothing fails
	links    []rtnl.Link
	addrs    []rtnl.Addr
	news     map[place]rtnl.NewAddr // as they were asked for
	conf     map[int]map[rtnl.Conf]uint32
	ipv6     map[string]string
	next     int // index
	changed  []func()
	calls    map[string]int
	deaf     bool          // watchers are not told
	old      *rtnl.State   // what a deaf watcher knows
	sessions int           // open
	stopped  chan struct{} // the process is stopped until it is closed
}

func newKernel(links ...string) *kernel {
	k := &kernel{tags: true, news: map[place]rtnl.NewAddr{}, conf: map[int]map[rtnl.Conf]uint32{}, ipv6: map[string]string{}, calls: map[string]int{}}
	for _, name := range links {
		k.plug(name)
	}
	return k
}

// plug adds a link that is up.
func (k *kernel) plug(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	k.links = append(k.links, rtnl.Link{Index: k.next, Name: name, Up: true, Running: true, MTU: 1500})
	k.conf[k.next] = map[rtnl.Conf]uint32{}
	k.tell()
	return k.next
}

// dial makes the kernel the host of a Netlink.
func (k *kernel) dial(changed func()) (addressHost, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sessions++
	k.changed = append(k.changed, changed)
	return k, nil
}

// netlink returns a Netlink on eth0 of the kernel.
func (k *kernel) netlink(opts ...NetlinkOption) *Netlink {
	c, err := netlinkConfigFor("eth0", opts)
	if err != nil {
		panic(err)
	}
	return newNetlink("eth0", c, k.dial)
}

func (k *kernel) tell() {
	if k.deaf {
		return
	}
	for _, f := range k.changed {
		f()
	}
}

// deafen keeps the watchers from hearing anything, or wakes them.
func (k *kernel) deafen(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.old, k.deaf = k.state(), on
	k.tell()
}

func (k *kernel) state() *rtnl.State {
	return &rtnl.State{Links: slices.Clone(k.links), Addrs: slices.Clone(k.addrs)}
}

func (k *kernel) State() *rtnl.State {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deaf {
		return k.old
	}
	return k.state()
}

// call counts a call, and returns its error if it is to fail.
func (k *kernel) call(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	k.calls[s]++
	if k.fail != nil {
		return k.fail(s)
	}
	return nil
}

func (k *kernel) Probe() (bool, error) { return k.tags, k.probe }
func (k *kernel) Resyncs() uint64      { return 0 }

func (k *kernel) Links() ([]rtnl.Link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if stopped := k.stopped; stopped != nil {
		k.mu.Unlock()
		<-stopped
		k.mu.Lock()
	}
	return slices.Clone(k.links), k.call("links")
}

func (k *kernel) Addrs(index int) ([]rtnl.Addr, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(k.addrs), func(a rtnl.Addr) bool { return a.Index != index }), k.call("addrs")
}

func (k *kernel) link(index int) *rtnl.Link {
	i := slices.IndexFunc(k.links, func(l rtnl.Link) bool { return l.Index == index })
	if i < 0 {
		return nil
	}
	return &k.links[i]
}

func (k *kernel) AddAddr(a rtnl.NewAddr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("add %v", a.Prefix); err != nil {
		return err
	}
	if k.find(place{a.Index, a.Prefix}) >= 0 {
		return syscall.EEXIST
	}
	return k.add(a)
}

func (k *kernel) ReplaceAddr(a rtnl.NewAddr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("replace %v", a.Prefix); err != nil {
		return err
	}
	if k.find(place{a.Index, a.Prefix}) >= 0 {
		k.news[place{a.Index, a.Prefix}] = a
		return nil
	}
	return k.add(a)
}

func (k *kernel) add(a rtnl.NewAddr) error {
	if k.link(a.Index) == nil {
		return syscall.ENODEV
	}
	n := rtnl.Addr{Index: a.Index, Prefix: a.Prefix, Label: a.Label, Permanent: a.Lifetime == 0, Deprecated: a.Deprecated}
	if k.tags {
		n.Protocol = a.Protocol
	}
	n.Secondary = a.Prefix.Addr().Is4() && k.primary(a.Index, a.Prefix) >= 0
	k.addrs = append(k.addrs, n)
	k.news[place{a.Index, a.Prefix}] = a
	k.tell()
	return nil
}

func (k *kernel) find(at place) int {
	return slices.IndexFunc(k.addrs, func(a rtnl.Addr) bool { return a.Index == at.link && a.Prefix == at.prefix })
}

// primary finds the first address of a subnet.
func (k *kernel) primary(index int, p netip.Prefix) int {
	return slices.IndexFunc(k.addrs, func(a rtnl.Addr) bool {
		return a.Index == index && !a.Secondary && a.Prefix.Masked() == p.Masked()
	})
}

func (k *kernel) DelAddr(index int, p netip.Prefix) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.call("del %v", p); err != nil {
		return err
	}
	if k.link(index) == nil {
		return syscall.ENODEV
	}
	i := k.find(place{index, p})
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

func (k *kernel) AddMacvlan(m rtnl.Macvlan) (int, error) {
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

func (k *kernel) DelLink(index int) error {
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

func (k *kernel) SetUp(index int, up bool) error {
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

func (k *kernel) Conf(index int, settings ...rtnl.Conf) (map[rtnl.Conf]uint32, error) {
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

func (k *kernel) SetConf(index int, values map[rtnl.Conf]uint32) error {
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

func (k *kernel) SetIPv6Conf(link, setting, value string) error {
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

func (k *kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sessions--
	k.changed = nil
	return nil
}

// edit changes addresses behind everybody's back.
func (k *kernel) edit(f func(a *rtnl.Addr)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.addrs {
		f(&k.addrs[i])
	}
	k.tell()
}

// list is the addresses of a link, sorted.
func (k *kernel) list(link string) []string {
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

func (k *kernel) called(s string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[s]
}
