// Package relay carries TCP connections to the destinations of an [lvs.Service], in user space and without any privilege:
// the data plane for hosts where the kernel's IPVS is not to be had.
//
// A [Relay] serves one service on listeners of yours. For each connection it asks the service's scheduler for a destination,
// connects, and passes bytes both ways until both sides are done.
//
//	web, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80"))
//	err = web.Add(netip.MustParseAddrPort("10.0.0.1:80"))
//	r, err := relay.New(web)
//	ln, err := relay.Listen(ctx, "192.0.2.10:80")
//	err = r.Serve(ln) // until r.Shutdown or r.Close
//
// A [Plane] does that for all services of an [lvs.Director].
//
// # What a connection meets
//
//   - A destination that refuses, or does not answer within [WithConnectTimeout], is followed by the next one of the
//     scheduler's, up to [WithConnectTries]. If none takes it the client is reset.
//   - The end of one side's stream is passed on as that, and the other direction goes on (half-close). A reset is passed on as
//     a reset, as far as the connection's type can. So is every stream that is cut on the way, by [WithIdleTimeout],
//     [Relay.Close] or a drain whose time is up: nobody takes a part for the whole.
//   - A reader that does not read stops the writer: what the relay holds of one direction is one buffer or one pipe.
//   - The destination sees the relay's address and not the client's; nothing hands the client's on.
//   - Setting a destination's weight to 0, draining it and removing it keep new connections away; those it has go on.
//
// [Record] and its [Reason] tell how each connection went, to [WithAccessLog] and to the debug log; [Relay.Snapshot] and
// [Relay.Collect] count them. The service keeps the books by destination: connections active, inactive and ever, bytes in
// and out.
//
// # Life
//
// [Relay.Serve] returns nil after [Relay.Shutdown] or [Relay.Close]. Shutdown stops accepting, takes what waits in the
// listener's queue (on Linux, from a listener of package net), lets connections end, and resets the rest when its context
// ends. Close resets at once. When either returns, no goroutine, descriptor or timer of the relay is left. All methods may be
// called from several goroutines.
//
// # Cost
//
// A connection takes two goroutines, two descriptors, a timer and about 8 KB of resident memory while it is silent, next to
// the kernel's socket buffers (measured with 4,000 of them). One that is passing bytes has 16 KB for each direction, or, once
// it fills that in one go, a pipe of up to 256 KB of kernel memory and two descriptors, of which there are at most
// [WithMaxPipes]: bytes then move by splice(2) and never enter the process. Messages take no allocation.
//
// That holds on Linux for connections that have SyscallConn, such as those of package net. All others, and those of other
// systems, are copied through a 16 KB buffer for each direction, which they hold all the time. The relay asks for
// SyscallConn and not for *net.TCPConn: a wrapper that hands its descriptor out is passed by.
//
// No privilege is needed, but what the kernel asks for listening on ports below 1024 (CAP_NET_BIND_SERVICE).
//
// # Not built yet
//
// UDP, PROXY protocol headers and transparent source addresses, which would tell destinations who the client is, and a
// deadline for draining a single destination.
package relay
