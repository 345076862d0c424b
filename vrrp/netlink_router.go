package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// netlinkRouter is what a Netlink does for one router.
type netlinkRouter struct {
	n       *Netlink
	session *netlinkSession
	vr      VirtualRouter
	events  func(AddressEvent)

	// guarded by n.mu
	claimed []netip.Addr // no other router may have them
	held    bool         // between Install and Remove
	vips    []netlinkVIP // to be held
	stale   []addrPlace  // ours, and to be removed
	told    []netip.Addr // reported as configured by somebody else
	virtual virtualLink
	renewed time.Time // the lifetimes
	repairs repairBackoff
	looked  *rtnl.State   // what the watcher knew when the kernel was asked or changed last
	doubts  repairBackoff // since then
	news    []netlinkNews

	sending sync.Mutex    // held while an event is told, and taken before nothing else
	term    atomic.Uint64 // counts Install, Remove and Close: news of an earlier term is stale
}

// addrPlace is where an address is installed.
type addrPlace struct {
	link   int
	prefix netip.Prefix
}

// netlinkVIP is one virtual address of a router that holds it.
type netlinkVIP struct {
	prefix netip.Prefix
	state  vipState
	at     addrPlace // vipOurs: where it was put; vipForeign: where it was found
	missed bool      // vipMissing: the router was told
}

type vipState uint8

const (
	vipMissing vipState = iota // to be installed as soon as the interface allows
	vipOurs                    // we installed it
	vipForeign                 // somebody else did
	vipGivenUp                 // it was lost, and stays so until the next Install
)

var errClosedAddresses = errors.New("vrrp: addresses: closed")

// Install takes the addresses; see [Addresses].
func (r *netlinkRouter) Install(ctx context.Context, vips []netip.Prefix) error {
	r.turn()
	n := r.n
	n.mu.Lock()
	err := r.lockedInstall(ctx, vips)
	news := r.lockedNews()
	n.mu.Unlock()
	for _, e := range news {
		e.deliver()
	}
	if err != nil {
		return fmt.Errorf("installing on %s: %w", n.iface, err)
	}
	return nil
}

func (r *netlinkRouter) lockedInstall(ctx context.Context, vips []netip.Prefix) error {
	if r.session == nil {
		return errClosedAddresses
	}
	if err := r.n.lockedClaim(r, vips); err != nil {
		return err
	}
	r.lockedWant(vips)
	links := r.session.host.State().Links
	for fresh := false; ; fresh = true {
		link, err := r.lockedLink(links, fresh)
		if err == nil {
			err = r.lockedPutAll(ctx, link)
		}
		if err == nil {
			r.held, r.renewed = true, time.Now()
			r.lockedLooked(r.session.host.State(), r.renewed)
			r.session.changed()
			return nil
		}
		// What the watcher knows may be a little old: ask once.
		if !errors.Is(err, syscall.ENODEV) || fresh {
			r.held = false
			return err
		}
		if links, err = r.session.host.Links(); err != nil {
			r.held = false
			return err
		}
	}
}

// lockedWant replaces the addresses to hold, and keeps what is known of those
// that stay.
func (r *netlinkRouter) lockedWant(vips []netip.Prefix) {
	old := r.vips
	r.vips = make([]netlinkVIP, len(vips))
	for i, p := range vips {
		r.vips[i] = netlinkVIP{prefix: p}
		for j := range old {
			if old[j].prefix == p && old[j].state == vipOurs {
				r.vips[i], old[j].state = old[j], vipMissing
			}
		}
	}
	r.lockedAbandon(old)
}

// lockedAbandon notes what is to be removed.
func (r *netlinkRouter) lockedAbandon(vips []netlinkVIP) {
	for _, v := range vips {
		if v.state == vipOurs {
			r.stale = append(r.stale, v.at)
		}
	}
}

// Remove gives the addresses up; see [Addresses].
func (r *netlinkRouter) Remove(context.Context, []netip.Prefix) error {
	r.turn()
	n := r.n
	n.mu.Lock()
	if r.session == nil {
		n.mu.Unlock()
		return nil
	}
	r.held = false
	r.lockedAbandon(r.vips)
	r.vips, r.news = nil, nil
	err := r.lockedDelete()
	if err != nil {
		r.session.changed() // tend tries again
	}
	err = errors.Join(err, r.lockedReleaseParent())
	n.mu.Unlock()
	err = errors.Join(err, r.setDown())
	if err != nil {
		return fmt.Errorf("removing from %s: %w", n.iface, err)
	}
	return nil
}

// lockedDelete removes what is stale. What could not be removed is tried again
// by tend.
func (r *netlinkRouter) lockedDelete() (err error) {
	if r.vr.VirtualMAC { // promotes by itself
		r.stale, err = deleteAddrsPlainly(r.session.host, r.stale)
	} else {
		r.stale, err = deleteAddrs(r.session.host, r.stale)
	}
	return err
}

// Close ends what Open began. What Remove has not removed stays.
func (r *netlinkRouter) Close() error {
	r.turn()
	n := r.n
	n.slow.Lock()
	defer n.slow.Unlock()
	n.mu.Lock()
	s := r.session
	if s == nil {
		n.mu.Unlock()
		return nil
	}
	var err error
	if !r.held && len(r.stale) == 0 && r.virtual.index != 0 {
		if err = s.host.DelLink(r.virtual.index); isGone(err) {
			err = nil
		}
	}
	delete(n.parent.users, r)
	r.session, r.held, r.claimed = nil, false, nil
	n.routers = slices.DeleteFunc(n.routers, func(o *netlinkRouter) bool { return o == r })
	last := len(n.routers) == 0
	if last {
		n.session = nil
	}
	n.mu.Unlock()
	if last {
		err = errors.Join(err, s.end())
	}
	if err != nil {
		return fmt.Errorf("closing the addresses on %s: %w", n.iface, err)
	}
	return nil
}

func (r *netlinkRouter) installed() (n int) {
	for _, v := range r.vips {
		if v.state == vipOurs {
			n++
		}
	}
	return n + len(r.stale)
}

// netlinkNews is an event on its way to the router.
type netlinkNews struct {
	r    *netlinkRouter
	term uint64
	AddressEvent
}

// turn begins another term: what the goroutine found in the old one is not told
// any more.
func (r *netlinkRouter) turn() {
	r.sending.Lock()
	defer r.sending.Unlock()
	r.term.Add(1)
}

// lockedTell notes an event; n.mu is held.
func (r *netlinkRouter) lockedTell(kind AddressEventKind, addr netip.Addr, err error) {
	r.news = append(r.news, netlinkNews{r, r.term.Load(), AddressEvent{Kind: kind, Addr: addr, Err: err}})
}

func (r *netlinkRouter) lockedNews() []netlinkNews {
	news := r.news
	r.news = nil
	return news
}

// deliver tells the router, outside n.mu.
func (e netlinkNews) deliver() {
	e.r.sending.Lock()
	defer e.r.sending.Unlock()
	if e.term == e.r.term.Load() && e.r.events != nil {
		e.r.events(e.AddressEvent)
	}
}

// lockedLink finds the link that the addresses go on, and makes it ready. fresh
// tells that links is what the kernel knows, not the watcher.
func (r *netlinkRouter) lockedLink(links []rtnl.Link, fresh bool) (rtnl.Link, error) {
	link, ok := linkNamed(links, r.n.iface)
	if !ok {
		return link, fmt.Errorf("there is no such interface: %w", syscall.ENODEV)
	}
	if r.vr.VirtualMAC {
		return r.lockedReadyVirtual(link, links, fresh)
	}
	return link, nil
}
