package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// virtualLinkMetric is that of the routes to subnets on a virtual MAC interface:
// worse than what the interface below has.
const virtualLinkMetric = 1<<16 - 1

// spec is how an address is installed on a link.
func (r *netlinkRouter) spec(p netip.Prefix, link rtnl.Link) rtnl.NewAddr {
	c := &r.n.config
	a := rtnl.NewAddr{
		Index: link.Index, Prefix: p, Protocol: c.protocol, NoPrefixRoute: c.noPrefixRoute, Lifetime: c.lifetime,
		Deprecated: p.Addr().Is6() && p.Bits() == 128,
	}
	if label := link.Name + ":" + c.label; c.label != "" && len(label) <= maxInterfaceName {
		a.Label = label
	}
	if r.vr.VirtualMAC {
		a.Metric = virtualLinkMetric
	}
	return a
}

// lockedPutAll installs all addresses of the router on link, after it has removed
// what does not belong there any more.
func (r *netlinkRouter) lockedPutAll(ctx context.Context, link rtnl.Link) error {
	var have []rtnl.Addr
	var known bool
	for i := range r.vips {
		if v := &r.vips[i]; v.state == vipOurs {
			known = true
			if v.at.link != link.Index {
				r.stale, v.state = append(r.stale, v.at), vipMissing
			}
		}
	}
	_ = r.lockedDelete() // tend tries again
	if known {
		var err error
		if have, err = r.session.host.Addrs(link.Index); err != nil {
			return err
		}
	}
	for i := range r.vips {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.lockedPut(&r.vips[i], link, &have); err != nil {
			return err
		}
	}
	return nil
}

// lockedPut installs one address, unless it is there. have lists the addresses of
// the link; it is filled when it is nil and needed.
func (r *netlinkRouter) lockedPut(v *netlinkVIP, link rtnl.Link, have *[]rtnl.Addr) error {
	host := r.session.host
	for again := false; ; again = true {
		if a, ok := findAddr(*have, v.prefix); ok {
			switch {
			case !r.ours(a, v):
				r.lockedForeign(v, a)
				return nil
			case a.Prefix == v.prefix && !a.Tentative:
				r.lockedOurs(v, link)
				return nil
			}
			if _, err := deleteAddrs(host, []addrPlace{{link.Index, a.Prefix}}); err != nil {
				return err
			}
			*have = slices.DeleteFunc(*have, func(b rtnl.Addr) bool { return b == a })
		}
		if v.prefix.Addr().Is6() && !link.Up {
			v.state = vipMissing // the kernel drops it when the link goes up; tend comes then
			return nil
		}
		err := host.AddAddr(r.spec(v.prefix, link))
		if err == nil {
			r.lockedOurs(v, link)
			return nil
		}
		if !errors.Is(err, syscall.EEXIST) || again {
			return err
		}
		if *have, err = host.Addrs(link.Index); err != nil {
			return err
		}
	}
}

func (r *netlinkRouter) lockedOurs(v *netlinkVIP, link rtnl.Link) {
	v.state, v.at, v.missed = vipOurs, addrPlace{link.Index, v.prefix}, false
	r.stale = slices.DeleteFunc(r.stale, func(p addrPlace) bool { return p == v.at })
}

// lockedForeign notes that somebody else has configured the address on this
// host, and reports it once.
func (r *netlinkRouter) lockedForeign(v *netlinkVIP, a rtnl.Addr) {
	if v.state == vipOurs && v.at.link != a.Index {
		r.stale = append(r.stale, v.at) // ours is elsewhere
	}
	v.state, v.at, v.missed = vipForeign, addrPlace{a.Index, a.Prefix}, false
	if addr := v.prefix.Addr(); !slices.Contains(r.told, addr) {
		r.told = append(r.told, addr)
		r.n.stats.Foreign++
		r.lockedTell(AddressConflict, addr, fmt.Errorf("vrrp: somebody else has configured %v on this host, and it is left as it is", a.Prefix))
	}
}

// ours reports whether the address that is there is one that we installed.
func (r *netlinkRouter) ours(a rtnl.Addr, v *netlinkVIP) bool {
	if r.session.tags {
		return a.Protocol == r.n.config.protocol
	}
	return v.state == vipOurs && v.at == addrPlace{a.Index, a.Prefix}
}

// findAddr looks for an address, first with its prefix, then with any.
func findAddr(have []rtnl.Addr, p netip.Prefix) (rtnl.Addr, bool) {
	i := slices.IndexFunc(have, func(a rtnl.Addr) bool { return a.Prefix == p })
	if i < 0 {
		i = slices.IndexFunc(have, func(a rtnl.Addr) bool { return a.Prefix.Addr() == p.Addr() })
	}
	if i < 0 {
		return rtnl.Addr{}, false
	}
	return have[i], true
}

// deleteAddrsPlainly removes addresses, and returns those that are still there.
func deleteAddrsPlainly(host addressHost, doomed []addrPlace) (left []addrPlace, err error) {
	// The first address of a subnet is the last to go, so that no other one
	// takes its place on the way.
	var errs []error
	for _, p := range slices.Backward(doomed) {
		if err := host.DelAddr(p.link, p.prefix); err != nil && !isGone(err) {
			left, errs = append(left, p), append(errs, err)
		}
	}
	slices.Reverse(left)
	return left, errors.Join(errs...)
}

// deleteAddrs is deleteAddrsPlainly with the other addresses of the subnets kept.
func deleteAddrs(host addressHost, doomed []addrPlace) (left []addrPlace, err error) {
	changed, err := promoteSecondaries(host, doomed)
	if err == nil {
		left, err = deleteAddrsPlainly(host, doomed)
	} else {
		left = doomed
	}
	for _, link := range changed {
		if e := host.SetConf(link, map[rtnl.Conf]uint32{rtnl.PromoteSecondaries: 0}); e != nil && !isGone(e) {
			err = errors.Join(err, e)
		}
	}
	return left, err
}

// promoteSecondaries switches promote_secondaries on for the links where that matters, and
// returns those on which it was off: when the first address of an IPv4 subnet
// goes, the kernel would remove the others of that subnet too.
func promoteSecondaries(host addressHost, doomed []addrPlace) (changed []int, err error) {
	for _, p := range doomed {
		if !p.prefix.Addr().Is4() || p.prefix.IsSingleIP() || slices.Contains(changed, p.link) {
			continue
		}
		old, err := host.Conf(p.link, rtnl.PromoteSecondaries)
		if err == nil && old[rtnl.PromoteSecondaries] == 0 {
			err = host.SetConf(p.link, map[rtnl.Conf]uint32{rtnl.PromoteSecondaries: 1})
			changed = append(changed, p.link)
		}
		if err != nil && !isGone(err) {
			return changed, err
		}
	}
	return changed, nil
}
