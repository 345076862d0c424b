package vrrp

import "time"

// drain steps what has been received, at most budget packets, and reports
// whether there may be more.
func (s *session) drain() (more bool) {
	batch := s.engine.batch[:]
	for range budget / len(batch) {
		n, err := s.link.Receive(batch)
		if err != nil {
			s.unit.fail(s, err)
			return false
		}
		for i := range batch[:n] {
			s.receive(&batch[i])
		}
		if n < len(batch) {
			return false
		}
	}
	return true
}

// receive steps one packet, or counts why not. Only an advert reaches the core.
func (s *session) receive(p *Packet) {
	p.From, p.To = identity(p.From), identity(p.To)
	var wall time.Time
	if s.codec.signed() {
		wall = s.wall()
	}
	why := s.codec.in.inspect(p, wall)
	a, r, interval := s.codec.in.advert, s.r, s.machine.set.interval
	r.mu.Lock()
	if why != 0 {
		r.lockedDrops()[why]++
		r.mu.Unlock()
		if _, ok := s.link.(hosted); ok && why == DropSelf {
			s.warn(warnDuplicate, p.From) // it is not looped back
		}
		s.logDrop(why, p.From)
		return
	}
	r.stats.AdvertisementRcvd++
	r.lastSource = p.From
	if a.Priority == 0 {
		r.stats.PriorityZeroPktsRcvd++
	}
	if a.Checksum == MessageOnly {
		r.stats.MessageOnlyChecksums++
	}
	r.mu.Unlock()
	if a.Interval != interval && s.warned(warnInterval) {
		s.log.Warn(warningTexts[warnInterval], "advertised", a.Interval, "configured", interval, "peer", p.From)
	}
	s.tell(event{kind: evAdvert, priority: a.Priority, interval: a.Interval, from: p.From}, nil)
	// Last, since it may reorder the advert's addresses.
	switch {
	case s.codec.in.sameAddrs():
	case s.codec.in.strangers():
		r.mu.Lock()
		r.stats.AddressListErrors++
		r.mu.Unlock()
		s.warn(warnDuplicateVRID, p.From)
	default:
		s.warn(warnAddressList, p.From)
	}
}
