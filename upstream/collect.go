package upstream

// Collect gives every figure of the pool to emit, a counter ('c') or a gauge
// ('g') at a time, with labels as key, value pairs. Names follow nginx's words
// for upstream servers.
//
// Of the pool, with the label group: mainstay_upstream_no_peer_total,
// _busy_total, and _leaving, the requests in flight on removed backends;
// _waiting, _queued_total, _queue_full_total and _queue_timeout_total of the
// queue; _retrying, _retries_total and _over_budget_total of the retry budget;
// _panicking (1 while health is ignored) and _panics_total; see [Snapshot]. Of each
// backend, with the labels group and backend: mainstay_upstream_up (1 while it
// takes requests), _active, _weight, _effective_weight, _fails, _requests_total,
// _failures_total, _free_total, _pass_total, _unavailable_total, _ejected (1
// while it is), _ejections_total and _share (of the weight, below 1 in a slow
// start); see [BackendSnapshot] for what they count. With [LeastTime] there is
// also _response_seconds, the average that it goes by, of backends that have one.
//
// Of each server that is a name, with the same labels:
// mainstay_upstream_resolve_total, _resolve_failures_total, _resolve_addresses
// and _resolve_ok (1 while its last lookups did); see [NameSnapshot].
func (p *Pool) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	s := p.Snapshot()
	all := func(name string, kind byte, value float64) {
		emit("mainstay_upstream_"+name, kind, value, "group", s.Group)
	}
	all("no_peer_total", 'c', float64(s.NoPeer))
	all("busy_total", 'c', float64(s.Busy))
	all("leaving", 'g', float64(s.Leaving))
	all("waiting", 'g', float64(s.Waiting))
	all("queued_total", 'c', float64(s.Queued))
	all("queue_full_total", 'c', float64(s.QueueFull))
	all("queue_timeout_total", 'c', float64(s.QueueTimeout))
	all("retrying", 'g', float64(s.Retrying))
	all("retries_total", 'c', float64(s.Retries))
	all("over_budget_total", 'c', float64(s.OverBudget))
	all("panicking", 'g', one(s.Panicking))
	all("panics_total", 'c', float64(s.Panics))
	for _, b := range s.Backends {
		of := func(name string, kind byte, value float64) {
			emit("mainstay_upstream_"+name, kind, value, "group", s.Group, "backend", b.ID)
		}
		of("up", 'g', one(b.State == StateUp))
		of("active", 'g', float64(b.Active))
		of("weight", 'g', float64(b.Weight))
		of("effective_weight", 'g', float64(b.Effective))
		of("fails", 'g', float64(b.Fails))
		of("requests_total", 'c', float64(b.Requests))
		of("failures_total", 'c', float64(b.Failures))
		of("free_total", 'c', float64(b.Free))
		of("pass_total", 'c', float64(b.Pass))
		of("unavailable_total", 'c', float64(b.Unavailable))
		of("ejected", 'g', one(b.Ejected != nil))
		of("ejections_total", 'c', float64(b.Ejections))
		share := 1.0
		if b.Share != 0 {
			share = b.Share
		}
		of("share", 'g', share)
		if b.ResponseTime != 0 {
			of("response_seconds", 'g', b.ResponseTime.Seconds())
		}
	}
	for _, n := range s.Names {
		of := func(name string, kind byte, value float64) {
			emit("mainstay_upstream_resolve_"+name, kind, value, "group", s.Group, "backend", n.ID)
		}
		of("total", 'c', float64(n.Lookups))
		of("failures_total", 'c', float64(n.Failures))
		of("addresses", 'g', float64(len(n.Addresses)))
		of("ok", 'g', one(n.Resolved && n.Err == ""))
	}
}

// one is 1 for true.
func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
