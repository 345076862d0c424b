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

// tier is the peers that are chosen from together: the primaries or the backups.
type tier struct {
	peers []*Backend
	base  int // the rank of the first one
}
