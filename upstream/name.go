package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// name is a server that is resolved at run time. All of it is guarded by the
// pool's config mutex.
type name struct {
	spec    spec   // what its peers are made from
	prefix  string // of their ids
	root    []question
	port    uint16 // of the peers; SRV records have their own
	order   int
	drain   bool
	targets []target   // the last good addresses
	peers   []*Backend // of them

	known   bool      // there has been an address
	bad     bool      // err was logged
	lost    bool      // something could not be looked up and was not known before
	err     error     // why the last lookups did not do
	looked  time.Time // the last lookup's end
	next    time.Time // the next lookup
	changed time.Time // the last change of the addresses
	lookups uint64
	failed  uint64
}

// target is an address that a name leads to.
type target struct {
	addr   netip.AddrPort
	weight uint16 // of the SRV record, 0 for none
	later  bool   // not of the lowest priority
}

// newName returns the name that s asks for, with nothing known of it.
func (p *Pool) newName(s *spec) *name {
	n := &name{spec: *s, prefix: s.prefix(), order: p.names.next()}
	host := strings.ToLower(s.address)
	switch {
	case s.service == "":
		h, port, _ := net.SplitHostPort(host) // validated
		v, _ := strconv.ParseUint(port, 10, 16)
		n.port, host = uint16(v), h
		for i, kind := range []RecordKind{RecordA, RecordAAAA} {
			if p.names.cfg.families[i] {
				n.root = append(n.root, question{host, kind})
			}
		}
		return n
	case strings.Contains(s.service, "."):
		host = strings.ToLower(strings.TrimSuffix(s.service, ".")) + "." + host
	default:
		host = "_" + strings.ToLower(s.service) + "._tcp." + host
	}
	n.root = []question{{host, RecordSRV}}
	return n
}

// prefix is what the ids of a name's peers begin with: the id, or the host.
func (s *spec) prefix() string {
	if s.id != s.address || s.service != "" {
		return s.id
	}
	host, _, _ := net.SplitHostPort(s.address)
	return host
}

// asks reports whether n depends on q.
func (n *name) asks(l *lookups, q question) bool {
	if slices.Contains(n.root, q) {
		return true
	}
	if n.spec.service == "" || q.kind == RecordSRV {
		return false
	}
	a := l.all[n.root[0]]
	return a != nil && slices.ContainsFunc(a.records, func(r Record) bool { return r.Target == q.name })
}

// expand works out where n leads, by what the lookups know. It reports false
// while a first answer is missing, and tells of the lookups.
func (n *name) expand(l *lookups) (targets []target, ok bool) {
	ok = true
	n.err, n.lost, n.looked, n.next = nil, false, time.Time{}, time.Time{}
	collect := func(qs []question, r Record, port uint16) {
		var errs []error
		found := false
		for _, q := range qs {
			a := l.all[q]
			if a == nil || !a.settled {
				ok = false
			}
			if a == nil {
				continue
			}
			if a.asked.After(n.looked) {
				n.looked = a.asked
			}
			if !a.asking && (n.next.IsZero() || a.next.Before(n.next)) {
				n.next = a.next
			}
			// That a host has addresses of one family only is no error.
			if a.err != nil {
				err := fmt.Errorf("%s %s: %w", q.kind, q.name, a.err)
				failed := !errors.Is(a.err, ErrNoRecords)
				if failed || a.held() {
					n.err = cmp.Or(n.err, err)
				}
				n.lost = n.lost || failed && len(a.records) == 0
				errs = append(errs, err)
			}
			found = found || len(a.records) > 0
			if q.kind == RecordSRV {
				continue
			}
			for _, x := range a.records {
				targets = append(targets, target{addr: netip.AddrPortFrom(x.Addr, port), weight: r.Weight})
			}
		}
		if !found && len(errs) > 0 {
			n.err = cmp.Or(n.err, errs[0])
		}
	}
	if n.spec.service == "" {
		collect(n.root, Record{}, n.port)
		return n.tidy(targets), ok
	}
	collect(n.root, Record{}, 0)
	if a := l.all[n.root[0]]; a != nil {
		lowest := -1 // of those that have an address
		for _, r := range a.records {
			from := len(targets)
			collect(l.addresses(r.Target), Record{Weight: max(1, r.Weight)}, r.Port)
			if lowest < 0 && len(targets) > from {
				lowest = int(r.Priority)
			}
			for i := range targets[from:] {
				targets[from+i].later = int(r.Priority) != lowest
			}
		}
	}
	return n.tidy(targets), ok
}

// tidy sorts the targets and keeps of each address the one of the lower priority.
func (n *name) tidy(targets []target) []target {
	slices.SortStableFunc(targets, func(x, y target) int {
		if c := x.addr.Compare(y.addr); c != 0 || x.later == y.later {
			return c
		} else if y.later {
			return -1
		}
		return 1
	})
	targets = slices.CompactFunc(targets, func(x, y target) bool { return x.addr == y.addr })
	return targets[:min(len(targets), maxRecords)]
}

// specOf returns what the peer of a target is, and false if there is to be none.
func (n *name) specOf(t target) (spec, bool) {
	s := n.spec
	s.address = t.addr.String()
	s.id = n.prefix + "/" + s.address
	s.resolve, s.service, s.served, s.named = false, "", false, false
	if n.spec.service != "" && s.weight == 1 {
		s.weight = int(t.weight)
	}
	if t.later {
		if s.backup {
			return s, false
		}
		s.backup = true
	}
	return s, true
}

// publish puts the addresses of a name into service. A peer whose address stays
// keeps its state. The caller holds p.config.
func (p *Pool) publish(n *name, targets []target) (added, removed []*Backend) {
	now := p.Now()
	before := make(map[string]*Backend, len(n.peers))
	for _, b := range n.peers {
		before[b.id] = b
	}
	var peers []*Backend
	var changed []*Backend
	for _, t := range targets {
		s, ok := n.specOf(t)
		if !ok {
			continue
		}
		b := before[s.id]
		if b == nil {
			b = p.newBackend(&s)
			b.order, b.from = n.order, n
			b.setLocked(gateDrain, n.drain) // nobody else sees b yet
			added = append(added, b)
		} else if delete(before, s.id); b.spec != s {
			b.spec = s
			changed = append(changed, b)
		}
		peers = append(peers, b)
	}
	for _, b := range n.peers {
		if before[b.id] != nil {
			removed = append(removed, b)
		}
	}
	first := len(n.peers) == 0 // as good as given to New
	n.targets, n.peers = targets, peers
	if len(added)+len(removed)+len(changed) == 0 {
		return nil, nil
	}
	if len(added)+len(removed) > 0 {
		n.changed = time.Now()
	}
	all := slices.DeleteFunc(slices.Clone(p.view.Load().all), func(b *Backend) bool { return b.from == n })
	all = append(all, peers...)
	slices.SortStableFunc(all, func(x, y *Backend) int { return cmp.Compare(x.order, y.order) })
	p.swapIn(all, func() {
		for _, b := range changed {
			b.adoptLocked(&b.spec, now)
		}
		for _, b := range removed {
			b.leaveLocked()
		}
	}, !first)
	p.leaving = append(p.leaving, removed...)
	p.forgetLeft()
	return added, removed
}

// removeName takes a name and its peers out. The caller holds p.config.
func (p *Pool) removeName(n *name) {
	p.publish(n, nil)
	p.names.all = slices.DeleteFunc(p.names.all, func(o *name) bool { return o == n })
	p.names.wakeUp()
	p.names.tell()
}

// drainName is Drain for a name, and reports whether the pool has it.
func (p *Pool) drainName(id string, on bool) bool {
	p.config.Lock()
	n := p.names.find(id)
	changed := false
	if n != nil {
		changed = n.drain != on
		n.drain = on
		for _, b := range n.peers {
			changed = p.flip(b, gateDrain, on) || changed
		}
	}
	p.config.Unlock()
	if changed {
		p.log.Info("drain", slog.String("backend", id), slog.Bool("on", on))
	}
	return n != nil
}

// status is what the snapshot shows of a name. The caller holds p.config.
func (n *name) status() NameSnapshot {
	s := NameSnapshot{
		ID: n.spec.id, Name: n.root[0].name, Resolved: n.known,
		Addresses: make([]string, 0, len(n.targets)),
		Looked:    n.looked.Round(0), Next: n.next.Round(0), Changed: n.changed.Round(0),
		Lookups: n.lookups, Failures: n.failed,
	}
	for i, q := range n.root {
		if i > 0 {
			s.Kind += " and "
		}
		s.Kind += q.kind.String()
	}
	for _, t := range n.targets {
		s.Addresses = append(s.Addresses, t.addr.String())
	}
	if n.err != nil {
		s.Err = n.err.Error()
	}
	return s
}
