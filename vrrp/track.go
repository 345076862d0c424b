package vrrp

import (
	"errors"
	"fmt"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// Bounds of tracking, as in keepalived.
const (
	maxWeight  = 253     // of a tracker, and of Adjust, either way
	maxResults = 1 << 16 // of Rise and Fall
)

// TrackOption configures a [Tracker]; see [Router.Track].
type TrackOption func(*track)

// Reverse exchanges the meaning of up and down, as the keyword reverse does;
// see [Router.Track] for what then counts. Default: off.
func Reverse() TrackOption { return func(k *track) { k.reverse = true } }

// Rise sets how many calls of Set(true) in a row make a tracker that is down
// up, 1 to 65536, default 1. Leave it alone where the source of the verdict
// counts already, as package healthcheck does.
func Rise(n int) TrackOption { return func(k *track) { k.counter.rise = n } }

// Fall sets how many calls of Set(false) in a row make a tracker that is up
// down, 1 to 65536, default 1.
func Fall(n int) TrackOption { return func(k *track) { k.counter.fall = n } }

// InitialDown begins with the tracker down instead of unknown (init_fail): it
// then takes as many successes as [Rise] says to be up, where an unknown one
// takes one.
func InitialDown() TrackOption { return func(k *track) { k.counter.known = true } }

// track is what one tracker has been told, and what that means to a router. It
// is a value: the [Tracker] and each of its routers keep a copy.
type track struct {
	name    string
	weight  int
	reverse bool
	counter resultCounter

	adjusted bool // delta counts, not the counter
	delta    int
}

// newTrack returns a tracker without a verdict.
func newTrack(name string, weight int, opts []TrackOption) (track, error) {
	k := track{name: name, weight: weight, counter: resultCounter{rise: 1, fall: 1}}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("vrrp: tracker %q: "+format, append([]any{name}, args...)...))
	}
	if err := option.Apply(&k, opts); err != nil {
		bad("%w", err)
	}
	if name == "" {
		bad("a name is needed")
	}
	if weight < -maxWeight || weight > maxWeight {
		bad("weight %d is outside -%d..%d", weight, maxWeight, maxWeight)
	}
	for _, n := range []int{k.counter.rise, k.counter.fall} {
		if n < 1 || n > maxResults {
			bad("%d results in a row are outside 1..%d", n, maxResults)
		}
	}
	if len(errs) > 0 {
		return track{}, errors.Join(errs...)
	}
	k.counter = newResultCounter(k.counter.rise, k.counter.fall, k.counter.known)
	return k, nil
}

// set takes a result; it ends what adjust began.
func (k *track) set(up bool) { k.counter, k.adjusted = k.counter.next(up), false }

// adjust takes the value of a track_file.
func (k *track) adjust(delta int) { k.delta, k.adjusted = delta, true }

// state is the word for what the tracker has been told.
func (k *track) state() string {
	switch {
	case k.adjusted:
		return "adjusted"
	case !k.counter.known:
		return "unknown"
	case k.counter.up():
		return "up"
	}
	return "down"
}

// verdict is what one tracker, or all of a router together, say.
type verdict struct {
	delta int  // added to the priority
	down  bool // the router is to stay out
}

// verdict is the table in the comment of [Router.Track].
func (k *track) verdict() verdict {
	switch {
	case k.adjusted && k.delta < -maxWeight:
		return verdict{down: true}
	case k.adjusted:
		return verdict{delta: min(k.delta, maxWeight)}
	case !k.counter.known:
		return verdict{down: k.weight == 0}
	case k.weight == 0:
		return verdict{down: k.counter.up() == k.reverse}
	case (k.weight > 0) != k.counter.up():
		return verdict{}
	case k.reverse:
		return verdict{delta: -k.weight}
	}
	return verdict{delta: k.weight}
}
