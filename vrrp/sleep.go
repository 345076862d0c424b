package vrrp

import "time"

// sleep notices that the host was suspended: the clock that counts suspension
// runs ahead of the one that does not.
type sleep struct {
	boottime func() (time.Duration, bool) // nil where there is no such clock

	known bool
	ahead time.Duration // when looked at last
}

// Figures of the comparison. Two clocks cannot be read at one moment.
const (
	leastSleep = 20 * time.Millisecond // shorter ones harm nobody
	slowRead   = time.Millisecond      // a reading that took longer says nothing
)

// since returns how long the host slept since the last call, 0 for not at all.
func (s *sleep) since(now func() instant) time.Duration {
	if s.boottime == nil {
		return 0
	}
	before := now()
	boot, ok := s.boottime()
	took := time.Duration(now() - before)
	if !ok || took > slowRead {
		return 0
	}
	ahead := boot - time.Duration(before) - took/2
	slept := ahead - s.ahead
	if !s.known || slept >= leastSleep || slept < 0 {
		s.ahead = ahead
	}
	if !s.known || slept < leastSleep {
		s.known = true
		return 0
	}
	return slept
}
