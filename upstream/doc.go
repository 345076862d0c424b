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
// The balancers are [RoundRobin] and [LeastConn]. A peer is eligible while this
// request has not tried it, it is not [Down], draining, removed or reported down
// by a health source, it has not failed [MaxFails] times within [FailTimeout],
// and it has room under [MaxConns]. When no primary is eligible, the same rule
// runs over the next [Priority], and over the backups last. When all are out,
// picks fail: nothing is revived early.
//
// After FailTimeout a failed peer gets one request as a probe, and one more per
// FailTimeout until a success clears it. A pool of one backend and no backups is
// the exception nginx makes: the failures of the only peer do not count.
//
// The rules are those of nginx's ngx_http_upstream_round_robin and
// ngx_http_upstream_least_conn, with three differences: time is a monotonic
// clock in nanoseconds where nginx counts seconds; a kept connection that was
// found closed ([Free]) is not charged to the peer; and a peer at its limit is
// told from a dead one ([ErrBusy]).
//
// # Health and change
//
// [Pool.SetHealth] takes the verdict of any number of named sources and wires to
// a checker in one line. [Pool.Add], [Pool.Update], [Pool.Remove],
// [Pool.SetWeight] and [Pool.Drain] change the pool under traffic; state follows
// the id, and a lease outlives the removal of its backend.
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
// round robin. A backend takes less than half a kilobyte. A Request used in a
// pool of more than 64 backends allocates once, for the memory of its tries.
// The package starts no goroutines, except those of [Pool.Run] for the lookups of
// names, needs no privilege and runs on every platform. Everything is safe for
// concurrent use, except a [Request] and its leases, which belong to one goroutine
// at a time.
//
// # Not built yet
//
// Balancers that hash, measure latency or keep sessions, slow start, waiting in a
// queue.
package upstream
