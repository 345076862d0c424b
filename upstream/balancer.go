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
// A Backend's weight and effective weight are shares, which a slow start moves:
// only their proportions mean something.
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

// checker is a picker whose constructor may have been given what it cannot do.
type checker interface {
	// check returns every problem, for New to report.
	check() error
}

// watcher is told how attempts end, for rules that learn from that.
type watcher interface {
	// ended is called by Lease.Done, before the place in max_conns is given
	// back, without a lock.
	ended(now int64, b *Backend, r *Request, o Outcome)
}

// rememberer is a picker that keeps a memo in every backend.
type rememberer interface{ remembers() }

// starter is a picker that notes its choices, and is told of those that a rule
// around it makes instead. The caller holds the pool's mu.
type starter interface {
	chosen(now int64, b *Backend, r *Request)
}

// header is a picker that is told by Lease.Headed, without a lock.
type header interface {
	headed(now int64, b *Backend, r *Request)
}

// wrapper is a picker around another one.
type wrapper interface{ wrapped() picker }

// inner is the rule that rule wraps, or nil.
func inner(rule picker) picker {
	if w, ok := rule.(wrapper); ok {
		return w.wrapped()
	}
	return nil
}

// serve gives the rule, and those it wraps, what they ask of the pool. It comes
// before the first backend.
func (p *Pool) serve(rule picker) {
	for ; rule != nil; rule = inner(rule) {
		if w, ok := rule.(watcher); ok {
			p.watchers = append(p.watchers, w)
		}
		if _, ok := rule.(rememberer); ok {
			p.memos = true
		}
		if h, ok := rule.(header); ok {
			p.header = h
		}
		if _, ok := rule.(sticky); ok {
			p.hints = true
		}
	}
}

// tier is the peers that are chosen from together: the primaries, the backups,
// or those of one priority.
type tier struct {
	peers []*Backend
	base  int   // the rank of the first one
	table any   // of a builder
	level uint8 // the priority, or backupLevel
}
