package vrrp

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// groups are where adverts go (RFC 9568 section 5.1.1).
var groups = [...]netip.Addr{
	netip.AddrFrom4([4]byte{224, 0, 0, 18}),
	netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12}), // ff02::12
}

// Listen calls f with every VRRP message on an interface until ctx ends, and
// returns nil then: of every version, virtual router and family, also such that
// are wrong, behind an authentication header, or sent by this host. It takes no
// part in any election. It joins the groups of RFC 9568, so that switches that
// snoop deliver; a message for another group or host is heard if it comes anyway.
// Of a message in IPv6 fragments, which one with more than 90 addresses is, nothing
// is heard.
//
// f is called in the goroutine of Listen, in order; while it works, messages
// wait in a socket buffer and may be lost. What it is given is its own.
//
// Linux only; it needs CAP_NET_RAW. The error wraps EPERM and names that without
// it; it wraps ENODEV where the interface does not exist, or ceases to.
// Elsewhere it wraps errors.ErrUnsupported.
func Listen(ctx context.Context, iface string, f func(Heard)) error {
	err := listen(ctx, iface, func(msg []byte, src, dst netip.Addr, ttl uint8, ah bool) {
		h := decode(msg, src, dst, ttl, ah)
		h.Time, h.Iface = time.Now(), iface
		f(h)
	})
	if err != nil {
		return fmt.Errorf("vrrp: listening on %q: %w", iface, err)
	}
	return nil
}
