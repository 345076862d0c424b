package relay

import (
	"net/netip"
	"sync/atomic"
)

// stats are the counters of a relay. Bytes and connections by destination are in the service's books.
type stats struct {
	accepted atomic.Uint64
	ended    [reasons]atomic.Uint64
	retries  atomic.Uint64
	failures atomic.Uint64
	spliced  atomic.Uint64
}

// A Snapshot is a relay at one instant, for JSON. Bytes and connections by destination are in the service's own snapshot.
type Snapshot struct {
	Group           string            `json:"group"`            // the service's name
	VIP             netip.AddrPort    `json:"vip"`              // the service's address
	Listeners       int               `json:"listeners"`        // calls of Serve under way
	Open            int               `json:"open"`             // connections open now
	Accepted        uint64            `json:"accepted"`         // connections taken from listeners
	Ended           map[string]uint64 `json:"ended"`            // of those, how many ended for which Reason
	ConnectFailures uint64            `json:"connect_failures"` // attempts that no destination answered with a connection
	Retries         uint64            `json:"retries"`          // attempts after a connection's first
	SplicedBytes    uint64            `json:"spliced_bytes"`    // bytes that never came to user space
	PipesOpen       int               `json:"pipes_open"`       // pipes for splicing, two descriptors each
	PipesFree       int               `json:"pipes_free"`       // of those, how many nobody uses
}

// Snapshot returns what the relay does and did.
func (r *Relay) Snapshot() Snapshot {
	s := Snapshot{
		Group: r.svc.Name(), VIP: r.svc.VIP(), Accepted: r.stats.accepted.Load(), Ended: make(map[string]uint64, reasons),
		ConnectFailures: r.stats.failures.Load(), Retries: r.stats.retries.Load(), SplicedBytes: r.stats.spliced.Load(),
	}
	for why := range reasons {
		s.Ended[why.String()] = r.stats.ended[why].Load()
	}
	s.PipesOpen, s.PipesFree = r.pipes.counts()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Listeners, s.Open = len(r.listeners), r.open
	return s
}

// Collect emits the relay's metrics, kind 'c' for a counter and 'g' for a gauge, all with the label group, the
// service's name: mainstay_relay_connections_open, _connections_accepted_total, _connections_ended_total (also with the
// label reason, a [Reason]), _connect_failures_total, _retries_total, _spliced_bytes_total and _pipes_open.
func (r *Relay) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	s := r.Snapshot()
	emit("mainstay_relay_connections_open", 'g', float64(s.Open), "group", s.Group)
	emit("mainstay_relay_connections_accepted_total", 'c', float64(s.Accepted), "group", s.Group)
	for why := range reasons {
		emit("mainstay_relay_connections_ended_total", 'c', float64(s.Ended[why.String()]), "group", s.Group, "reason", why.String())
	}
	emit("mainstay_relay_connect_failures_total", 'c', float64(s.ConnectFailures), "group", s.Group)
	emit("mainstay_relay_retries_total", 'c', float64(s.Retries), "group", s.Group)
	emit("mainstay_relay_spliced_bytes_total", 'c', float64(s.SplicedBytes), "group", s.Group)
	emit("mainstay_relay_pipes_open", 'g', float64(s.PipesOpen), "group", s.Group)
}
