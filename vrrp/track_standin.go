package vrrp

import "errors"

// What tracking brings; this file goes when it is merged.

type (
	Tracker     struct{}
	TrackOption func()

	TrackerStatus struct {
		Name         string
		Contribution int
		Fault        bool
	}

	tracking struct{ v verdict }
	verdict  struct {
		delta int
		down  bool
	}
)

func (ts *tracking) verdict() verdict        { return ts.v }
func (ts *tracking) event() event            { return event{kind: evTrack, delta: ts.v.delta, down: ts.v.down} }
func (ts *tracking) fits(uint8) error        { return nil }
func (ts *tracking) status() []TrackerStatus { return nil }

func (r *Router) trackEvent() event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tracks.event()
}

func trackAll([]*Router, string, int, []TrackOption) (*Tracker, error) {
	return nil, errors.ErrUnsupported
}
