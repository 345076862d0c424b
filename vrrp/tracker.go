package vrrp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// Tracker is something that a router watches beside the election: a script, a
// file, an interface, a process, or anything else that is up or down. Make one
// with [Router.Track]. Its methods may be called by any goroutine and at any
// time, callbacks of the router included: they leave the news for the router
// and do not wait until it has acted on it. Of several changes that the router
// has not seen yet it sees the latest.
type Tracker struct {
	mu      sync.Mutex // guards everything below; held before Router.mu, never after
	track   track
	routers []*Router // empty after Remove
}

// Track adds a tracker to the router, before, during or after Run. What it is
// told holds for this Run and the next ones, until [Tracker.Remove].
//
// weight, -253 to 253, is what the tracker adds to the priority that the router
// claims; with weight 0 the router is in [Fault] while the tracker is down.
// These are the rules of keepalived:
//
//	weight        up      down
//	0             -       fault
//	0, reverse    fault   -
//	+w            +w      -
//	-w            -       -w
//	+w, reverse   -w      -
//	-w, reverse   -       +w
//
// All weights are added to the priority; the sum is then held within 1 and 254
// (keepalived's effective priority). A change shifts the deadline of a Backup
// by the difference, and an Active router makes its new claim from its next
// advert on. A weight must be able to reorder the routers: with priorities 100
// and 90, one of -2 moves nothing.
//
// A tracker is unknown until the first call of [Tracker.Set] or
// [Tracker.Adjust]. An unknown one of weight 0 keeps the router out, since
// nobody knows yet whether it can serve; made while the router is Active, it
// makes that resign. An unknown one with a weight adds nothing. See
// [InitialDown] to begin as down, [Rise] and [Fall] to want several verdicts in
// a row.
//
// Names are unique in a router; they are what the log and [Router.Snapshot]
// show. A router of priority 255 takes trackers of weight 0 only. The error
// lists every problem.
//
// [TrackInterface] and [TrackProcess] bring verdicts, and so may anything that
// has a bool to give, such as the checks of package healthcheck (vrrp_script;
// its policy has a rise and a fall of its own). With one check in a manager:
//
//	web, err := router.Track("chk_web", -20)
//	...
//	checks, err := healthcheck.New(healthcheck.WithOnChange(func(e healthcheck.Event) {
//		web.Set(e.Up)
//	}))
func (r *Router) Track(name string, weight int, opts ...TrackOption) (*Tracker, error) {
	return trackAll([]*Router{r}, name, weight, opts)
}

// trackAll makes one tracker of several routers, or none. A sync group tracks
// with it for all of its members; unlike keepalived without
// sync_group_tracking_weight, any weight will do.
func trackAll(routers []*Router, name string, weight int, opts []TrackOption) (*Tracker, error) {
	k, err := newTrack(name, weight, opts)
	if err != nil {
		return nil, err
	}
	// First everybody is asked: an unknown tracker of weight 0 is felt at once.
	var errs []error
	for _, r := range routers {
		errs = append(errs, r.admits(&k))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t := &Tracker{track: k}
	for _, r := range routers {
		if err := r.add(t, k); err != nil { // something has come in between
			t.Remove()
			return nil, err
		}
		t.routers = append(t.routers, r)
	}
	return t, nil
}

// Set tells whether the object is up. It ends what [Tracker.Adjust] began.
func (t *Tracker) Set(up bool) {
	t.change(slog.LevelInfo, func(k *track) { k.set(up) })
}

// Adjust adds delta to the priority in place of the weight, until the next Set:
// the value of a track_file. -254 and less is a fault, more than 253 counts as
// 253. [Reverse], [Rise] and [Fall] do not apply. It counts for a weight of 0
// as well; where any other value than 0 is to be a fault, as in a track_file of
// weight 0, call Set(value == 0). A router of priority 255 minds the faults
// only.
func (t *Tracker) Adjust(delta int) {
	t.change(slog.LevelDebug, func(k *track) { k.adjust(delta) })
}

// Remove takes the tracker from the router: it adds nothing, and faults
// nothing, any more. Its name is free again. Later calls of its methods do
// nothing.
func (t *Tracker) Remove() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.routers {
		r.remove(t)
	}
	t.routers = nil
}

// change changes the tracker and tells the routers, if they are to know.
func (t *Tracker) change(level slog.Level, f func(*track)) {
	t.mu.Lock()
	before := t.track
	f(&t.track)
	now, routers := t.track, t.routers
	for _, r := range routers {
		r.replace(t, now)
	}
	t.mu.Unlock()
	if was, is := before.verdict(), now.verdict(); was != is || before.state() != now.state() {
		for _, r := range routers {
			r.logger().Log(context.Background(), level, "tracker", "tracker", now.name, "state", now.state(), "contribution", is.delta, "fault", is.down)
		}
	}
}

// admits refuses a tracker that the router cannot have.
func (r *Router) admits(k *track) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lockedAdmits(k)
}

func (r *Router) lockedAdmits(k *track) error {
	err := errors.Join(r.tracks.admits(k), r.tracks.fits(r.config.priority, *k))
	if err != nil {
		return fmt.Errorf("vrrp: virtual router %d: %w", r.vrid, err)
	}
	return nil
}

// add gives the router a tracker.
func (r *Router) add(t *Tracker, k track) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.lockedAdmits(&k); err != nil {
		return err
	}
	r.lockedTrack(func(ts *tracking) { ts.list = append(ts.list, tracked{t, k}) })
	return nil
}

// replace takes what a tracker has been told.
func (r *Router) replace(t *Tracker, k track) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lockedTrack(func(ts *tracking) {
		if i := ts.find(t); i >= 0 {
			ts.list[i].track = k
		}
	})
}

// remove forgets a tracker.
func (r *Router) remove(t *Tracker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lockedTrack(func(ts *tracking) {
		if i := ts.find(t); i >= 0 {
			ts.list = slices.Delete(ts.list, i, i+1)
		}
	})
}

// lockedTrack changes what the router tracks; r.mu is held. If that changes the
// verdict it leaves word for the session, which asks for the verdict when it
// gets to it; without a Run the idle machine has it at once.
func (r *Router) lockedTrack(f func(*tracking)) {
	before := r.tracks.verdict()
	f(&r.tracks)
	if r.tracks.verdict() != before {
		r.lockedTracked()
	}
}

func (r *Router) logger() *slog.Logger {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.config.log.With("vrid", r.vrid)
}

// trackEvent is the verdict of now.
func (r *Router) trackEvent() event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tracks.event()
}
