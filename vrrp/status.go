package vrrp

import (
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Status is a router at one moment. Keys that RFC 8347 names are written as
// there; spans are in nanoseconds, since its units cannot hold short timers.
type Status struct {
	VRID              uint8          `json:"vrid"`               // 1..255
	Family            Family         `json:"family,omitzero"`    // absent while the transport has yet to decide
	VirtualAddresses  []netip.Prefix `json:"virtual-addresses"`  // as configured
	Local             netip.AddrPort `json:"local,omitzero"`     // this speaker's identity, while Run runs
	State             State          `json:"state"`              // "initialize", "backup", "active" or "fault"
	IsOwner           bool           `json:"is-owner"`           // the priority is 255
	Priority          uint8          `json:"priority"`           // as configured
	EffectivePriority uint8          `json:"effective-priority"` // what is advertised now
	Preempt           bool           `json:"preempt"`            // as it holds now: not on standby, always for an owner
	Standby           bool           `json:"standby"`            // after Yield, until Resume
	Yielding          bool           `json:"yielding"`           // priority 0 is sent, the heir has not advertised yet
	Faults            []string       `json:"faults,omitempty"`   // why the state is fault: "addresses"

	Trackers []TrackerStatus `json:"trackers,omitempty"` // in the order in which they were made

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
	IntervalErrors        uint64    `json:"interval-errors"`     // used, or dropped because the interval was 0
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
	m := r.machine
	s := Status{
		VRID: r.vrid, Family: r.family, VirtualAddresses: slices.Clone(r.vips),
		State: m.state, IsOwner: m.set.priority == owner,
		Priority: m.set.priority, EffectivePriority: m.effective(), Preempt: m.preempts(),
		Standby: m.standby, Yielding: m.yielding, Faults: m.faults.names(),
		AdvertiseInterval: m.set.interval, ActiveInterval: m.learned,
		MasterDownInterval: m.down(), SkewTime: m.skew(),
		LastAdvSource: r.lastSource, UpDatetime: r.up,
		LastEvent: lastEvent(r.last.Reason), NewMasterReason: newMasterReason(r.won),
		LastTransition: r.last, Statistics: r.stats, Trackers: r.tracks.status(),
		Drops: make(map[string]uint64, dropReasons-1),
	}
	drops := r.drops
	if run := r.run; run != nil {
		s.Local = m.self
		if at := m.deadline(); at != never {
			s.Deadline = run.wall().Add(time.Duration(at - run.now()))
		}
		run.lockedAddTo(&s.Statistics, &drops)
	}
	for d := DropPeer; d < dropReasons; d++ {
		s.Drops[d.String()] = drops[d]
	}
	s.Statistics.InvalidTypePktsRcvd = drops[DropType]
	s.Statistics.PacketLengthErrors = drops[DropLength]
	s.Statistics.ChecksumErrors = drops[DropChecksum]
	s.Statistics.VersionErrors = drops[DropVersion]
	s.Statistics.VRIDErrors = drops[DropVRID]
	s.Statistics.IntervalErrors += drops[DropInterval]
	return s
}

// Collect emits the figures of [Router.Snapshot]: kind 'g' is a gauge, 'c' a
// counter, labels are keys and values in turn. Every figure carries vrid and
// family, which is empty while the transport has yet to decide it.
//
//	mainstay_vrrp_state                          1 for the present one; third label state
//	mainstay_vrrp_priority, _effective_priority
//	mainstay_vrrp_standby                        1 after Yield, until Resume
//	mainstay_vrrp_master_down_interval_seconds
//	mainstay_vrrp_tracker_contribution           to the priority; third label tracker
//	mainstay_vrrp_tracker_fault                  1: it keeps the router out; third label tracker
//	mainstay_vrrp_drops_total                    third label reason, a [DropReason]
//
// The other counters are those of [Statistics]: mainstay_vrrp_master_transitions_total,
// _advertisements_received_total, _advertisements_sent_total, _priority_zero_received_total,
// _priority_zero_sent_total, and from IntervalErrors on the names of the JSON keys
// with underscores.
func (r *Router) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	s := r.Snapshot()
	family := ""
	if s.Family != 0 {
		family = s.Family.String()
	}
	labels := []string{"vrid", strconv.Itoa(int(s.VRID)), "family", family}
	put := func(name string, kind byte, value float64, more ...string) {
		emit("mainstay_vrrp_"+name, kind, value, append(slices.Clip(labels), more...)...)
	}
	for state := range State(len(stateNames)) {
		put("state", 'g', truth(s.State == state), "state", state.String())
	}
	put("priority", 'g', float64(s.Priority))
	put("effective_priority", 'g', float64(s.EffectivePriority))
	put("standby", 'g', truth(s.Standby))
	put("master_down_interval_seconds", 'g', s.MasterDownInterval.Seconds())
	for _, t := range s.Trackers {
		put("tracker_contribution", 'g', float64(t.Contribution), "tracker", t.Name)
		put("tracker_fault", 'g', truth(t.Fault), "tracker", t.Name)
	}
	st := &s.Statistics
	for _, c := range []struct {
		name  string
		value uint64
	}{
		{"master_transitions", st.MasterTransitions},
		{"advertisements_received", st.AdvertisementRcvd},
		{"advertisements_sent", st.AdvertisementSent},
		{"priority_zero_received", st.PriorityZeroPktsRcvd},
		{"priority_zero_sent", st.PriorityZeroPktsSent},
		{"interval_errors", st.IntervalErrors},
		{"address_list_errors", st.AddressListErrors},
		{"message_only_checksums", st.MessageOnlyChecksums},
		{"losing_adverts", st.LosingAdverts},
		{"equal_priorities", st.EqualPriorities},
		{"owner_conflicts", st.OwnerConflicts},
		{"duplicate_identities", st.DuplicateIdentities},
		{"stalls", st.Stalls},
		{"one_way_links", st.OneWayLinks},
		{"duplicate_vrids", st.DuplicateVRIDs},
		{"announcements", st.Announcements},
		{"announce_errors", st.AnnounceErrors},
		{"address_conflicts", st.AddressConflicts},
		{"send_errors", st.SendErrors},
		{"install_errors", st.InstallErrors},
		{"remove_errors", st.RemoveErrors},
		{"coalesced_transitions", st.CoalescedTransitions},
	} {
		put(c.name+"_total", 'c', float64(c.value))
	}
	for d := DropPeer; d < dropReasons; d++ {
		put("drops_total", 'c', float64(s.Drops[d.String()]), "reason", d.String())
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
