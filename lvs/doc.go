// Package lvs decides which real server gets a connection: layer 4 balancing with the rules of Linux's IPVS, in a program's
// own process.
//
// A [Service] is a virtual service as ipvsadm(8) knows it: a protocol, an address, a scheduler and destinations with weights.
// It carries nothing itself. A [Plane] does: [github.com/mainstay-ha/mainstay/lvs/relay] relays TCP in user space without
// any privilege. A plane either asks [Service.Pick] for each connection, or is kept in step with services by a [Director].
//
//	web, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80"))
//	err = web.Add(netip.MustParseAddrPort("10.0.0.1:80"))
//	err = web.Add(netip.MustParseAddrPort("10.0.0.2:80"), lvs.Weight(2))
//	...
//	plane, err := relay.NewPlane(nil)
//	director, err := lvs.NewDirector(plane, web)
//	err = director.Run(ctx)
//
// # Rules
//
// The scheduler is [RoundRobin], the kernel's rr: for the same history of destinations that come, go and
// change, it picks the same sequence. The kernel's list order, the destination added last first, is that of every view and
// snapshot. Rules of your own come in through [NewScheduler].
//
// A destination takes new connections while its weight is above 0, no health source says that it is down, and it is not
// drained; otherwise it keeps those it has. [Service.SetHealth] takes the verdicts of any number of named sources, and
// wires to a checker in one line:
//
//	healthcheck.WithOnChange(func(e healthcheck.Event) { _ = web.SetHealth(e.ID, "tcp", e.Up, e.Err) })
//
// Where nobody may take a connection, [Service.Pick] returns [ErrNoDest] and the plane refuses the client, as the kernel does.
//
// [Dest.Bind] keeps the books in the kernel's words: a connection is active from its first SYN to its first FIN,
// inactive afterwards, and both are counted until it is unbound. [Service.Snapshot] shows them, [Service.Collect] feeds metrics.
//
// A [Director] compares the services with the plane's [Capabilities] and refuses, by name and reason, what the plane
// cannot carry. Then it applies the whole wanted state at its start and after every change, however many came at once.
//
// # Concurrency
//
// All methods may be called from several goroutines. Picks take no lock; a change of the configuration takes the service's,
// copies the list of destinations and swaps it in with one atomic store. Nothing in the package starts a goroutine;
// [Director.Run] works in its caller's and returns nil when its context ends, with the plane as it is.
//
// # Cost
//
// No privilege. A pick by rr takes about 16 ns and no memory, whatever the number of destinations that are eligible; each
// one that is not costs about a nanosecond while it walks past it, and the books of a connection about 120 ns
// (go test -bench . ./lvs; the best of several runs on a busy machine). A destination takes about 300 bytes, a change of one
// of n makes 16 n bytes of garbage.
//
// # Not built yet
//
// The kernel's other schedulers, UDP and SCTP planes, persistence and with it services for all ports, firewall marks,
// overload thresholds, quorum and sorry servers, a deadline for draining, connection synchronisation, and the planes of the
// kernel's IPVS and of raw frames.
//
// The rules are those of Linux 6.1 and 6.12 (net/netfilter/ipvs). The picks of rr are compared with traces of 6.1, which
// cover weights, changes of weight, removal and addition, and, for the rest of the rule, with a model of it.
package lvs
