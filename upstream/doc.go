// Package upstream decides which backend gets a request: layer 7 balancing with
// nginx's rules, in a program's own process.
//
// A [Pool] is a group of backends. [Pool.TryPick] chooses one for an attempt and
// returns a [Lease]; [Lease.Done] gives it back with the outcome, from which the
// pool learns who fails. The package carries no traffic and knows no HTTP: it
// deals in addresses and outcomes, and a proxy on top dials, forwards, retries.
//
//	pool, err := upstream.New(
//		upstream.WithServer("192.0.2.1:80", upstream.Weight(5)),
//		upstream.WithServer("192.0.2.2:80", upstream.MaxConns(100)),
//		upstream.WithServer("192.0.2.9:80", upstream.Backup()),
//	)
//	...
//	var r upstream.Request
//	for r.Tries() < pool.Peers() {
//		lease, err := pool.TryPick(pool.Now(), &r)
//		if err != nil {
//			return err // ErrNoPeer: 502, ErrBusy: 503
//		}
//		err = send(lease.Backend())
//		if err == nil {
//			lease.Done(pool.Now(), upstream.Success)
//			return nil
//		}
//		lease.Done(pool.Now(), upstream.Failure)
//	}
//
// # Rules
//
// The balancers:
//   - [RoundRobin] and [LeastConn], by turns and by load;
//   - [Random], and [RandomTwo] with a look at the load;
//   - [LeastTime], by response time, which many instructions call fair, and
//     [Fair], the rule of nginx's module of that name, which knows no times;
//   - [First], which fills the peers in order;
//   - [IPHash], [Hash], [HashConsistent] and [Maglev], which place a request by what
//     it asks for or where it comes from, with [BoundedLoad] around them;
//   - [Sticky] around any of them, for sessions.
//
// A peer is eligible while this request has not tried it, it is not [Down],
// draining, removed or reported down by a health source, it has not failed
// [MaxFails] times within [FailTimeout], and it has room under [MaxConns]. When no
// primary is eligible, the same rule runs over the next [Priority], and over the
// backups last. When all are out,
// picks fail: nothing is revived early.
//
// After FailTimeout a failed peer gets one request as a probe, and one more per
// FailTimeout until a success clears it. A pool of one backend and no backups is
// the exception nginx makes: the failures of the only peer do not count.
//
// The rules are those of nginx's ngx_http_upstream_round_robin and of its other
// modules as named at the balancers, with three differences: time is a monotonic
// clock in nanoseconds where nginx counts seconds; a kept connection that was
// found closed ([Free]) is not charged to the peer; and a peer at its limit is
// told from a dead one ([ErrBusy]).
//
// # Hashing
//
// [IPHash] reads Addr of the [Request], the others read Key. A key stays at its
// peer while others fail and return, and each request remembers how far it got, so
// that its retries go on from there. IPHash, Hash and HashConsistent choose what
// nginx's ip_hash, hash and hash consistent choose for the same servers, weights
// and history; unlike nginx's they have backups. After a change of the membership
// Hash and IPHash place most keys anew, HashConsistent those of the backend that
// came or went, Maglev a few more. BoundedLoad spills what is too much for one
// peer:
//
//	upstream.WithBalancer(upstream.BoundedLoad(upstream.HashConsistent(), 1.25))
//
// # Admission
//
// With [WithQueue], [Pool.Pick] waits while the peers are merely at their
// max_conns: in the order of arrival, one request woken for each place, and not
// for peers that are out. A share of the requests in flight may be retries, a
// fifth unless [WithRetryBudget] says otherwise; beyond it they fail with
// [ErrBudget]. [SlowStart] spares a peer that comes into service. [WithOutlier]
// ejects peers that stand out, and [WithPanicThreshold] ignores health when too
// few are left; both follow Envoy, and neither is on by default.
//
// # Health and change
//
// [Pool.SetHealth] takes the verdict of any number of named sources and wires to
// a checker in one line. [Pool.Add], [Pool.Update], [Pool.Remove],
// [Pool.SetWeight], [Pool.Drain] and [Pool.DrainFor] change the pool under
// traffic; state follows the id, and a lease outlives the removal of its
// backend.
// [Pool.Snapshot] says why a peer is out, [Pool.Collect] feeds metrics.
//
// # Names
//
// A server may be a name whose addresses are found at run time, and again when
// they expire: [Resolve] for the addresses of a host, [Service] for SRV records.
// k addresses become k peers with the full weight each and the ids name/ip:port.
// [Pool.Run] does the asking, through a [Resolver]; an address that stays keeps its
// state, and the last good answer outlives the failures of name servers:
//
//	pool, err := upstream.New(
//		upstream.WithServer("web.example:80", upstream.Resolve()),
//	)
//	...
//	wg.Go(func() { pool.Run(ctx) }) // returns when ctx is done
//	err = pool.Resolved(starting)   // waits for the first addresses
//
// Where nginx refuses to start while a name has no address, New does not wait: the
// pool then has no peers for that name, and picks fail with [ErrNoPeer] if there
// are no others. A change of a server that is a name, by its id, is one of all its
// peers; health verdicts and drains also go to one of them.
//
// # Cost
//
// A pick with its Done takes one short mutex per pool and allocates nothing:
// tens of nanoseconds for a few peers, and O(n) in the peers, as every smooth
// round robin; the balancers that hash look at one peer unless it is out, and at
// all within [BoundedLoad]. A backend takes less than half a kilobyte, and at
// [HashConsistent] two more for each unit of weight; a table of [Maglev] takes
// 128. A Request used in a pool of more than 64 backends allocates once, for the
// memory of its tries. A request that waits in the queue takes about 200 bytes
// meanwhile. The package starts no goroutines, except those of [Pool.Run] for the
// lookups of names; while requests wait, a pool has one timer. It needs no
// privilege and runs on every platform. Everything is safe for
// concurrent use, except a [Request] and its leases, which belong to one goroutine
// at a time.
//
// # Not built yet
//
// Ejection by failure percentage, slow starts that are not linear, state that
// outlives the process.
package upstream
