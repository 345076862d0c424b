package upstream

import (
	"cmp"
	"slices"
)

// view is one immutable state of the membership. Running state, of which the
// gates are a part, stays with the backends and outlives it.
type view struct {
	generation uint64
	tiers      []tier     // by priority: the primaries first, the backups last; one at least
	ranks      []*Backend // in the order of the tiers: a peer's index is its rank
	all        []*Backend // in configured order
	byID       map[string]*Backend
	single     bool // one backend, not a backup: its failures do not count
	peers      int  // not configured down
}

// newView sorts the backends into tiers.
func (p *Pool) newView(generation uint64, all []*Backend) *view {
	v := &view{generation: generation, all: all, byID: make(map[string]*Backend, len(all))}
	v.ranks = make([]*Backend, 0, len(all))
	v.ranks = append(v.ranks, all...)
	slices.SortStableFunc(v.ranks, func(x, y *Backend) int { return cmp.Compare(x.spec.level(), y.spec.level()) })
	for base, level := 0, uint8(0); ; {
		end := base
		for end < len(v.ranks) && v.ranks[end].spec.level() == level {
			end++
		}
		t := tier{peers: v.ranks[base:end:end], base: base, level: level}
		if b, ok := p.rule.(builder); ok {
			t.table = b.build(t.peers)
		}
		v.tiers = append(v.tiers, t)
		if end == len(v.ranks) {
			break
		}
		base, level = end, v.ranks[end].spec.level()
	}
	for _, b := range all {
		v.byID[b.id] = b
		if !b.spec.down {
			v.peers++
		}
	}
	v.single = len(all) == 1 && !all[0].spec.backup
	return v
}
