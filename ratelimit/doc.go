// Package ratelimit decides whether a request may pass now: nginx's limit_req and limit_conn, with nginx's integers, in
// memory of fixed size.
//
// # Requests
//
// A [Zone] counts requests per key against a rate, a [Rule] says by which key and with which burst, and a [Chain] asks
// several rules at once. This is nginx's
//
//	limit_req_zone $binary_remote_addr zone=one:10m rate=10r/s;
//	limit_req zone=one burst=20 delay=8;
//
// in Go:
//
//	zone, err := ratelimit.NginxZone[netip.Addr]("10r/s", ratelimit.WithName("one"), ratelimit.WithMemory(10<<20))
//	chain, err := ratelimit.NewChain(
//		ratelimit.On(zone, ratelimit.ByRemoteAddr, ratelimit.Burst(20), ratelimit.Delay(8)))
//	limit, err := ratelimit.Middleware(ratelimit.WithChain(chain), ratelimit.WithStatus(503))
//	http.ListenAndServe(":8080", limit(handler))
//
// The same history of requests gets the same answers as from nginx, down to the thousandth of a request and the
// millisecond of a delay: rates are whole thousandths of a request per second, what leaks is rounded down at each
// request that counts, the first request of a key is free, and rejected requests cost nothing. So burst=20 lets 21
// requests of an idle client through at once, and 1r/m is one in 62.5 seconds. Three differences are on purpose: one
// place in a zone goes to a key whatever its length; a zone that is full displaces the key with the least excess and
// never refuses one for want of memory, where nginx displaces the one that came least recently; and IPv6 clients count
// by their /64 unless [WithPrefix] says otherwise. Beyond nginx, a rejection says after how long a request would pass.
//
// A rule can be on any type that has a key: *http.Request, a proxy's own request, or the key itself. [Decision.Verdict]
// and [ConnRule.Enter] give the answer in the shape of a gate in front of a proxy, with fields like those of the
// proxy's verdict, so that one conversion joins the two packages:
//
//	requests := proxy.Gate{Enter: func(r *proxy.Request) proxy.Verdict {
//		return proxy.Verdict(chain.Decide(chain.Now(), r).Verdict(429))
//	}}
//	conns := proxy.Gate{
//		Enter: func(r *proxy.Request) proxy.Verdict { return proxy.Verdict(open.Enter(r, 429)) },
//		Leave: open.Leave,
//	}
//
// In this order, as in nginx, a request that is delayed by the first gate takes no slot of the second meanwhile.
//
// # Connections
//
// A [ConnZone] limits what is in progress at the same time per key. [ConnZone.Acquire] gives a [Slot], a value whose
// Release counts once, however often and through whichever copy it is called.
//
// # Concurrency
//
// Everything here may be used by many goroutines at once. Each key's state is one 64-bit word that changes by
// compare-and-swap; no decision takes a lock. Under concurrency no key gets more than burst + rate*t + 1 requests in any
// span t, unless it is displaced for want of room.
//
// Decisions take the time as monotonic nanoseconds, so that a caller reads the clock once for all it does; [Chain.Now]
// is the clock to use without another. [Middleware] delays a request in its own goroutine, and stops waiting when the
// request's context ends.
//
// # Costs
//
// No privilege, any platform, no goroutines, no timers except for a request that is being delayed. A zone takes 32
// bytes for each key of its capacity, at its creation and for good, without pointers for the garbage collector to
// follow; a connection zone takes 8 bytes more for each slot held at the same time. Decide and Acquire allocate
// nothing. Every six days a zone looks through its table once, on the request that happens to come: some milliseconds
// for a million keys.
//
// The state is the process's own and ends with it. Limits shared by several nodes, trusted proxies in front, bandwidth
// and limits on accepted connections are not built yet.
package ratelimit
