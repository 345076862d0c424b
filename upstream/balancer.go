package upstream

// Balancer is the rule by which a [Pool] chooses among eligible peers. The
// zero value is [RoundRobin].
type Balancer struct {
	name string
	rule picker
}

// String returns the name of the rule as nginx spells it.
func (b Balancer) String() string {
	if b.rule == nil {
		return RoundRobin().name
	}
	return b.name
}

// picker chooses one of the peers of a tier. The pool calls it with mu held
// and does everything else: the tried set, the window, the count of leases.
type picker interface {
	// pick returns the index of the chosen peer, or -1; busy reports that a
	// peer was left out only for its max_conns. When retry is set, peers in the
	// tried set of r are left out.
	pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool)
}

// builder is a picker that works something out of a membership beforehand.
type builder interface {
	// build returns what tier.table is to be. It reads only what does not change
	// in a backend, and its spec; the caller holds the pool's config mutex.
	build(peers []*Backend) any
}

// watcher is told how attempts end, for rules that learn from that.
type watcher interface {
	// ended is called by Lease.Done, before the place in max_conns is given
	// back, without a lock.
	ended(now int64, b *Backend, r *Request, o Outcome)
}

// tier is the peers that are chosen from together: the primaries, the backups,
// or those of one priority.
type tier struct {
	peers []*Backend
	base  int   // the rank of the first one
	table any   // of a builder
	level uint8 // the priority, or backupLevel
}
