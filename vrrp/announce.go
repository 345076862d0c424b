package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Announcer tells the neighbours on the network where a virtual address is
// now. [EthernetAnnouncer] makes one; several routers may share it.
type Announcer interface {
	// Open prepares for one router. [Router.Run] calls it in its own goroutine,
	// before it starts others, and closes what it returns before it returns.
	// events tells the router of other hosts that hold an address, as
	// [AddressConflict]; it never blocks, and may be called by any goroutine.
	Open(ctx context.Context, vr VirtualRouter, vips []netip.Prefix, events func(AddressEvent)) (Announcements, error)
}

// Announcements announces for one router, from one goroutine.
type Announcements interface {
	// Announce sends one frame for each address, which are all that the router
	// has. It does not wait. With no addresses it sends nothing, and says that
	// the router holds them no more: it is called so when the router stops being
	// Active, since what other hosts claim is a conflict only until then.
	Announce(addrs []netip.Addr) error

	// Close ends what Open began.
	Close() error
}

// AnnouncePlan tells when an Active router announces its addresses. The zero
// value of a field keeps its default; a negative one means none.
//
// The first burst begins when the addresses are installed, and again on a new
// reason: a lower speaker was heard, the link came back, an address was
// restored, the host slept, the plan itself changed. Reasons that come faster
// than one an interval, or one a second if intervals are longer, start over less
// and less often, down to once a second, and the last one is always announced
// on. Nothing is announced after the router has left Active.
type AnnouncePlan struct {
	Burst   int           // rounds at once; default 5
	Delay   time.Duration // from the first burst to the second; default 5s
	Repeat  int           // rounds of the second burst; default 5
	Refresh time.Duration // between single rounds afterwards; default 60s
	Spacing time.Duration // between the rounds of a burst; default none
}

// maxRounds bounds a burst, as an advert bounds the addresses.
const maxRounds = 255

// validate refuses bursts without measure.
func (p AnnouncePlan) validate() error {
	var errs []error
	for _, c := range []struct {
		name  string
		value int
	}{{"Burst", p.Burst}, {"Repeat", p.Repeat}} {
		if c.value > maxRounds {
			errs = append(errs, fmt.Errorf("vrrp: announce plan: %s %d is more than %d", c.name, c.value, maxRounds))
		}
	}
	if p.Refresh > 0 && p.Refresh < minInterval {
		errs = append(errs, fmt.Errorf("vrrp: announce plan: Refresh %v is shorter than %v", p.Refresh, minInterval))
	}
	return errors.Join(errs...)
}

// resolve replaces what is not set by its default, and "none" by 0.
func (p AnnouncePlan) resolve() AnnouncePlan {
	return AnnouncePlan{
		Burst: resolved(p.Burst, 5), Delay: resolved(p.Delay, 5*time.Second), Repeat: resolved(p.Repeat, 5),
		Refresh: resolved(p.Refresh, time.Minute), Spacing: resolved(p.Spacing, 0),
	}
}

func resolved[T int | time.Duration](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}
