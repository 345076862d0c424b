package lvs

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// A Snapshot is a service at one instant, for JSON. Names are those of ipvsadm(8).
type Snapshot struct {
	Group     string         `json:"group"`     // the service's name
	Protocol  Protocol       `json:"protocol"`  // "tcp", "udp" or "sctp"
	VIP       netip.AddrPort `json:"vip"`       // what clients connect to
	Scheduler string         `json:"scheduler"` // "rr", or the name of a scheduler of your own
	Counters
	Refused uint64         `json:"refused"`      // connections for which there was no destination
	Dests   []DestSnapshot `json:"destinations"` // in list order: the one added last comes first
}

// A DestSnapshot is a destination at one instant.
type DestSnapshot struct {
	ID        string         `json:"backend"`          // unique in the group
	Addr      netip.AddrPort `json:"addr"`             // what connections go to
	Weight    int            `json:"weight"`           // as configured
	Effective int            `json:"effective_weight"` // the weight for new connections: 0 while down, drained or quiesced
	Up        bool           `json:"up"`               // no health source objects
	Drained   bool           `json:"drained"`          // by Service.Drain
	Counters
	Health []HealthSnapshot `json:"health,omitempty"` // what the health sources say, by name
}

// A HealthSnapshot is what one health source says of a destination.
type HealthSnapshot struct {
	Source string    `json:"source"`
	Up     bool      `json:"up"`
	Cause  string    `json:"cause,omitempty"` // as SetHealth was told
	Since  time.Time `json:"since"`           // when the source changed its mind last
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
		Group: s.name, Protocol: s.proto, VIP: s.vip, Scheduler: s.sched.name,
		Counters: s.books.counters(), Refused: s.refused.Load(),
		Dests: make([]DestSnapshot, len(list)),
	}
	for i, m := range list {
		d := m.dest
		snap.Dests[i] = DestSnapshot{
			ID: d.id, Addr: d.addr, Weight: d.weight, Effective: int(m.weight),
			Up: !m.down, Drained: d.drained, Counters: d.books.counters(),
		}
		snap.Dests[i].Health = d.lockedHealth()
	}
	return snap
}

// lockedHealth lists what the sources say. The caller holds service.mu.
func (d *Dest) lockedHealth() []HealthSnapshot {
	var list []HealthSnapshot
	for source, v := range d.health {
		h := HealthSnapshot{Source: source, Up: v.up, Since: v.since}
		if v.cause != nil {
			h.Cause = v.cause.Error()
		}
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b HealthSnapshot) int { return cmp.Compare(a.Source, b.Source) })
	return list
}

// Collect emits the service's metrics, kind 'c' for a counter and 'g' for a gauge. Those of the service carry the label group:
// mainstay_lvs_connections_active, _connections_inactive, _connections_total, _connections_failed_total,
// _incoming_bytes_total, _outgoing_bytes_total and _refused_total. Those of a destination carry group and backend: the
// same but for the last, named mainstay_lvs_backend_, and mainstay_lvs_backend_weight, _effective_weight and _up.
func (s *Service) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	snap := s.Snapshot()
	group := []string{"group", snap.Group}
	snap.Counters.collect("mainstay_lvs_", emit, group)
	emit("mainstay_lvs_refused_total", 'c', float64(snap.Refused), group...)
	for _, d := range snap.Dests {
		labels := []string{"group", snap.Group, "backend", d.ID}
		d.Counters.collect("mainstay_lvs_backend_", emit, labels)
		emit("mainstay_lvs_backend_weight", 'g', float64(d.Weight), labels...)
		emit("mainstay_lvs_backend_effective_weight", 'g', float64(d.Effective), labels...)
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
