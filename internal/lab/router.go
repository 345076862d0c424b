package lab

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// Router describes a virtual router of one speaker, whatever program plays it.
type Router struct {
	VRID      uint8         // default 51
	LAN       int           // its interface is eth and this number
	Version   int           // default 3
	Priority  uint8         // default 100
	Interval  time.Duration // default 200ms, 1s in version 2
	VIPs      []netip.Prefix
	NoPreempt bool
	Delay     time.Duration // preempt delay
	Password  string        // version 2
	Source    netip.Addr    // unicast, with Peers
	Peers     []netip.Addr
	MinTTL    uint8  // of unicast adverts from peers, for speakers that check it; default 255
	VMAC      bool   // use the virtual MAC
	Group     string // sync group
}

// VIP4 and VIP6 are the default addresses of a virtual router on the first
// network. The first IPv6 address must be link-local.
var (
	VIP4  = netip.MustParsePrefix("10.77.0.100/24")
	VIP6L = netip.MustParsePrefix("fe80::100/64")
	VIP6  = netip.MustParsePrefix("fd77::100/64")
)

// IPv6VIPs returns the default addresses of an IPv6 router.
func IPv6VIPs() []netip.Prefix { return []netip.Prefix{VIP6L, VIP6} }

// Defaults returns r with its defaults filled in.
func (r Router) Defaults() Router {
	r.VRID = cmp.Or(r.VRID, 51)
	r.Version = cmp.Or(r.Version, 3)
	r.Priority = cmp.Or(r.Priority, 100)
	r.Interval = cmp.Or(r.Interval, map[bool]time.Duration{false: 200 * time.Millisecond, true: time.Second}[r.Version == 2])
	if r.VIPs == nil {
		r.VIPs = []netip.Prefix{VIP4}
	}
	return r
}

// Family is 4 or 6.
func (r Router) Family() int {
	if r.VIPs[0].Addr().Is6() {
		return 6
	}
	return 4
}

// Interface is the name of the network's interface.
func (r Router) Interface() string { return fmt.Sprintf("eth%d", r.LAN) }

// Name tells a router from others on the host.
func (r Router) Name() string { return fmt.Sprintf("V%d_%d_%d", r.LAN, r.Family(), r.VRID) }

// MAC is the virtual MAC.
func (r Router) MAC() MAC { return VirtualMAC(r.Family(), r.VRID) }

// Skew is how much later than three intervals a Backup takes over.
func (r Router) Skew() time.Duration {
	interval := r.Interval
	if r.Version == 2 {
		interval = time.Second
	}
	return (256 - time.Duration(r.Priority)) * interval / 256
}

// Down is how long a Backup waits after the last advert of a router with the
// same interval.
func (r Router) Down() time.Duration { return 3*r.Interval + r.Skew() }
