package vrrp

// What tracking brings; this file goes when it is merged.

type tracking struct{ v verdict }

type verdict struct {
	delta int
	down  bool
}

func (ts *tracking) verdict() verdict { return ts.v }
func (ts *tracking) event() event     { return event{kind: evTrack, delta: ts.v.delta, down: ts.v.down} }
func (ts *tracking) fits(uint8) error { return nil }
func (r *Router) trackEvent() event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tracks.event()
}
