package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"

	"github.com/mainstay-ha/mainstay/internal/option"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// Raw is a [Transport] over IP protocol 112 on one interface, as RFC 9568 has
// it: multicast, or unicast to the peers of [WithUnicast]. Any number of routers
// share it, one for each VRID and family. Linux only; it needs CAP_NET_RAW.
//
// A router on it follows the interface. While that is down, without carrier or
// missing, the router is in [Fault] ("link"); while there is no address to send
// from, likewise ("source"). Either ends by itself, also when the interface has been
// deleted and made again. Another address takes effect at once.
//
// Adverts come from the primary IPv4 address of the interface or from its
// link-local IPv6 one, or from the source of WithUnicast, which may be any
// address of this host. They never come from a virtual address, unless a router
// owns it (priority 255) and somebody else has configured it.
//
// # Cost
//
// One goroutine for all its routers, and two sockets a family: the kernel filters
// what is for other VRIDs. One netlink socket with a goroutine watches links and
// addresses. They exist while a router runs. Routers of a [Group] have sockets
// and a goroutine of their own.
//
// Routers that are Active together advertise together: an advert may leave up to
// a sixteenth of an interval before it is due, so that the adverts of many
// routers cost a few wake-ups.
type Raw struct {
	iface  string
	config rawConfig
	net    rawNetwork

	mu      sync.Mutex // guards everything below; the engines' goroutines do not take it
	links   map[rawKey]*rawLink
	ports   map[rawPlace]*rawPort
	watcher rawWatcher // nil without links
	engine  *engine    // of the routers that are in no group, nil without one
	stopped chan struct{}
	hired   int // routers on engine

	vips vipList
}

// rawKey names a virtual router on an interface, rawPlace a port.
type (
	rawKey struct {
		vrid   uint8
		family Family
	}
	rawPlace struct {
		engine *engine
		family Family
	}
)

// rawConfig is what RawOptions set.
type rawConfig struct {
	ignoreLink bool
	fromParent bool
	groups     map[Family][]netip.AddrPort // one each, where adverts go
	errs       []error
}

// RawOption configures a [Raw]; see [RawTransport].
type RawOption func(*rawConfig)

// IgnoreLink keeps the routers in the election while the interface is down or
// has no carrier (keepalived's dont_track_primary). Without an address to send
// from, or without the interface, they are in Fault all the same. Default: they
// are in Fault.
func IgnoreLink() RawOption { return func(c *rawConfig) { c.ignoreLink = true } }

// TransmitFromParent has adverts leave with the MAC of the interface, also with
// [WithVirtualMAC] (keepalived's vmac_xmit_base). Default: with the virtual MAC,
// as RFC 9568 section 7.2 has it.
func TransmitFromParent() RawOption { return func(c *rawConfig) { c.fromParent = true } }

// MulticastGroup sets the multicast group of its family (keepalived's
// vrrp_mcast_group4 and vrrp_mcast_group6). All speakers must agree. Default:
// 224.0.0.18 and ff02::12.
func MulticastGroup(group netip.Addr) RawOption {
	return func(c *rawConfig) {
		if !group.IsMulticast() || group.Is4In6() || group.Zone() != "" {
			c.errs = append(c.errs, fmt.Errorf("group %v is no multicast address", group))
			return
		}
		c.groups[familyOf(group)] = []netip.AddrPort{netip.AddrPortFrom(group, 0)}
	}
}

var _ Transport = (*Raw)(nil)

// RawTransport returns a transport on the interface named iface. There should
// be one for each interface: the routers that share it share its sockets.
//
// Nothing is opened before [Router.Run]. That fails where the interface does not
// exist (its error wraps ENODEV), see [WithDynamicInterface]; without privilege (EPERM,
// and it names the capability); where another router of this process has the
// VRID on the interface ([ErrDuplicateVRID]); and on other systems than Linux
// (errors.ErrUnsupported).
func RawTransport(iface string, opts ...RawOption) (*Raw, error) {
	c := rawConfig{groups: map[Family][]netip.AddrPort{}}
	defaults := []RawOption{MulticastGroup(netip.AddrFrom4([4]byte{224, 0, 0, 18})), MulticastGroup(netip.MustParseAddr("ff02::12"))}
	errs := []error{option.Apply(&c, defaults), option.Apply(&c, opts)}
	if iface == "" || len(iface) > 15 || strings.ContainsAny(iface, "/ \t\n") { // IFNAMSIZ
		errs = append(errs, fmt.Errorf("%q is no name of an interface", iface))
	}
	if err := errors.Join(append(errs, c.errs...)...); err != nil {
		return nil, fmt.Errorf("vrrp: raw transport: %w", err)
	}
	return newRaw(iface, c, hostNetwork{}), nil
}

func newRaw(iface string, c rawConfig, net rawNetwork) *Raw {
	r := &Raw{iface: iface, config: c, net: net, links: map[rawKey]*rawLink{}, ports: map[rawPlace]*rawPort{}}
	r.vips.mark(defaultAddressProtocol)
	return r
}

// Interface returns the name of the interface.
func (r *Raw) Interface() string { return r.iface }

// descriptors tells that the kernel can wait for its links.
func (r *Raw) descriptors() bool { return r.net.descriptors() }

// hire returns the engine that all routers share which are in no group, and
// starts it with the first. Each of them calls the function in the end.
func (r *Raw) hire() (*engine, func(), error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hired == 0 {
		e, err := engineFor(r)
		if err != nil {
			return nil, nil, err
		}
		r.lockedEmploy(e)
	}
	r.hired++
	return r.engine, r.release, nil
}

// lockedEmploy starts an engine; r.mu is held.
func (r *Raw) lockedEmploy(e *engine) {
	e.shared = true
	stopped := make(chan struct{})
	r.engine, r.stopped = e, stopped
	go func() {
		defer close(stopped)
		if err := e.run(); err != nil {
			e.abandon(err)
		}
	}()
}

// release stops the engine with its last router.
func (r *Raw) release() {
	r.mu.Lock()
	r.hired--
	e, stopped, last := r.engine, r.stopped, r.hired == 0
	r.mu.Unlock()
	if last {
		e.do(func() { e.over = true })
		<-stopped
	}
}

// Open joins one virtual router; see [Transport]. Only a [Router] can use the
// link.
func (r *Raw) Open(_ context.Context, vr VirtualRouter) (Link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := rawKey{vr.VRID, vr.Family}
	if r.links[key] != nil {
		return nil, r.duplicate(key)
	}
	if r.watcher == nil {
		w, err := r.net.watch(r.changed)
		if err != nil {
			return nil, fmt.Errorf("interface %q: %w", r.iface, err)
		}
		r.watcher = w
	}
	state := r.watcher.State()
	if _, ok := state.Link(r.iface); !ok && !vr.Dynamic {
		return nil, errors.Join(fmt.Errorf("interface %q does not exist: %w", r.iface, syscall.ENODEV), r.lockedRest())
	}
	claim := r.net.claim(r.iface, key)
	if !claims.take(claim) {
		return nil, errors.Join(r.duplicate(key), r.lockedRest())
	}
	l := newRawLink(r, key, vr, claim)
	r.links[key] = l
	r.vips.mark(vr.tag)
	return l, nil
}

func (r *Raw) duplicate(key rawKey) error {
	return fmt.Errorf("%w %q: %d for %v", ErrDuplicateVRID, r.iface, key.vrid, key.family)
}

// lockedRest closes the watcher if nobody needs it; r.mu is held, and released
// for a moment, since the watcher may be waiting for it.
func (r *Raw) lockedRest() error {
	w := r.watcher
	if w == nil || len(r.links) > 0 {
		return nil
	}
	r.watcher = nil
	r.mu.Unlock()
	defer r.mu.Lock()
	return w.Close()
}

// changed is called by the watcher.
func (r *Raw) changed(*rtnl.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.ports {
		p.poke()
	}
}
