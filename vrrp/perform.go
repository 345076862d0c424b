package vrrp

import "net/netip"

// perform does what the core asks for.
func (s *session) perform(now instant, a *action, cause error) {
	switch a.kind {
	case actSend:
		s.send(a.priority, s.machine.set.interval)
		s.sentForm()
	case actInstall:
		if s.installer == nil {
			s.holds(now, s.codec.in.addrs)
			return
		}
		s.installer.push(true)
	case actRemove:
		s.releases()
		if s.installer != nil {
			s.installer.push(false)
		}
	case actAnnounce:
		s.announce()
	case actTransition:
		s.transition(a, cause)
	case actWarn:
		s.warn(a.warning, a.peer)
	}
}

// identify makes at this speaker's identity.
func (s *session) identify(at netip.AddrPort) {
	s.codec.setIdentity(at)
	s.tell(event{kind: evIdentity, from: at}, nil)
}

// sentForm publishes the form of the checksum that was sent.
func (s *session) sentForm() {
	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checksum = s.codec.form
}

// holds tells the core that the addresses are held, and may be announced.
func (s *session) holds(now instant, addrs []netip.Addr) {
	s.held = addrs
	s.unit.step(stimulus{now: now, member: s.member, ev: event{kind: evInstalled}})
}

// releases ends what holds began.
func (s *session) releases() {
	s.held = nil
	if s.announcements != nil {
		_ = s.announcements.Announce(nil) // nothing is sent
	}
}

// announce tells the neighbours once about every address.
func (s *session) announce() {
	if s.announcements == nil || len(s.held) == 0 {
		return
	}
	err := s.announcements.Announce(s.held)
	r := s.r
	r.mu.Lock()
	if err == nil {
		r.stats.Announcements += uint64(len(s.held))
	} else {
		r.stats.AnnounceErrors++
	}
	r.mu.Unlock()
	s.logAnnounce(err)
}

// called takes the end of an Install or Remove, on the goroutine of the calls.
func (s *session) called(i installed) {
	settle := func() {
		s.settle(i)
		s.installer.settled()
	}
	if !s.engine.do(settle) {
		settle() // nobody else is there any more
	}
}

// rested is called when the installer has nothing left to do, likewise.
func (s *session) rested() { s.engine.do(s.unit.settle) }

// settle takes the end of an Install or Remove.
func (s *session) settle(i installed) {
	r := s.r
	count := func(n *uint64) {
		r.mu.Lock()
		defer r.mu.Unlock()
		*n++
	}
	switch {
	case !i.install && i.err != nil:
		count(&r.stats.RemoveErrors)
		s.log.Error("removing the virtual addresses", "err", i.err)
	case !i.install, s.machine.state != Active, !s.installer.current(i):
		// The error of an Install that was given up means nothing.
	case i.err != nil:
		count(&r.stats.InstallErrors)
		s.log.Error("installing the virtual addresses", "err", i.err)
		s.tell(event{kind: evFault, fault: faultAddresses, retry: true}, i.err)
	default:
		s.holds(s.engine.now(), s.codec.in.addrs)
	}
}
