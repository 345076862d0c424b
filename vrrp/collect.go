package vrrp

import (
	"slices"
	"strconv"
)

// Collect emits the figures of [Router.Snapshot]: kind 'g' is a gauge, 'c' a
// counter, labels are keys and values in turn. Every figure carries vrid, family,
// which is empty while the transport has yet to decide it, and where there is
// one, iface and group.
//
//	mainstay_vrrp_state                          1 for the present one; last label state
//	mainstay_vrrp_priority, _effective_priority
//	mainstay_vrrp_standby                        1 after Yield, until Resume
//	mainstay_vrrp_master_down_interval_seconds
//	mainstay_vrrp_tracking                       what the trackers add to the priority
//	mainstay_vrrp_tracker_contribution           what one adds; last label tracker
//	mainstay_vrrp_tracker_fault                  1: it keeps the router out; last label tracker
//	mainstay_vrrp_fault                          1 for each present one; last label reason
//	mainstay_vrrp_drops_total                    last label reason, a [DropReason]
//	mainstay_vrrp_lateness_seconds_bucket        last label le, upper bound in seconds or +Inf; cumulative
//	mainstay_vrrp_lateness_seconds_sum, _count   of the deadlines that were honoured
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
	if s.Interface != "" {
		labels = append(labels, "iface", s.Interface)
	}
	if s.Group != "" {
		labels = append(labels, "group", s.Group)
	}
	put := func(name string, kind byte, value float64, more ...string) {
		emit("mainstay_vrrp_"+name, kind, value, append(slices.Clip(labels), more...)...)
	}
	for state := range State(len(stateNames)) {
		put("state", 'g', truth(s.State == state), "state", state.String())
	}
	put("priority", 'g', float64(s.Priority))
	put("effective_priority", 'g', float64(s.EffectivePriority))
	put("tracking", 'g', float64(s.Tracking))
	for _, t := range s.Trackers {
		put("tracker_contribution", 'g', float64(t.Contribution), "tracker", t.Name)
		put("tracker_fault", 'g', truth(t.Fault), "tracker", t.Name)
	}
	put("standby", 'g', truth(s.Standby))
	for _, fault := range faultNames {
		put("fault", 'g', truth(slices.Contains(s.Faults, fault)), "reason", fault)
	}
	put("master_down_interval_seconds", 'g', s.MasterDownInterval.Seconds())
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
	below := uint64(0)
	for _, b := range s.Lateness.Buckets {
		le := "+Inf"
		if b.To > 0 {
			le = strconv.FormatFloat(b.To.Seconds(), 'g', -1, 64)
		}
		below += b.Count
		put("lateness_seconds_bucket", 'c', float64(below), "le", le)
	}
	put("lateness_seconds_sum", 'c', s.Lateness.Sum.Seconds())
	put("lateness_seconds_count", 'c', float64(s.Lateness.Count))
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
