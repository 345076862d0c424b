package upstream

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
)

// Sticky keeps sessions: a request whose [Request.Sticky] names a peer by its
// sticky id ([StickyID]) goes to that peer if it is eligible, and any other
// request goes where b says. The caller keeps the session: it takes the hint
// from the client, for example from a cookie (nginx: sticky cookie), and gives
// it the [Backend.StickyID] of the peer that answered.
//
// A draining peer still takes the requests that name it, so that its sessions
// end as they like; new ones go elsewhere. A named peer that is down, unhealthy,
// temporarily disabled, at its [MaxConns] or tried before is passed over, and
// the client's next hint is another. The peer is looked for among those that
// would be chosen from: while primaries are eligible, a session that a backup
// had taken comes back to them. Of peers that share an id, the first eligible
// one in configured order is taken.
//
// With [RoundRobin] a named peer pays for its turn as if it had been chosen, so
// that newcomers go rather to the others; once it owes a round of theirs, it pays
// no more, so that one busy client does not keep newcomers away for long after.
func Sticky(b Balancer) Balancer {
	if b.rule == nil {
		b = RoundRobin()
	}
	s := sticky{inner: b.rule}
	_, s.pays = b.rule.(roundRobin)
	s.starter, _ = b.rule.(starter)
	return Balancer{b.name + " sticky", s}
}

// StickyID sets what the balancer [Sticky] knows the backend by (nginx: route):
// characters that a cookie's value may have, as RFC 6265 section 4.1.1 lists
// them. Default, and for "": the MD5 of the address as configured in 32 lower
// case hexadecimal digits, which is nginx's too. It is no secret. Several
// backends may have the same.
func StickyID(id string) ServerOption { return func(s *spec) { s.sticky = id } }

// StickyID is what [Sticky] knows the backend by, and what a client has to bring
// back as [Request.Sticky] to meet it again. It allocates nothing, but for the
// first call in a pool with another balancer, which works the id out.
func (b *Backend) StickyID() string {
	if id := b.sticky.Load(); id != nil {
		return *id
	}
	b.pool.config.Lock()
	defer b.pool.config.Unlock()
	id := b.spec.stickyID()
	b.sticky.Store(&id)
	return id
}

func (s *spec) stickyID() string {
	if s.sticky != "" {
		return s.sticky
	}
	sum := md5.Sum([]byte(s.address))
	return hex.EncodeToString(sum[:])
}

// checkStickyID accepts what a cookie's value may be made of.
func checkStickyID(id string) error {
	for i := range len(id) {
		switch c := id[i]; {
		case c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\':
			return fmt.Errorf("byte %q at %d is not for a cookie's value", c, i)
		}
	}
	return nil
}

type sticky struct {
	inner   picker
	starter starter // inner, if it is one
	pays    bool    // inner is the round robin
}

// stickyTable is the table of a tier.
type stickyTable struct {
	tier tier               // what inner sees
	at   map[string][]int32 // by sticky id: indexes in configured order
}

func (s sticky) wrapped() picker { return s.inner }

func (s sticky) build(peers []*Backend) any {
	t := &stickyTable{tier: tier{peers: peers}, at: make(map[string][]int32, len(peers))}
	if b, ok := s.inner.(builder); ok {
		t.tier.table = b.build(peers)
	}
	for i, b := range peers {
		id := b.spec.stickyID()
		t.at[id] = append(t.at[id], int32(i))
	}
	return t
}

func (s sticky) pick(t *tier, now int64, r *Request, retry bool) (at int, busy bool) {
	table := t.table.(*stickyTable)
	if r.Sticky != "" {
		for _, i := range table.at[r.Sticky] {
			if retry && r.has(t.base+int(i)) {
				continue
			}
			b := t.peers[i]
			if a := b.admit(b.gate.Load()&^gateDrain, now); a != yes {
				busy = busy || a == full
				continue
			}
			if s.pays {
				s.pay(t, b, now, r, retry)
			}
			if s.starter != nil {
				s.starter.chosen(now, b, r)
			}
			return int(i), false
		}
	}
	table.tier.base = t.base
	at, more := s.inner.pick(&table.tier, now, r, retry)
	return at, busy || more
}

// pay plays a round of the round robin that b wins, unless b owes what the others
// weigh already. A draining peer has no part in the rounds. The caller holds the
// pool's mu.
func (sticky) pay(t *tier, b *Backend, now int64, r *Request, retry bool) {
	if b.gate.Load()&gateDrain != 0 {
		return
	}
	others := -b.weight
	for _, o := range t.peers {
		others += o.weight
	}
	if b.current <= -others {
		return
	}
	var total int64
	for i, o := range t.peers {
		if retry && r.has(t.base+i) || o.admit(o.gate.Load(), now) != yes {
			continue
		}
		e, _ := o.gain()
		total += e
	}
	b.current -= total
}

// named reports that r names b and that b's pool heeds it.
func (b *Backend) named(r *Request) bool {
	if !b.pool.hints || r.Sticky == "" {
		return false
	}
	id := b.sticky.Load()
	return id != nil && *id == r.Sticky
}
