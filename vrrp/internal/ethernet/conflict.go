package ethernet

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Pace is how patient the judgement is.
type Pace struct {
	// Settle is how long after its first announcement a holder believes that
	// claims of others are the end of a hand-over: the old owner keeps the
	// addresses until it hears the new one.
	Settle time.Duration

	// Confirm is how long a claim waits before it counts: the claim of a new
	// owner may be heard before its advert has ended our own tenure.
	Confirm time.Duration

	// Quiet is how long a conflict that was reported is not listened for, so
	// that no flood of claims costs more than one wake-up in that time.
	Quiet time.Duration

	// Reask is the least time between two questions who else has an address.
	Reask time.Duration
}

// Patient is the pace of every port.
var Patient = Pace{Settle: 3 * time.Second, Confirm: time.Second, Quiet: time.Minute, Reask: 30 * time.Second}

// Conflict is an address that somebody else holds too.
type Conflict struct {
	Addr netip.Addr
	MAC  MAC // zero: not told
}

// Conflicts judges, for the holders of addresses on one interface, which claims
// of others are conflicts. It is pure: it takes the time.
type Conflicts struct {
	Pace
	holders []*Holder
}

// Holder is one router. It holds addresses from the first Announce that names
// some to one that names none.
type Holder struct {
	Report func(Conflict) // called by the driver

	mac    MAC       // virtual MAC, or zero
	since  time.Time // the first Announce of this tenure; zero: holds nothing
	probed time.Time
	addrs  []netip.Addr
	doubts map[netip.Addr]doubt
}

// doubt is what was heard about one address.
type doubt struct {
	mac   MAC
	until time.Time // not listened for before that
	due   bool      // at that moment it is a conflict
}

// Found is a conflict with the holder that it is reported to.
type Found struct {
	Holder   *Holder
	Conflict Conflict
}

// Add adds a holder, of no addresses yet, whose own MAC is mac, unless that is zero.
func (c *Conflicts) Add(mac MAC, report func(Conflict)) *Holder {
	h := &Holder{Report: report, mac: mac}
	c.holders = append(c.holders, h)
	return h
}

// Remove removes a holder.
func (c *Conflicts) Remove(h *Holder) {
	c.holders = slices.DeleteFunc(c.holders, func(o *Holder) bool { return o == h })
}

// Announce tells that h announces addrs, which are all that it holds, or with
// none that it holds nothing any more. It returns when to look what Listen says,
// or zero, and whether to ask now who else has them.
func (c *Conflicts) Announce(now time.Time, h *Holder, addrs []netip.Addr) (look time.Time, probe bool) {
	switch {
	case len(addrs) == 0:
		// What passes the filter until the next look does no harm.
		h.since, h.addrs, h.doubts = time.Time{}, nil, nil
		return look, false
	case h.since.IsZero():
		h.since, h.probed = now, time.Time{}
		look = now.Add(c.Settle)
		h.addrs = slices.Clone(addrs)
	case !slices.Equal(h.addrs, addrs):
		look = now
		h.addrs = slices.Clone(addrs)
		maps.DeleteFunc(h.doubts, func(a netip.Addr, _ doubt) bool { return !slices.Contains(addrs, a) })
	}
	if now.Sub(h.since) < c.Settle || !h.probed.IsZero() && now.Sub(h.probed) < c.Reask {
		return look, false
	}
	h.probed = now
	return look, true
}

// Hear takes the claim of mac to have addr. own is the MAC of the interface.
func (c *Conflicts) Hear(now time.Time, addr netip.Addr, mac, own MAC) {
	for _, h := range c.holders {
		if !c.listens(now, h, addr) || !slices.Contains(h.addrs, addr) {
			continue
		}
		// Our own frames may come back through a loop in the network. They
		// mean nothing, but they must not be a way to keep us busy either.
		ours := mac != MAC{} && (mac == own || mac == h.mac)
		if h.doubts == nil {
			h.doubts = make(map[netip.Addr]doubt)
		}
		h.doubts[addr] = doubt{mac: mac, until: now.Add(c.Confirm), due: !ours}
	}
}

// listens reports whether a claim to addr, which h holds, would be news.
func (c *Conflicts) listens(now time.Time, h *Holder, addr netip.Addr) bool {
	return !h.since.IsZero() && now.Sub(h.since) >= c.Settle && !now.Before(h.doubts[addr].until)
}

// Due returns the conflicts that are certain by now.
func (c *Conflicts) Due(now time.Time) []Found {
	var found []Found
	for _, h := range c.holders {
		for _, addr := range h.addrs {
			d := h.doubts[addr]
			if !d.due || now.Before(d.until) {
				continue
			}
			found = append(found, Found{h, Conflict{addr, d.mac}})
			h.doubts[addr] = doubt{until: now.Add(c.Quiet)}
		}
	}
	return found
}

// Listen appends the addresses whose claims would be news, in order, and returns
// when that changes, or a conflict becomes certain; zero: not by itself.
func (c *Conflicts) Listen(now time.Time, addrs []netip.Addr) (_ []netip.Addr, next time.Time) {
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, h := range c.holders {
		if h.since.IsZero() {
			continue
		}
		sooner(h.since.Add(c.Settle))
		for _, addr := range h.addrs {
			if c.listens(now, h, addr) {
				addrs = append(addrs, addr)
			} else {
				sooner(h.doubts[addr].until)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), next
}
