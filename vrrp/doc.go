// Package vrrp decides which of several hosts holds a virtual address, and makes
// it so: the Virtual Router Redundancy Protocol version 3 (RFC 9568, IPv4 and
// IPv6) and version 2 (RFC 3768), as keepalived and FRR speak it.
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
// That is a keepalived instance with version 3. Routers on one interface share
// the three.
//
// # The parts
//
//   - A [Transport] carries adverts: [RawTransport] as IP protocol 112, multicast
//     or with [WithUnicast]; [UDPTransport] signed, between programs without
//     privilege, which only this package understands.
//   - An [AddressManager] makes the host hold the addresses: [NetlinkAddresses]
//     by rtnetlink, [FuncAddresses] by two functions, which may call a cloud's API
//     or open and close a listener. Without one the state is all there is.
//   - An [Announcer] tells the neighbours: [EthernetAnnouncer] by gratuitous ARP
//     and neighbour advertisements, as [AnnouncePlan] says.
//   - A [Tracker] moves the priority, or takes the router out: [TrackInterface],
//     [TrackProcess], or whatever calls Set.
//   - A [Group] makes several routers Active together or not at all.
//   - [WithOnTransition] tells the program; [ExecNotify] and [FIFONotify] tell
//     scripts that were written for keepalived.
//
// # Handing over
//
// A router that leaves on purpose, by [Router.Yield] or because the context of
// [Router.Run] ended, sends priority 0 and keeps the addresses until another
// speaker advertises, for one interval at most, and 10 ms more (or a quarter of an
// interval), in which that one installs and announces them: nothing is lost.
// RFC 9568 would remove them first.
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
//   - Routers that share a [Raw] advertise together where they are Active: an
//     advert may leave a sixteenth of an interval early.
//
// # Lateness
//
// A router that was held up for longer than its down interval, or whose host
// slept, does not trust what it knew: an Active one advertises and announces at
// once, or steps down where it does not preempt; a Backup listens for an interval
// and a skew before it takes over. [Status] has a histogram of how late timers were.
//
// # Concurrency
//
// Every method may be called by any goroutine. The routers of a [Raw] share one
// goroutine, and the sockets of its interface; the goroutine that called Run waits.
// A router on another transport, and a [Group], work in the goroutine of Run.
// Address managers and callbacks are called by goroutines that exist while there
// is something to call. Callbacks hold no lock; they may call the router.
//
// Sockets are opened in the goroutine that called Run, so that a thread locked to
// a network namespace decides where a router is.
//
// # Cancellation
//
// When the context of Run ends, the router resigns as above, which takes up to
// one interval if it is Active, removes the addresses, ends its goroutines and
// returns nil.
//
// # Privileges
//
// [RawTransport], [EthernetAnnouncer] and [Listen] need CAP_NET_RAW,
// [NetlinkAddresses] CAP_NET_ADMIN, both in the user namespace that owns the
// network namespace. The errors name what is missing, and wrap EPERM.
// [UDPTransport] needs none.
//
// # Cost
//
// A router on a Raw takes 8 KB, its parked Run among them; one with UDP 20 KB and
// four descriptors (BenchmarkRouterMemory). An advert takes half a microsecond
// beside the system calls (BenchmarkEngine), signing or verifying another one
// (BenchmarkSignedAdvert), and nothing is allocated for it, but for what the
// receiving call of UDP returns. What many routers cost on a real interface,
// beside keepalived, is in docs/benchmarks/vrrp.
package vrrp
