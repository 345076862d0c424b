package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// Netlink is an [AddressManager] that installs virtual addresses on one
// interface of this host by rtnetlink (Linux). Routers on one interface share
// one; a second one for the same interface would take the addresses of the first
// for leftovers. Its methods may be called by any goroutine.
type Netlink struct {
	iface  string
	config netlinkConfig
	dial   func(changed func()) (addressHost, error)

	slow sync.Mutex // held while a virtual MAC interface is set down or deleted; taken before mu

	mu      sync.Mutex // guards everything below, and the books of the routers; held during calls of the kernel
	session *netlinkSession
	routers []*netlinkRouter // open
	parent  parentSettings   // changed while IPv4 addresses are behind a virtual MAC
	stats   NetlinkStatus
}

var _ AddressManager = (*Netlink)(nil)

// NetlinkStatus is what a [Netlink] has done.
type NetlinkStatus struct {
	Interface string `json:"interface"`
	Routers   int    `json:"routers"`          // open
	Addresses int    `json:"addresses"`        // installed now
	Leftovers uint64 `json:"leftovers"`        // addresses and interfaces of an earlier process that were removed
	Restored  uint64 `json:"restored"`         // addresses that were gone, and put back
	Lost      uint64 `json:"lost"`             // addresses that were gone, so that the router resigned
	Foreign   uint64 `json:"foreign"`          // addresses found configured by somebody else, and left alone
	Resyncs   uint64 `json:"netlink-overruns"` // of the present session: notifications were lost, and everything was read anew
}

// NetlinkAddresses returns an address manager for the interface named iface. It
// follows the name: an interface that is deleted and made again, or replaced by
// another of that name, is the same one; one that was renamed is gone.
//
// Addresses are installed with the prefix given, IPv4 ones without a broadcast
// address of their own, IPv6 ones without duplicate address detection. Those
// with /128 are deprecated from the start, so that the host does not choose
// them for connections of its own, which would break when they move. They
// carry a protocol number; see [AddressProtocol].
//
// An address that is there already with another number, or with none, was
// configured by somebody else, as that of an address owner is: it is reported
// as [AddressConflict], left as it is, and not removed when the router leaves.
// If somebody else removes it meanwhile, it is installed.
//
// Open removes what an earlier process left behind: addresses of the router
// that carry our number, and its virtual MAC interface. Kernels before 5.18 keep
// no number: there, every address of the router that is present at Open is taken
// for a leftover.
//
// Removing an address never takes others of its subnet along, as the kernel would
// if the first one goes: promote_secondaries is switched on for that moment.
//
// # Virtual MAC
//
// With [WithVirtualMAC] the addresses live on a macvlan interface with the
// virtual MAC above the interface: vrrp.VRID for IPv4, vrrp6.VRID for IPv6, or
// that name with a suffix where a second interface has the same VRID. It is made
// by Open, up only while it has addresses, so that a Backup does not take frames
// for the virtual MAC, and deleted by Close. It is of mode bridge: in mode
// private the kernel would hide the adverts of another Active router, which come
// from the same MAC, from the interface below. It generates no IPv6 address, and
// takes no router advertisement: accept_ra is set to 0 under /proc/sys, which
// must be writable unless net.ipv6.conf.default.accept_ra is 0. Its IPv4 settings
// are arp_ignore=1, to answer for no address but its own, arp_announce=2,
// rp_filter=2, since answers leave by the interface below, and
// promote_secondaries=1; accept_local stays 0, since no packet from an address
// of this host comes in there. A route to the subnet of an address has the
// metric 65535: the host itself goes on using the interface below.
//
// The interface below changes only for IPv4, and only while addresses are held:
// arp_ignore is raised to 1, so that it does not answer for the virtual addresses
// with its own MAC, and arp_announce to 2, so that it does not name them as the
// sender when it asks for its neighbours. Both are put back afterwards. A
// process that is killed leaves them, which does no harm.
//
// # Privileges and cost
//
// It needs CAP_NET_ADMIN in the network namespace; Open says so if it is
// missing. While a router is open it has two goroutines and two sockets in all,
// not for each router.
//
// The error lists every problem. It wraps [errors.ErrUnsupported] on systems
// other than Linux.
func NetlinkAddresses(iface string, opts ...NetlinkOption) (*Netlink, error) {
	c, err := netlinkConfigFor(iface, opts)
	if err == nil && runtime.GOOS != "linux" {
		err = fmt.Errorf("vrrp: netlink addresses on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, err
	}
	return newNetlink(iface, c, dialHost), nil
}

func newNetlink(iface string, c netlinkConfig, dial func(func()) (addressHost, error)) *Netlink {
	return &Netlink{iface: iface, config: c, dial: dial, stats: NetlinkStatus{Interface: iface}}
}

// Snapshot tells what was done until now.
func (n *Netlink) Snapshot() NetlinkStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.stats
	s.Routers = len(n.routers)
	for _, r := range n.routers {
		s.Addresses += r.installed()
	}
	if n.session != nil {
		s.Resyncs = n.session.host.Resyncs()
	}
	return s
}

// Open prepares for a router; see [AddressManager]. The first one opens the
// sockets in the calling goroutine.
func (n *Netlink) Open(_ context.Context, vr VirtualRouter, vips []netip.Prefix, events func(AddressEvent)) (Addresses, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if vr.Family == 0 && len(vips) > 0 {
		vr.Family = familyOf(vips[0].Addr())
	}
	r := &netlinkRouter{n: n, vr: vr, events: events}
	if err := n.lockedOpen(r, vips); err != nil {
		return nil, fmt.Errorf("addresses on %s: %w", n.iface, err)
	}
	return r, nil
}

func (n *Netlink) lockedOpen(r *netlinkRouter, vips []netip.Prefix) (err error) {
	for _, o := range n.routers {
		if o.vr.VRID == r.vr.VRID && o.vr.Family == r.vr.Family {
			return fmt.Errorf("%v virtual router %d is open already", r.vr.Family, r.vr.VRID)
		}
	}
	if err := n.lockedClaim(r, vips); err != nil {
		return err
	}
	if n.session == nil {
		if n.session, err = openNetlinkSession(n); err != nil {
			return err
		}
	}
	r.session = n.session
	defer func() {
		if err != nil && len(n.routers) == 0 {
			_ = n.session.end()
			n.session = nil
		}
	}()
	links, err := r.session.host.Links()
	if err != nil {
		return err
	}
	link, ok := linkNamed(links, n.iface)
	if !ok && !r.vr.Dynamic {
		return fmt.Errorf("there is no such interface: %w", syscall.ENODEV)
	}
	if ok {
		err := r.lockedClean(links, link, vips)
		if err == nil && r.vr.VirtualMAC {
			_, err = r.lockedVirtualLink(link)
		}
		if err != nil && !(r.vr.Dynamic && errors.Is(err, syscall.ENODEV)) { // it went just now
			return err
		}
	}
	if n.routers = append(n.routers, r); len(n.routers) == 1 {
		n.session.start()
	}
	return nil
}

// lockedClaim refuses addresses that another router has; n.mu is held.
func (n *Netlink) lockedClaim(r *netlinkRouter, vips []netip.Prefix) error {
	for _, o := range n.routers {
		if o == r {
			continue
		}
		for _, p := range vips {
			if slices.ContainsFunc(o.claimed, func(a netip.Addr) bool { return a == p.Addr() }) {
				return fmt.Errorf("%v belongs to virtual router %d already", p.Addr(), o.vr.VRID)
			}
		}
	}
	r.claimed = addrsOf(vips)
	return nil
}

// lockedClean removes what an earlier process left behind; n.mu is held.
func (r *netlinkRouter) lockedClean(links []rtnl.Link, link rtnl.Link, vips []netip.Prefix) error {
	n, host := r.n, r.session.host
	for _, l := range links {
		if !r.leftoverLink(l, link) {
			continue
		}
		if err := host.DelLink(l.Index); err != nil && !isGone(err) {
			return fmt.Errorf("removing a leftover: %w", err)
		}
		n.stats.Leftovers++
	}
	have, err := host.Addrs(link.Index)
	if err != nil {
		return err
	}
	var doomed []addrPlace
	for _, a := range have {
		own := slices.ContainsFunc(vips, func(p netip.Prefix) bool { return p.Addr() == a.Prefix.Addr() })
		tagged := a.Protocol == n.config.protocol
		if own && (tagged || !r.session.tags && !r.vr.Owner) || tagged && n.config.sweep && !n.lockedHas(a) {
			doomed = append(doomed, addrPlace{link.Index, a.Prefix})
		}
	}
	left, err := deleteAddrs(host, doomed)
	n.stats.Leftovers += uint64(len(doomed) - len(left))
	if err != nil {
		return fmt.Errorf("removing a leftover: %w", err)
	}
	return nil
}

// lockedHas reports whether an open router has installed the address; n.mu is held.
func (n *Netlink) lockedHas(a rtnl.Addr) bool {
	at := addrPlace{a.Index, a.Prefix}
	return slices.ContainsFunc(n.routers, func(r *netlinkRouter) bool {
		return slices.Contains(r.stale, at) || slices.ContainsFunc(r.vips, func(v netlinkVIP) bool { return v.state == vipOurs && v.at == at })
	})
}

func linkNamed(links []rtnl.Link, name string) (rtnl.Link, bool) {
	return (&rtnl.State{Links: links}).Link(name)
}

// isGone reports that what was to be removed is not there.
func isGone(err error) bool {
	return errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.ENXIO)
}
