package vrrp

import (
	"context"
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
type AnnouncePlan struct {
	Burst   int           // rounds at once, on becoming Active and on every new reason; default 5
	Delay   time.Duration // until the second burst; default 5s
	Repeat  int           // rounds of the second burst; default 5
	Refresh time.Duration // between single rounds afterwards; default 60s
	Spacing time.Duration // between the rounds of a burst; default 0
}
