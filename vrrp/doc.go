// Package vrrp decides which of several hosts holds a virtual address, by the
// Virtual Router Redundancy Protocol version 3 (RFC 9568, IPv4 and IPv6).
//
// Use it where one address must survive the death of the host behind it. The
// hosts advertise to each other; the one with the highest priority is Active
// and holds the address, the others are Backups and take over when it falls
// silent, after three intervals and a skew that is shorter for higher
// priorities: 3.6 s at the default interval of 1 s and priority 100, 36 ms at 10 ms.
//
//	key, err := vrrp.NewHMACKey(1, secret)
//	udp, err := vrrp.UDPTransport(
//		netip.MustParseAddrPort("192.0.2.1:1985"), key,
//		netip.MustParseAddrPort("192.0.2.2:1985"))
//	router, err := vrrp.New(51, []netip.Prefix{netip.MustParsePrefix("192.0.2.100/32")},
//		vrrp.WithTransport(udp),
//		vrrp.WithPriority(150),
//		vrrp.WithAddresses(vrrp.FuncAddresses(install, remove)))
//	err = router.Run(ctx)
//
// # What holding an address means
//
// The router says when; an [AddressManager] does it. [FuncAddresses] makes one
// of two functions, which may call a cloud's API, run a command, or open and
// close a listener. A router that needs the election only has no addresses and
// no manager: [WithOnTransition] tells who is Active.
//
// # Handing over
//
// A router that leaves on purpose, by [Router.Yield] or because the context of
// [Router.Run] ended, sends priority 0 and keeps the addresses until another
// speaker advertises, for one interval at most, so that the gap is no longer than
// the heir takes to install them. RFC 9568 would remove them first.
//
// # Departures from the RFC
//
//   - Timers are kept in nanoseconds; a skew never rounds to zero.
//   - Fault is a fourth state, for a router that cannot hold its addresses. It
//     advertises priority 0 on the way in, hears nothing inside, and comes
//     back as a Backup that waits a full down interval.
//   - An Active router that hears a better one answers once before it yields,
//     so that the winner of a healed split learns that there was a loser.
//   - Every form of the IPv4 checksum is accepted; the one heard last is sent,
//     and until then the one with a pseudo-header, which is what most expect.
//   - A different address list is counted and logged, never a reason to drop an
//     advert; so is a different interval in version 3.
//   - A router without addresses sends an empty list, and accepts one.
//   - An advert that is late by less than an interval does not shift the next.
//
// # Concurrency
//
// Every method may be called by any goroutine. Run uses the caller's goroutine,
// one for the transport's reader, and one each for [WithAddresses] and
// [WithOnTransition]. Callbacks hold no lock; they may call the router.
//
// # Cancellation
//
// When the context of Run ends, the router resigns as above, which takes up to
// one interval if it is Active, then ends its goroutines and returns nil.
//
// # Privileges
//
// None with [UDPTransport], whose adverts only this package understands.
//
// # Cost
//
// A router with UDP takes about 27 KB and up to four goroutines, the one of Run
// among them (BenchmarkRouterMemory). Signing or verifying an advert takes about
// 1 µs of CPU (BenchmarkSignedAdvert), beside the system calls; nothing is
// allocated for it but what the receiving call returns. A takeover is as late
// as the timers of the Go runtime are: half a millisecond at the median on
// Linux (BenchmarkTakeoverUDP).
//
// # Not built yet
//
// VRRP over IP protocol 112, so speaking with keepalived and FRR; VRRPv2;
// installing addresses by netlink; gratuitous ARP and neighbour
// advertisements; tracking; sync groups.
package vrrp
