// Package vrrp decides which of several hosts holds a virtual address, by the
// Virtual Router Redundancy Protocol: version 3 (RFC 9568, IPv4 and IPv6) and
// version 2 (RFC 3768, IPv4). It speaks with keepalived and FRR.
//
// Use it where one address must survive the death of the host behind it. The
// hosts advertise to each other; the one with the highest priority is Active
// and holds the address, the others are Backups and take over when it falls
// silent, after three intervals and a skew that is shorter for higher
// priorities: 3.6 s at the default interval of 1 s and priority 100, 36 ms at 10 ms.
//
//	raw, err := vrrp.RawTransport("eth0")
//	addresses, err := vrrp.NetlinkAddresses("eth0")
//	neighbours, err := vrrp.EthernetAnnouncer("eth0")
//	router, err := vrrp.New(51, []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")},
//		vrrp.WithTransport(raw),
//		vrrp.WithAddresses(addresses),
//		vrrp.WithAnnounce(neighbours),
//		vrrp.WithPriority(150))
//	err = router.Run(ctx)
//
// Without privilege, or where multicast does not reach, adverts travel by
// [UDPTransport] between hosts that run this package.
//
// # What holding an address means
//
// The router says when; an [AddressManager] does it, and an [Announcer] tells
// the neighbours. [NetlinkAddresses] installs addresses on an interface of this
// host. [FuncAddresses] is two functions, which may call a cloud's API, run a
// command, or open and close a listener. A router that needs the election only
// has no addresses and no manager: [WithOnTransition] tells who is Active.
//
// What else decides whether a router may hold them is told by a [Tracker]. Routers
// that must stand or fall together are a [Group].
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
//   - Both forms of the IPv4 checksum are accepted; the one with a
//     pseudo-header is sent, which is what most speakers expect.
//   - A different address list or interval is counted and logged, never a
//     reason to drop an advert.
//   - A router without addresses sends an empty list, and accepts one.
//   - An advert that is late by less than an interval does not shift the next.
//   - Routers that share a [Raw] advertise together where they are Active: an
//     advert may leave a sixteenth of an interval early.
//   - A router that was held up for longer than its down interval, or whose host
//     slept, does not trust what it believes: see [Status] and its counter of stalls.
//
// # Concurrency
//
// Every method may be called by any goroutine. One goroutine does everything for
// a router: for those on a [Raw] the same one for all, which that starts, and for
// others the one that called Run. It never waits for anything but the next event.
// The calls of an AddressManager, and the callbacks of [WithOnTransition], have a
// goroutine each while there is one to make. Callbacks hold no lock; they may
// call the router.
//
// What has been received is always looked at before a timer is believed. On Linux
// the kernel's timers are used, by one descriptor that the runtime's poller
// waits for, so no thread is held; elsewhere, and with a Transport that has no
// descriptors, timers of the runtime.
//
// # Cancellation
//
// When the context of Run ends, the router resigns as above, which takes up to
// one interval if it is Active, then ends its goroutines and returns nil.
//
// # Privileges
//
// [RawTransport] and [EthernetAnnouncer] need CAP_NET_RAW, [NetlinkAddresses]
// needs CAP_NET_ADMIN, each in the network namespace of the goroutine that calls
// Run, which opens what they need. None with UDPTransport and FuncAddresses.
//
// # Cost
//
// A router on a Raw takes 8 KB, its parked Run among them; one with UDP 20 KB and
// four descriptors (BenchmarkRouterMemory). An advert takes half a microsecond
// beside the system calls (BenchmarkEngine), signing or verifying another one
// (BenchmarkSignedAdvert), and nothing is allocated for it, but for what the
// receiving call of UDP returns. 255 Active routers at 1 s wake the
// process 20 times a second. A takeover is 0.1 ms late at the median on Linux
// (BenchmarkTakeoverUDP).
package vrrp
