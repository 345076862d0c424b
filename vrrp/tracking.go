package vrrp

import (
	"fmt"
	"slices"
)

// tracking is what a router tracks; Router.mu guards it. What all trackers say
// together is a sum without bounds, so that their order does not matter: the
// machine clamps the priority that comes of it.
type tracking struct{ list []tracked }

// tracked is one tracker, as it was last.
type tracked struct {
	by *Tracker
	track
}

// verdict is what all trackers say together.
func (ts *tracking) verdict() verdict {
	var all verdict
	for i := range ts.list {
		v := ts.list[i].verdict()
		all.delta += v.delta
		all.down = all.down || v.down
	}
	return all
}

// event tells the machine.
func (ts *tracking) event() event {
	v := ts.verdict()
	return event{kind: evTrack, delta: v.delta, down: v.down}
}

// find returns the place of a tracker, or -1.
func (ts *tracking) find(by *Tracker) int {
	return slices.IndexFunc(ts.list, func(t tracked) bool { return t.by == by })
}

// admits refuses a second tracker of one name.
func (ts *tracking) admits(k *track) error {
	if slices.ContainsFunc(ts.list, func(t tracked) bool { return t.name == k.name }) {
		return fmt.Errorf("tracker %q exists already", k.name)
	}
	return nil
}

// fits refuses a priority that trackers cannot change: that of the owner of the
// addresses is never altered (RFC 9568 section 5.2.4), only faults reach it.
func (ts *tracking) fits(priority uint8, more ...track) error {
	if priority != owner {
		return nil
	}
	for i := range ts.list {
		more = append(more, ts.list[i].track)
	}
	for i := range more {
		if k := &more[i]; k.weight != 0 {
			return fmt.Errorf("tracker %q has weight %d, and priority %d is never altered: give it weight 0, or the router another priority",
				k.name, k.weight, owner)
		}
	}
	return nil
}

// TrackerStatus is one tracker in a [Status].
type TrackerStatus struct {
	Name         string `json:"name"`         //
	Weight       int    `json:"weight"`       // -253..253; 0: down is a fault
	Reverse      bool   `json:"reverse"`      //
	State        string `json:"state"`        // "unknown", "up", "down", or "adjusted" after Adjust
	Contribution int    `json:"contribution"` // to the effective priority, before that is clamped
	Fault        bool   `json:"fault"`        // keeps the router out of the election
}

// status lists the trackers in the order in which they were made.
func (ts *tracking) status() []TrackerStatus {
	var out []TrackerStatus
	for i := range ts.list {
		t := &ts.list[i]
		v := t.verdict()
		out = append(out, TrackerStatus{t.name, t.weight, t.reverse, t.state(), v.delta, v.down})
	}
	return out
}
