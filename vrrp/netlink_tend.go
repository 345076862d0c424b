package vrrp

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// seenAddrs is what the watcher knows, in a form that is quick to search.
type seenAddrs struct {
	*rtnl.State
	addrs map[addrPlace]rtnl.Addr
}

func (s *netlinkSession) look() seenAddrs {
	state := s.host.State()
	addrs := make(map[addrPlace]rtnl.Addr, len(state.Addrs))
	for _, a := range state.Addrs {
		addrs[addrPlace{a.Index, a.Prefix}] = a
	}
	return seenAddrs{state, addrs}
}

// netlinkRetry is the pause after a list could not be read, or an address not removed.
const netlinkRetry = 100 * time.Millisecond

// lockedTend brings back what should be there, renews lifetimes, and removes
// what should be gone. It returns when it must be called again at the latest;
// the zero time: when something changes.
func (r *netlinkRouter) lockedTend(now time.Time, s seenAddrs) (next time.Time) {
	if len(r.stale) > 0 && r.lockedDelete() != nil {
		next = now.Add(netlinkRetry)
	}
	if !r.held {
		return next
	}
	renew := r.lockedRenewal()
	if renew.IsZero() || now.Before(renew) {
		wait := r.repairs.wait(now)
		switch {
		case r.lockedIntact(s):
			return earlierOf(next, renew)
		case s.State == r.looked:
			wait = max(wait, r.doubts.wait(now))
		}
		if wait > 0 {
			return earlierOf(next, earlierOf(renew, now.Add(wait)))
		}
	}
	err := r.lockedRepair()
	r.lockedLooked(s.State, now)
	if err != nil {
		return earlierOf(next, now.Add(netlinkRetry))
	}
	return earlierOf(next, earlierOf(r.lockedRenewal(), r.doubts.until))
}

// lockedLooked notes what the watcher knew when the kernel was asked, or changed.
// A change that is undone before the watcher reads of either is no news to it. So
// while the watcher knows another state than the books, the kernel is asked again.
func (r *netlinkRouter) lockedLooked(s *rtnl.State, now time.Time) {
	r.looked = s
	r.doubts.hit(now)
}

// lockedRenewal is when the lifetimes are to be renewed; the zero time: never.
func (r *netlinkRouter) lockedRenewal() time.Time {
	if r.n.config.lifetime == 0 {
		return time.Time{}
	}
	return r.renewed.Add(r.n.config.lifetime / 3)
}

// lockedIntact reports whether all addresses are where they should be, as far as
// the watcher knows.
func (r *netlinkRouter) lockedIntact(s seenAddrs) bool {
	link, home := s.Link(r.n.iface)
	ok := home
	if home && r.vr.VirtualMAC {
		parent := link
		link, ok = r.virtual.among(s.Links, parent)
		ok = ok && link.Up
	}
	for i := range r.vips {
		switch v := &r.vips[i]; v.state {
		case vipOurs:
			a, there := s.addrs[v.at]
			if !ok || !there || v.at.link != link.Index || a.Tentative || !r.ours(a, v) {
				return false
			}
		case vipForeign:
			if _, there := s.addrs[v.at]; !ok || !there || v.at.link != link.Index {
				return false
			}
		case vipMissing:
			waits := v.missed && !home || ok && !link.Up && v.prefix.Addr().Is6()
			if !waits {
				return false
			}
		}
	}
	return true
}

var (
	errAddressGone    = errors.New("vrrp: somebody removed the address, or its interface")
	errAddressUnused  = errors.New("vrrp: the kernel does not use the address: duplicate address detection runs, or has failed")
	errAddressExpired = errors.New("vrrp: the address expired: this process was held up for longer than its lifetime")
)

// lockedRepair asks the kernel, since the watcher may know less than the books,
// and brings back what is missing. An error means that it must be called again.
func (r *netlinkRouter) lockedRepair() error {
	host, c := r.session.host, &r.n.config
	links, err := host.Links()
	if err != nil {
		return err
	}
	now := time.Now() // the process may have been stopped until now
	expired := c.lifetime != 0 && now.Sub(r.renewed) >= c.lifetime
	if _, ok := linkNamed(links, r.n.iface); !ok {
		r.lockedHomeless()
		r.renewed = now
		return nil
	}
	link, ok := r.lockedFindLink(links)
	if !ok && c.policy == Reinstall && !expired {
		r.repairs.hit(now)
		if link, err = r.lockedLink(links, true); err != nil {
			return r.lockedFailed(err)
		}
		ok = true
	}
	var have []rtnl.Addr
	if ok {
		if have, err = host.Addrs(link.Index); err != nil {
			return err
		}
	}
	again, err := r.lockedJudge(link, ok, have, expired)
	if err != nil {
		return err
	}
	r.renewed = now
	if len(again) > 0 {
		err = r.lockedBringBack(now, again, links, have)
	}
	_ = r.lockedDelete()
	return err
}

// lockedJudge decides about each address. It renews those that are there, and
// returns those that are to be brought back.
func (r *netlinkRouter) lockedJudge(link rtnl.Link, ok bool, have []rtnl.Addr, expired bool) (again []*netlinkVIP, err error) {
	policy := r.n.config.policy
	for i := range r.vips {
		v := &r.vips[i]
		a, there := findAddr(have, v.prefix)
		there = there && ok
		switch {
		case v.state == vipGivenUp:
		case there && !r.ours(a, v):
			r.lockedForeign(v, a)
		case there && v.state == vipOurs && a.Prefix == v.prefix && !a.Tentative:
			if r.n.config.lifetime != 0 {
				if err := r.session.host.ReplaceAddr(r.spec(v.prefix, link)); err != nil {
					return nil, err
				}
			}
		case ok && !there && !link.Up && v.prefix.Addr().Is6():
			r.lockedMissing(v) // no loss: it comes back with the link
		case v.state == vipOurs && expired:
			r.lockedLost(v, errAddressExpired)
		case v.state == vipOurs && policy == Resign && there:
			r.lockedLost(v, errAddressUnused)
		case v.state == vipOurs && policy == Resign:
			r.lockedLost(v, errAddressGone)
		case v.state == vipOurs && policy == Ignore && there: // of no use, and ours to remove
		case v.state == vipOurs && policy == Ignore:
			v.state = vipGivenUp
		default:
			again = append(again, v)
		}
	}
	return again, nil
}

// lockedBringBack installs addresses that are missing, and tells the router.
func (r *netlinkRouter) lockedBringBack(now time.Time, again []*netlinkVIP, links []rtnl.Link, have []rtnl.Addr) error {
	r.repairs.hit(now)
	link, err := r.lockedLink(links, true)
	if err != nil {
		return r.lockedFailed(err)
	}
	for _, v := range again {
		if v.state == vipOurs && v.at.link != link.Index {
			r.stale = append(r.stale, v.at)
		}
		if err := r.lockedPut(v, link, &have); err != nil {
			return r.lockedFailed(err)
		}
		if v.state == vipOurs {
			r.n.stats.Restored++
			r.lockedTell(AddressRestored, v.prefix.Addr(), nil)
		}
	}
	return nil
}

// lockedFindLink finds the link that the addresses are on. A virtual MAC
// interface that somebody has set down is as good as none.
func (r *netlinkRouter) lockedFindLink(links []rtnl.Link) (rtnl.Link, bool) {
	parent, ok := linkNamed(links, r.n.iface)
	if !r.vr.VirtualMAC {
		return parent, ok
	}
	link, ok := r.virtual.among(links, parent)
	return link, ok && (link.Up || r.n.config.policy == Ignore)
}

// lockedHomeless deals with an interface that was deleted, or has another name.
func (r *netlinkRouter) lockedHomeless() {
	err := fmt.Errorf("vrrp: there is no interface %s any more: %w", r.n.iface, syscall.ENODEV)
	for i := range r.vips {
		v := &r.vips[i]
		if v.state == vipGivenUp {
			continue
		}
		if r.n.config.policy == Ignore || v.missed {
			r.lockedMissing(v)
		} else {
			r.lockedLost(v, err)
		}
		if r.n.config.policy != Resign {
			v.state, v.missed = vipMissing, true // it comes back with the interface
		}
	}
	_ = r.lockedDelete()
	r.lockedDropVirtual()
	_ = r.lockedReleaseParent()
}

// lockedFailed gives everything up, so that the router resigns. If the interface
// vanished meanwhile, it returns the error: the next call will see that.
func (r *netlinkRouter) lockedFailed(err error) error {
	if errors.Is(err, syscall.ENODEV) {
		return err
	}
	for i := range r.vips {
		if v := &r.vips[i]; v.state == vipMissing || v.state == vipOurs {
			r.lockedLost(v, err)
		}
	}
	return nil
}

// lockedMissing notes that an address is not where it was put.
func (r *netlinkRouter) lockedMissing(v *netlinkVIP) {
	if v.state == vipOurs {
		r.stale = append(r.stale, v.at) // it may be there under another name, or useless
	}
	v.state = vipMissing
}

// lockedLost gives an address up, and tells the router.
func (r *netlinkRouter) lockedLost(v *netlinkVIP, err error) {
	r.lockedMissing(v)
	v.state = vipGivenUp
	r.n.stats.Lost++
	r.lockedTell(AddressLost, v.prefix.Addr(), err)
}
