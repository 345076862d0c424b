package healthcheck

import (
	"math"
	"time"
)

// never is a time that does not come.
const never = math.MaxInt64

// schedule decides when which target is checked. It is pure: time comes in as
// the manager's monotonic nanoseconds, targets are small numbers.
//
// A target is in waiting until its check starts and in running until it ends;
// in running it stands at the moment when a checker that still has not
// returned is taken for stuck.
type schedule struct {
	waiting heap
	running heap

	limit  int     // most checks in flight
	busy   int     // checks in flight, those of removed targets included
	fullAt int64   // when busy last was limit
	seed   uint64  // of the jitter
	jitter float64 // fraction of an interval, 0 to 0.5
	spread int64   // longest time to the first check
}

// first gives the times of a target's first check: when it starts, and the
// place in the round that the later ones follow. Both are hashed, so targets
// that come together are checked apart, the same way in every run: the place
// is anywhere in the interval, the first check within spread of now.
func (s *schedule) first(now int64, hash uint64, interval time.Duration) (at, place int64) {
	fraction := float64(hash>>11) / (1 << 53)
	at = now + int64(fraction*float64(min(int64(interval), s.spread)))
	return at, now + int64(fraction*float64(interval)) - int64(interval)
}

// next gives the time and the place of the check after the one that had its
// place at place, started at start and ended at now. Every check starts at its
// place give or take half the jitter, so an interval varies by the whole of it
// and the places stay as evenly spread as the hash made them. Late starts do
// not move them: a process that was stopped does not come back with all of its
// checks in step. Rounds that were missed are left out, so that the next check
// comes a tenth of the interval after the start at the earliest, and a check
// still at work when the next one is due puts that off.
func (s *schedule) next(place, start, now int64, hash uint64, round uint32, interval time.Duration) (at, following int64) {
	every := int64(interval)
	following = place + every
	if soonest := start + every/10; following < soonest {
		following += (soonest - following + every - 1) / every * every
	}
	u := float64(mix(hash^s.seed+uint64(round))>>11) / (1 << 53)
	at = following + int64(s.jitter*(u-0.5)*float64(every))
	return max(at, now+int64(minInterval)), following
}

// due takes the target that has been due longest, if a check may start. own is
// how late it is for want of this process's attention: waiting for a check in
// flight to end is not counted.
func (s *schedule) due(now int64) (index uint32, at, own int64, ok bool) {
	e, ok := s.waiting.top()
	if !ok || e.at > now || s.busy >= s.limit {
		return 0, 0, 0, false
	}
	s.waiting.remove(e.index)
	s.busy++
	return e.index, e.at, max(0, now-max(e.at, s.fullAt)), true
}

// release ends one check in flight.
func (s *schedule) release(now int64) {
	if s.busy >= s.limit {
		s.fullAt = now
	}
	s.busy--
}

// overdue takes a target whose check should have ended by now.
func (s *schedule) overdue(now int64) (index uint32, at int64, ok bool) {
	e, ok := s.running.top()
	if !ok || e.at > now {
		return 0, 0, false
	}
	s.running.remove(e.index)
	return e.index, e.at, true
}

// remove forgets a target.
func (s *schedule) remove(index uint32) {
	s.waiting.remove(index)
	s.running.remove(index)
}

// wake returns when there is something to do next.
func (s *schedule) wake() int64 {
	at := int64(never)
	if e, ok := s.waiting.top(); ok && s.busy < s.limit {
		at = e.at
	}
	if e, ok := s.running.top(); ok {
		at = min(at, e.at)
	}
	return at
}

// hashOf hashes a target's name: FNV-1a over the group, a zero byte and the
// id, then mixed, because the last characters of names that follow each other
// hardly reach FNV's high bits.
func hashOf(group, id string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(group) {
		h = (h ^ uint64(group[i])) * prime
	}
	h *= prime // the zero byte
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * prime
	}
	return mix(h)
}

// mix is the output function of the splitmix64 generator, increment included.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
