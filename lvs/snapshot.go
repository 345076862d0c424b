package lvs

import (
	"maps"
	"net/netip"
)

// A Snapshot is a service at one instant, for JSON. Names are those of ipvsadm(8).
type Snapshot struct {
	Name      string         `json:"name"`      // the group
	Protocol  Protocol       `json:"protocol"`  // "tcp", "udp" or "sctp"
	VIP       netip.AddrPort `json:"vip"`       // what clients connect to
	Scheduler string         `json:"scheduler"` // "rr", or the name of a scheduler of your own
	Counters
	Refused uint64         `json:"refused"`      // connections for which there was no destination
	Dests   []DestSnapshot `json:"destinations"` // in list order: the one added last comes first
}

// A DestSnapshot is a destination at one instant.
type DestSnapshot struct {
	ID        string         `json:"id"`
	Addr      netip.AddrPort `json:"addr"`
	Weight    int            `json:"weight"`    // as configured
	Effective int            `json:"effective"` // the weight for new connections: 0 while down, drained or quiesced
	Up        bool           `json:"up"`        // no health source objects
	Drained   bool           `json:"drained"`   // by Service.Drain
	Counters
	Health map[string]HealthSnapshot `json:"health,omitempty"` // by source
}

// A HealthSnapshot is the latest word of one health source.
type HealthSnapshot struct {
	Up    bool   `json:"up"`
	Cause string `json:"cause,omitempty"`
}

// Counters are the books of a service or a destination. Those of a service also hold what removed destinations did.
type Counters struct {
	Active   int64  `json:"active"`    // ActiveConn: connections in an active state now
	Inactive int64  `json:"inactive"`  // InActConn: connections bound now that are not active
	Total    int64  `json:"total"`     // connections bound now
	Conns    uint64 `json:"conns"`     // Conns: connections ever bound
	Failed   uint64 `json:"failed"`    // of those, the ones that never reached the destination
	InBytes  uint64 `json:"in_bytes"`  // InBytes: from clients
	OutBytes uint64 `json:"out_bytes"` // OutBytes: to clients
}

func (b *books) counters() Counters {
	active, total := b.active.Load(), b.total.Load()
	return Counters{
		Active: active, Inactive: max(total-active, 0), Total: total,
		Conns: b.conns.Load(), Failed: b.failed.Load(),
		InBytes: b.in.Load(), OutBytes: b.out.Load(),
	}
}

// Snapshot returns the service's state. The configuration is of one instant; counters go on while they are read.
func (s *Service) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.current.Load().list
	snap := Snapshot{
		Name: s.name, Protocol: s.proto, VIP: s.vip, Scheduler: s.sched.name,
		Counters: s.books.counters(), Refused: s.refused.Load(),
		Dests: make([]DestSnapshot, len(list)),
	}
	for i, m := range list {
		d := m.dest
		snap.Dests[i] = DestSnapshot{
			ID: d.id, Addr: d.addr, Weight: d.weight, Effective: int(m.weight),
			Up: !m.down, Drained: d.drained, Counters: d.books.counters(),
		}
		if len(d.health) == 0 {
			continue
		}
		h := make(map[string]HealthSnapshot, len(d.health))
		for source, v := range maps.All(d.health) {
			hs := HealthSnapshot{Up: v.up}
			if v.cause != nil {
				hs.Cause = v.cause.Error()
			}
			h[source] = hs
		}
		snap.Dests[i].Health = h
	}
	return snap
}

// Collect emits the service's metrics, kind 'c' for a counter and 'g' for a gauge. Those of the service carry the label group,
// those of a destination, named mainstay_lvs_backend_, group and backend.
func (s *Service) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	snap := s.Snapshot()
	group := []string{"group", snap.Name}
	snap.Counters.collect("mainstay_lvs_", emit, group)
	emit("mainstay_lvs_refused_total", 'c', float64(snap.Refused), group...)
	for _, d := range snap.Dests {
		labels := []string{"group", snap.Name, "backend", d.ID}
		d.Counters.collect("mainstay_lvs_backend_", emit, labels)
		emit("mainstay_lvs_backend_weight", 'g', float64(d.Effective), labels...)
		emit("mainstay_lvs_backend_up", 'g', flag(d.Up), labels...)
	}
}

func (c *Counters) collect(prefix string, emit func(string, byte, float64, ...string), labels []string) {
	emit(prefix+"connections_active", 'g', float64(c.Active), labels...)
	emit(prefix+"connections_inactive", 'g', float64(c.Inactive), labels...)
	emit(prefix+"connections_total", 'c', float64(c.Conns), labels...)
	emit(prefix+"connections_failed_total", 'c', float64(c.Failed), labels...)
	emit(prefix+"incoming_bytes_total", 'c', float64(c.InBytes), labels...)
	emit(prefix+"outgoing_bytes_total", 'c', float64(c.OutBytes), labels...)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
