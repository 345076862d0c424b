package vrrp

import (
	"math"
	"time"
)

// instant is a point on the core's clock, in nanoseconds since an origin that
// the driver chooses. The clock must not follow the wall clock.
type instant = int64

// never is the deadline of a timer that is not armed.
const never instant = math.MaxInt64

// settings is the part of the configuration that the machine reads.
type settings struct {
	priority     uint8 // 1..255
	preempt      bool  // Preempt_Mode
	standby      bool  // at the start
	quirks       quirks
	interval     time.Duration // Advertisement_Interval
	preemptDelay time.Duration
	startupDelay time.Duration
	adverts      int // in a down interval, without the skew: 3 in RFC 9568
	version      int // 2 or 3
	plan         AnnouncePlan
}

// quirks are the departures that profiles turn on.
type quirks struct {
	silentOnLosing bool // an Active router does not answer a lower advert (RFC 5798)
	silentOnYield  bool // an Active router does not answer a better advert before it leaves (RFC 9568)
	removeFirst    bool // addresses are removed before priority 0 is sent, without a wait for the heir (RFC 9568)
	preemptRest    bool // a preempt delay is followed by the rest of the down interval (keepalived)
}

// skew is Skew_Time of a router with this priority that follows interval. In
// version 2 it is a part of a second, whatever the interval (RFC 3768 section
// 6.1).
func (s *settings) skew(priority uint8, interval time.Duration) time.Duration {
	if s.version == version2 {
		interval = time.Second
	}
	return skewTime(priority, interval)
}

// down is Active_Down_Interval, with keepalived's down_timer_adverts in place of
// the factor 3.
func (s *settings) down(priority uint8, interval time.Duration) time.Duration {
	return time.Duration(s.adverts)*interval + s.skew(priority, interval)
}

// skewTime is Skew_Time of RFC 9568 section 6.1, in nanoseconds. It multiplies
// first, since (256-priority)/256 of a short interval is lost otherwise.
func skewTime(priority uint8, interval time.Duration) time.Duration {
	return (256 - time.Duration(priority)) * interval / 256
}

// after returns the instant d later, or the last one before never.
func after(t instant, d time.Duration) instant {
	if d > 0 && t >= never-int64(d) {
		return never - 1
	}
	return t + int64(d)
}
