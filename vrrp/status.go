package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// Status is a router at one moment. Keys that RFC 8347 names are written as
// there; spans are in nanoseconds, since its units cannot hold short timers.
type Status struct {
	VRID              uint8            `json:"vrid"`                // 1..255
	Version           int              `json:"version"`             // 2 or 3
	Family            Family           `json:"family,omitzero"`     // absent while the transport has yet to decide
	Interface         string           `json:"interface,omitempty"` // of a Raw transport
	Group             string           `json:"group,omitempty"`     // the sync group, if it is in one
	VirtualAddresses  []netip.Prefix   `json:"virtual-addresses"`   // as configured
	Local             netip.AddrPort   `json:"local,omitzero"`      // this speaker's identity, while Run runs and there is one
	Peers             []netip.AddrPort `json:"peers,omitempty"`     // where adverts go, while Run runs: a group, or each peer
	State             State            `json:"state"`               // "initialize", "backup", "active" or "fault"
	IsOwner           bool             `json:"is-owner"`            // the priority is 255
	Priority          uint8            `json:"priority"`            // as configured
	EffectivePriority uint8            `json:"effective-priority"`  // what is advertised now
	Tracking          int              `json:"tracking"`            // what the trackers add to the priority, before it is clamped
	Preempt           bool             `json:"preempt"`             // as it holds now: not on standby, always for an owner
	Standby           bool             `json:"standby"`             // after Yield, until Resume
	Yielding          bool             `json:"yielding"`            // priority 0 is sent, the heir may not have the addresses yet
	Faults            []string         `json:"faults,omitempty"`    // why the state is fault: "addresses", "link", "source", "tracking", "group"
	Checksum          Checksum         `json:"checksum"`            // the form of the last advert sent; version 3 over IPv4 has several

	Trackers []TrackerStatus `json:"trackers,omitempty"` // in the order in which they were made
	Speakers []Speaker       `json:"speakers,omitempty"` // others that were heard lately, while Run runs

	AdvertiseInterval  time.Duration `json:"advertise-interval"`        // own
	ActiveInterval     time.Duration `json:"active-advertise-interval"` // learned from the Active router
	MasterDownInterval time.Duration `json:"master-down-interval"`      // RFC 9568 section 6.1
	SkewTime           time.Duration `json:"skew-time"`                 // likewise
	Deadline           time.Time     `json:"deadline,omitzero"`         // when the next timer fires

	LastAdvSource   netip.AddrPort `json:"last-adv-source,omitzero"` // of the last valid advertisement
	UpDatetime      time.Time      `json:"up-datetime,omitzero"`     // left Initialize
	LastEvent       string         `json:"last-event"`               // an identity of RFC 8347, or a Reason it has no word for
	NewMasterReason string         `json:"new-master-reason"`        // not-master, priority, preempted, no-response
	LastTransition  Transition     `json:"last-transition,omitzero"` // absent before the first

	Lateness   Lateness          `json:"lateness"`   // since New
	Statistics Statistics        `json:"statistics"` // since New
	Drops      map[string]uint64 `json:"drops"`      // by DropReason, all of them
}

// Statistics counts over the life of a Router, all its runs.
type Statistics struct {
	DiscontinuityDatetime time.Time `json:"discontinuity-datetime"` // when counting began
	MasterTransitions     uint64    `json:"master-transitions"`     // to Active
	AdvertisementRcvd     uint64    `json:"advertisement-rcvd"`     // valid ones
	AdvertisementSent     uint64    `json:"advertisement-sent"`     // once for all peers
	PriorityZeroPktsRcvd  uint64    `json:"priority-zero-pkts-rcvd"`
	PriorityZeroPktsSent  uint64    `json:"priority-zero-pkts-sent"`
	InvalidTypePktsRcvd   uint64    `json:"invalid-type-pkts-rcvd"`
	PacketLengthErrors    uint64    `json:"packet-length-errors"`
	ChecksumErrors        uint64    `json:"checksum-errors"`
	VersionErrors         uint64    `json:"version-errors"`
	VRIDErrors            uint64    `json:"vrid-errors"`
	IPTTLErrors           uint64    `json:"ip-ttl-errors"`
	IntervalErrors        uint64    `json:"interval-errors"`     // used, or dropped: 0, and any difference in version 2
	AddressListErrors     uint64    `json:"address-list-errors"` // used all the same

	MessageOnlyChecksums uint64 `json:"message-only-checksums"` // valid adverts without pseudo-header
	LosingAdverts        uint64 `json:"losing-adverts"`         // heard while Active, and answered
	EqualPriorities      uint64 `json:"equal-priorities"`
	OwnerConflicts       uint64 `json:"owner-conflicts"`
	DuplicateIdentities  uint64 `json:"duplicate-identities"`
	Stalls               uint64 `json:"stalls"`
	OneWayLinks          uint64 `json:"one-way-links"`
	DuplicateVRIDs       uint64 `json:"duplicate-vrids"`
	Announcements        uint64 `json:"announcements"`   // gratuitous ARP and neighbour advertisements, once an address
	AnnounceErrors       uint64 `json:"announce-errors"` // of the Announcer
	AddressConflicts     uint64 `json:"address-conflicts"`
	SendErrors           uint64 `json:"send-errors"`           // of the transport
	InstallErrors        uint64 `json:"install-errors"`        // of the AddressManager
	RemoveErrors         uint64 `json:"remove-errors"`         // likewise
	CoalescedTransitions uint64 `json:"coalesced-transitions"` // that WithOnTransition did not see
}

// lastEvent is the word of RFC 8347 for a reason. It has none for Yield, faults,
// stalls, sync groups and a lost transport: those are our own.
func lastEvent(r Reason) string {
	switch r {
	case ReasonNone:
		return "vrrp-event-none"
	case ReasonStartup, ReasonOwner:
		return "vrrp-event-startup"
	case ReasonNoResponse, ReasonResigned:
		return "vrrp-event-master-timeout"
	case ReasonPreempt:
		return "vrrp-event-lower-priority-master"
	case ReasonPreemptDelay:
		return "vrrp-event-preempt-hold-timeout"
	case ReasonHigherPriority, ReasonHigherAddress:
		return "vrrp-event-higher-priority-backup"
	case ReasonShutdown:
		return "vrrp-event-shutdown"
	}
	return r.String()
}

// newMasterReason is the word of RFC 8347 for how a router became Active.
func newMasterReason(r Reason) string {
	switch r {
	case ReasonOwner, ReasonResigned, ReasonGroup:
		return "priority"
	case ReasonPreempt, ReasonPreemptDelay:
		return "preempted"
	case ReasonNoResponse:
		return "no-response"
	}
	return "not-master"
}

// Snapshot returns the state of the router. It may be called at any time, also
// before and after [Router.Run].
func (r *Router) Snapshot() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Status{
		VRID: r.vrid, Version: r.config.version, Family: r.family, Group: r.group.Name(),
		VirtualAddresses: slices.Clone(r.config.vips), Tracking: r.tracks.verdict().delta, Trackers: r.tracks.status(), Checksum: r.checksum,
		LastAdvSource: r.lastSource, UpDatetime: r.up,
		LastEvent: lastEvent(r.last.Reason), NewMasterReason: newMasterReason(r.won),
		LastTransition: r.last, Lateness: r.lateness.show(), Statistics: r.stats,
		Drops: make(map[string]uint64, dropReasons-1),
	}
	if raw, ok := r.config.transport.(*Raw); ok {
		s.Interface = raw.iface
	}
	var drops [dropReasons]uint64
	if r.drops != nil {
		drops = *r.drops
	}
	if run := r.run; run != nil {
		s.Peers, s.Speakers = slices.Clone(r.peers), run.codec.speakers()
		run.lockedAddTo(&s.Statistics, &drops)
		run.unit.mu.Lock()
		defer run.unit.mu.Unlock()
		s.Local = r.machine.self
		if at := run.unit.core.deadline(); at != never {
			s.Deadline = run.wall().Add(time.Duration(at - run.engine.now()))
		}
	}
	s.show(r.machine)
	for d := DropPeer; d < dropReasons; d++ {
		s.Drops[d.String()] = drops[d]
	}
	s.Statistics.InvalidTypePktsRcvd = drops[DropType]
	s.Statistics.PacketLengthErrors = drops[DropLength]
	s.Statistics.ChecksumErrors = drops[DropChecksum]
	s.Statistics.VersionErrors = drops[DropVersion]
	s.Statistics.VRIDErrors = drops[DropVRID]
	s.Statistics.IPTTLErrors = drops[DropTTL]
	s.Statistics.IntervalErrors += drops[DropInterval] + drops[DropIntervalMismatch]
	return s
}

// show adds what the machine knows.
func (s *Status) show(m *machine) {
	s.State, s.IsOwner = m.state, m.set.priority == owner
	s.Priority, s.EffectivePriority, s.Preempt = m.set.priority, m.effective(), m.preempts()
	s.Standby, s.Yielding, s.Faults = m.standby, m.yielding, m.faults.names()
	s.AdvertiseInterval, s.ActiveInterval = m.set.interval, m.learned
	s.MasterDownInterval, s.SkewTime = m.down(), m.skew()
}
