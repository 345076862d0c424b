package vrrp

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"syscall"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// virtualLink is the macvlan of a router with a virtual MAC.
type virtualLink struct {
	name  string
	index int // 0: not made
	up    bool
}

// virtualLinkAlias marks interfaces as ours.
const virtualLinkAlias = "mainstay"

// virtualLinkNames are the names for the macvlan of a router, the best first:
// that of keepalived, and one with the index of the interface below, for a
// second interface with the same VRID.
func virtualLinkNames(vr VirtualRouter, parent int) []string {
	name := "vrrp."
	if vr.Family == IPv6 {
		name = "vrrp6."
	}
	name += strconv.Itoa(int(vr.VRID))
	names := []string{name, name + "." + strconv.FormatInt(int64(parent), 36)}
	return slices.DeleteFunc(names, func(s string) bool { return len(s) > maxInterfaceName })
}

// onParent reports whether a link is a macvlan of the router above the parent.
func (r *netlinkRouter) onParent(l, parent rtnl.Link) bool {
	return l.Kind == "macvlan" && l.Parent == parent.Index && bytes.Equal(l.MAC, r.vr.MAC())
}

// leftoverLink reports whether a link was made by an earlier process. Any macvlan
// with the MAC of the router is one, since two cannot be up; if the router does
// not use that MAC now, only one of ours.
func (r *netlinkRouter) leftoverLink(l, parent rtnl.Link) bool {
	if r.onParent(l, parent) {
		return r.vr.VirtualMAC || l.Alias == virtualLinkAlias
	}
	return r.n.config.sweep && l.Kind == "macvlan" && l.Parent == parent.Index && l.Alias == virtualLinkAlias &&
		!slices.ContainsFunc(r.n.routers, func(o *netlinkRouter) bool { return o.virtual.index == l.Index })
}

// among finds the link in a list, if it still is where it should be.
func (v *virtualLink) among(links []rtnl.Link, parent rtnl.Link) (rtnl.Link, bool) {
	i := slices.IndexFunc(links, func(l rtnl.Link) bool { return l.Index == v.index && l.Parent == parent.Index })
	if v.index == 0 || i < 0 {
		return rtnl.Link{}, false
	}
	return links[i], true
}

// lockedVirtualLink makes the macvlan, down and without addresses.
func (r *netlinkRouter) lockedVirtualLink(parent rtnl.Link) (rtnl.Link, error) {
	host := r.session.host
	var err error
	for _, name := range virtualLinkNames(r.vr, parent.Index) {
		var index int
		index, err = host.AddMacvlan(rtnl.Macvlan{Name: name, Parent: parent.Index, MAC: r.vr.MAC(), Alias: virtualLinkAlias})
		if errors.Is(err, syscall.EEXIST) {
			continue
		}
		if err != nil {
			return rtnl.Link{}, err
		}
		r.virtual = virtualLink{name: name, index: index}
		if err := r.lockedSettle(); err != nil {
			_ = host.DelLink(index)
			r.virtual = virtualLink{}
			return rtnl.Link{}, err
		}
		return rtnl.Link{Index: index, Name: name, Parent: parent.Index}, nil
	}
	return rtnl.Link{}, fmt.Errorf("no free name for the virtual MAC interface: %w", err)
}

// lockedSettle changes the settings of a new macvlan. What is taken in there is
// answered by the interface below, which is where the routes lead.
func (r *netlinkRouter) lockedSettle() error {
	host, v := r.session.host, r.virtual
	if err := host.SetConf(v.index, map[rtnl.Conf]uint32{
		rtnl.ARPIgnore:          1, // it hears every request: answer for its own addresses only
		rtnl.ARPAnnounce:        2, // never name an address of the interface below with the virtual MAC
		rtnl.RPFilter:           2, // loose wins over a strict net.ipv4.conf.all, 0 does not
		rtnl.PromoteSecondaries: 1,
	}); err != nil {
		return err
	}
	// A router advertisement would make an address of the virtual MAC, which
	// RFC 9568 section 7.4 forbids, and a default route.
	if err := host.SetIPv6Conf(v.name, "accept_ra", "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("virtual MAC interface: %w", err)
	}
	return nil
}

// lockedReadyVirtual makes the macvlan if it is missing, and sets it up.
func (r *netlinkRouter) lockedReadyVirtual(parent rtnl.Link, links []rtnl.Link, fresh bool) (rtnl.Link, error) {
	host, v := r.session.host, &r.virtual
	link, ok := v.among(links, parent)
	if _, elsewhere := (&rtnl.State{Links: links}).LinkByIndex(v.index); !ok && !fresh && !elsewhere && v.index != 0 {
		// The watcher may not know it yet. If it is gone, SetUp will say so.
		link, ok = rtnl.Link{Index: v.index, Name: v.name, Parent: parent.Index}, true
	}
	if !ok {
		r.lockedDropVirtual()
		var err error
		if link, err = r.lockedVirtualLink(parent); err != nil {
			return link, err
		}
	}
	if err := r.lockedTakeParent(parent.Index); err != nil {
		return link, err
	}
	if err := host.SetUp(link.Index, true); err != nil {
		return link, err
	}
	v.up, link.Up = true, true
	return link, nil
}

// lockedDropVirtual deletes a macvlan that is above another interface now.
func (r *netlinkRouter) lockedDropVirtual() {
	if r.virtual.index != 0 {
		_ = r.session.host.DelLink(r.virtual.index)
	}
	r.virtual = virtualLink{}
}

// setDown sets the macvlan down when the router holds nothing. That takes some
// 10 ms, in which the kernel does nothing else to links and addresses: routers
// that leave together do it one after the other, when all addresses are gone.
func (r *netlinkRouter) setDown() error {
	if !r.vr.VirtualMAC {
		return nil
	}
	r.n.slow.Lock()
	defer r.n.slow.Unlock()
	r.n.mu.Lock()
	defer r.n.mu.Unlock()
	if r.session == nil || r.held || !r.virtual.up {
		return nil
	}
	r.virtual.up = false
	if err := r.session.host.SetUp(r.virtual.index, false); err != nil && !isGone(err) {
		return err
	}
	return nil
}

// parentSettings are the changes of an interface that has macvlans above it.
type parentSettings struct {
	index int
	users map[*netlinkRouter]bool
	old   map[rtnl.Conf]uint32 // those that were changed
	new   map[rtnl.Conf]uint32
}

// lockedTakeParent changes the interface below for the time that the router
// holds IPv4 addresses.
func (r *netlinkRouter) lockedTakeParent(index int) error {
	p, host := &r.n.parent, r.session.host
	if r.vr.Family != IPv4 || p.index == index && p.users[r] {
		return nil
	}
	if p.index != index || len(p.users) == 0 {
		conf, err := host.Conf(index, rtnl.ARPIgnore, rtnl.ARPAnnounce)
		if err != nil {
			return err
		}
		next := parentSettings{index: index, users: map[*netlinkRouter]bool{}, old: map[rtnl.Conf]uint32{}, new: map[rtnl.Conf]uint32{}}
		for setting, want := range map[rtnl.Conf]uint32{rtnl.ARPIgnore: 1, rtnl.ARPAnnounce: 2} {
			if old := conf[setting]; old < want {
				next.old[setting], next.new[setting] = old, want
			}
		}
		if len(next.new) > 0 {
			if err := host.SetConf(index, next.new); err != nil {
				return err
			}
		}
		*p = next
	}
	p.users[r] = true
	return nil
}

// lockedReleaseParent undoes lockedTakeParent for the last router, except what
// somebody else has changed meanwhile.
func (r *netlinkRouter) lockedReleaseParent() error {
	p, host := &r.n.parent, r.session.host
	if !p.users[r] {
		return nil
	}
	if delete(p.users, r); len(p.users) > 0 || len(p.old) == 0 {
		return nil
	}
	now, err := host.Conf(p.index, rtnl.ARPIgnore, rtnl.ARPAnnounce)
	if err == nil {
		for setting := range p.old {
			if now[setting] != p.new[setting] {
				delete(p.old, setting)
			}
		}
		if len(p.old) > 0 {
			err = host.SetConf(p.index, p.old)
		}
	}
	*p = parentSettings{}
	if isGone(err) {
		return nil
	}
	return err
}
