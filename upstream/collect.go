package upstream

// Collect gives every figure of the pool to emit, a counter ('c') or a gauge
// ('g') at a time, with labels as key, value pairs. Names follow nginx's words
// for upstream servers.
//
// Of the pool, with the label group: mainstay_upstream_no_peer_total,
// _busy_total, and _leaving, the requests in flight on removed backends. Of each
// backend, with the labels group and backend: mainstay_upstream_up (1 while it
// takes requests), _active, _weight, _effective_weight, _fails, _requests_total,
// _failures_total, _free_total, _pass_total and _unavailable_total; see
// [BackendSnapshot] for what they count.
//
// Of each server that is a name, with the same labels:
// mainstay_upstream_resolve_total, _resolve_failures_total, _resolve_addresses
// and _resolve_ok (1 while its last lookups did); see [NameSnapshot].
func (p *Pool) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	s := p.Snapshot()
	emit("mainstay_upstream_no_peer_total", 'c', float64(s.NoPeer), "group", s.Group)
	emit("mainstay_upstream_busy_total", 'c', float64(s.Busy), "group", s.Group)
	emit("mainstay_upstream_leaving", 'g', float64(s.Leaving), "group", s.Group)
	for _, b := range s.Backends {
		one := func(name string, kind byte, value float64) {
			emit("mainstay_upstream_"+name, kind, value, "group", s.Group, "backend", b.ID)
		}
		up := 0.0
		if b.State == StateUp {
			up = 1
		}
		one("up", 'g', up)
		one("active", 'g', float64(b.Active))
		one("weight", 'g', float64(b.Weight))
		one("effective_weight", 'g', float64(b.Effective))
		one("fails", 'g', float64(b.Fails))
		one("requests_total", 'c', float64(b.Requests))
		one("failures_total", 'c', float64(b.Failures))
		one("free_total", 'c', float64(b.Free))
		one("pass_total", 'c', float64(b.Pass))
		one("unavailable_total", 'c', float64(b.Unavailable))
	}
	for _, n := range s.Names {
		one := func(name string, kind byte, value float64) {
			emit("mainstay_upstream_resolve_"+name, kind, value, "group", s.Group, "backend", n.ID)
		}
		ok := 0.0
		if n.Resolved && n.Err == "" {
			ok = 1
		}
		one("total", 'c', float64(n.Lookups))
		one("failures_total", 'c', float64(n.Failures))
		one("addresses", 'g', float64(len(n.Addresses)))
		one("ok", 'g', ok)
	}
}
