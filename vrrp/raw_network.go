package vrrp

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// rawNetwork is the host's network, for a [Raw].
type rawNetwork interface {
	descriptors() bool // its sockets have some
	open(c rawip.Config) (rawSocket, error)
	watch(changed func(*rtnl.State)) (rawWatcher, error)
	claim(iface string, key rawKey) any // a value for a virtual router of this process
}

type rawSocket interface {
	FD() int
	Receive(d []rawip.Datagram) (int, error)
	Send(d []rawip.Datagram) error
	SetVRIDs(vrids [4]uint64) error
	Overflows() uint64
	Close() error
}

type rawWatcher interface {
	State() *rtnl.State
	Close() error
}

// hostNetwork is that of this process.
type hostNetwork struct{}

func (hostNetwork) descriptors() bool { return hasPollWaiter }

func (hostNetwork) open(c rawip.Config) (rawSocket, error) { return rawip.Open(c) }

func (hostNetwork) watch(changed func(*rtnl.State)) (rawWatcher, error) { return rtnl.Watch(changed) }

// claim tells the network namespaces of threads apart.
func (hostNetwork) claim(iface string, key rawKey) any {
	return struct {
		namespace, iface string
		rawKey
	}{namespace(), iface, key}
}

// claimed holds the virtual routers of this process on real interfaces: two
// transports may be for one interface.
type claimed struct {
	mu sync.Mutex // guards m
	m  map[any]bool
}

var claims = claimed{m: map[any]bool{}}

// take reports whether nobody else has it.
func (c *claimed) take(claim any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m[claim] {
		return false
	}
	c.m[claim] = true
	return true
}

func (c *claimed) release(claim any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, claim)
}

// vipList is the virtual addresses of all routers on an interface, and how those
// are marked that an earlier process may have left there.
type vipList struct {
	mu     sync.Mutex // guards everything below
	lists  map[*rawLink][]netip.Prefix
	sorted []netip.Addr // all of them; nil: not known
	tags   tagSet       // of every router there has been
}

// tagSet is a set of address protocols.
type tagSet [4]uint64

func (s *tagSet) add(tag uint8)      { s[tag/64] |= 1 << (tag % 64) }
func (s *tagSet) has(tag uint8) bool { return s[tag/64]&(1<<(tag%64)) != 0 }

// mark adds an address protocol; 0 is none.
func (v *vipList) mark(tag uint8) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if tag != 0 {
		v.tags.add(tag)
	}
}

// set replaces those of one router; nil removes them.
func (v *vipList) set(l *rawLink, vips []netip.Prefix) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if slices.Equal(v.lists[l], vips) && (vips != nil) == (v.lists[l] != nil) {
		return
	}
	if v.lists == nil {
		v.lists = map[*rawLink][]netip.Prefix{}
	}
	v.lists[l], v.sorted = vips, nil
	if vips == nil {
		delete(v.lists, l)
	}
}

// all returns them in order, and the marks. Nobody modifies the slice.
func (v *vipList) all() ([]netip.Addr, tagSet) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sorted != nil {
		return v.sorted, v.tags
	}
	v.sorted = make([]netip.Addr, 0, len(v.lists))
	for _, vips := range v.lists {
		for _, p := range vips {
			v.sorted = append(v.sorted, p.Addr())
		}
	}
	slices.SortFunc(v.sorted, netip.Addr.Compare)
	return v.sorted, v.tags
}
