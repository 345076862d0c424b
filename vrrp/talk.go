package vrrp

import (
	"net/netip"
	"time"
)

// quiet is for how many seconds a repeated complaint is not logged again.
// Counters count.
const quiet = 60

// talk remembers what has been logged lately. Most routers have nothing to
// complain about.
type talk struct {
	failing bool // the last send failed
	muted   bool // the last announcement failed
	since   *complaints
}

// complaints are logged again from then on.
type complaints struct {
	warned   [warnings]second
	dropped  [dropReasons]second
	conflict second
}

// complaints are those of this session.
func (t *talk) complaints() *complaints {
	if t.since == nil {
		t.since = new(complaints)
	}
	return t.since
}

// second is an instant in seconds, from 1; 0 is long ago.
type second uint32

// due reports whether to log now, and if so, is quiet about it for a while.
func due(until *second, now instant) bool {
	at := second(now/int64(time.Second)) + 1
	if at < *until {
		return false
	}
	*until = at + quiet
	return true
}

// warn counts something an operator should know, and logs it at times.
func (s *session) warn(w warning, peer netip.AddrPort) {
	if s.warned(w) {
		s.log.Warn(warningTexts[w], "peer", peer)
	}
}

// warned counts, and reports whether to log.
func (s *session) warned(w warning) bool {
	s.r.mu.Lock()
	*s.r.stats.counter(w)++
	s.r.mu.Unlock()
	return due(&s.talk.complaints().warned[w], s.engine.now())
}

// counter is where a warning is counted.
func (s *Statistics) counter(w warning) *uint64 {
	switch w {
	case warnEqualPriority:
		return &s.EqualPriorities
	case warnOwnerConflict:
		return &s.OwnerConflicts
	case warnLosing:
		return &s.LosingAdverts
	case warnDuplicate:
		return &s.DuplicateIdentities
	case warnInterval:
		return &s.IntervalErrors
	case warnAddressList:
		return &s.AddressListErrors
	case warnStalled:
		return &s.Stalls
	case warnOneWay:
		return &s.OneWayLinks
	default:
		return &s.DuplicateVRIDs
	}
}

// logDrop tells at times what is dropped. Adverts of other virtual routers are
// an ordinary sight, and so are our own.
func (s *session) logDrop(why DropReason, peer netip.AddrPort) {
	if why == DropVRID || why == DropSelf || !due(&s.talk.complaints().dropped[why], s.engine.now()) {
		return
	}
	s.log.Warn("packet dropped", "reason", why.String(), "peer", peer)
}

// logSend tells when sending begins to fail, and when it works again.
func (s *session) logSend(err error) {
	switch {
	case err != nil && !s.talk.failing:
		s.log.Warn("sending an advertisement", "err", err)
	case err == nil && s.talk.failing:
		s.log.Info("advertisements are sent again")
	}
	s.talk.failing = err != nil
}

// logAnnounce tells when announcing begins to fail, and when it works again.
func (s *session) logAnnounce(err error) {
	switch {
	case err != nil && !s.talk.muted:
		s.log.Warn("announcing the virtual addresses", "err", err)
	case err == nil && s.talk.muted:
		s.log.Info("the virtual addresses are announced again")
	}
	s.talk.muted = err != nil
}
