package vrrp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"
)

// session is one run of a router: what its engine needs to act for it. It
// belongs to the engine's goroutine, from launch until its unit has ended.
type session struct {
	r             *Router
	engine        *engine
	unit          *unit
	member        int // of unit
	machine       *machine
	owner         bool        // of the virtual addresses
	attached      bool        // it receives
	retrack       atomic.Bool // the trackers' verdict is asked for
	link          Link
	announcements Announcements // nil without WithAnnounce
	log           *slog.Logger
	plain         *slog.Logger // as it was given
	wall          func() time.Time

	codec     *codec
	talk      talk
	held      []netip.Addr // the neighbours are told about these
	installer *installer   // nil without WithAddresses
	delivery  *delivery    // nil without WithOnTransition
	notices   notices
}

// open makes the session of one Run, in its goroutine.
func (r *Router) open(ctx context.Context, e *engine) (*session, error) {
	r.mu.Lock()
	c, family, g := r.config, r.family, r.group
	r.mu.Unlock()
	s := &session{
		r: r, engine: e, owner: c.priority == owner, wall: c.wall, plain: c.log, log: c.log.With("vrid", r.vrid),
		delivery: newDelivery(c.onTransition),
	}
	if g != nil {
		s.log = s.log.With("group", g.title)
	}
	if err := s.open(ctx, &c, family); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) open(ctx context.Context, c *config, family Family) (err error) {
	r, vips := s.r, c.vips
	vr := VirtualRouter{
		VRID: r.vrid, Family: family, Version: c.version,
		Source: c.source, Peers: c.peers, Owner: s.owner, VirtualMAC: c.virtualMAC, Dynamic: c.dynamic,
	}
	if n, ok := c.addresses.(*Netlink); ok {
		vr.tag = n.config.protocol
	}
	if s.link, err = c.transport.Open(ctx, vr); err != nil {
		return err
	}
	if h, ok := s.link.(hosted); ok {
		if err := h.host(s, vips); err != nil {
			return err
		}
	}
	if vr.Family, err = familyOn(s.link, family); err != nil {
		return err
	}
	r.mu.Lock()
	r.family = vr.Family
	r.mu.Unlock()

	notice := func(ev AddressEvent) {
		if s.notices.post(ev) {
			s.engine.do(s.noticed)
		}
	}
	if c.addresses != nil {
		addresses, err := c.addresses.Open(ctx, vr, vips, notice)
		if err != nil {
			return err
		}
		s.installer = newInstaller(ctx, addresses, s)
	}
	if c.announcer != nil {
		s.announcements, err = c.announcer.Open(ctx, vr, vips, notice)
	}
	return err
}

// hosted is a link that lives on the engine of its session, and knows more than
// packets.
type hosted interface {
	Link

	// host opens what the link needs there, in the goroutine of Run.
	host(s *session, vips []netip.Prefix) error

	// attach begins to deliver, on the engine's goroutine; detach ends it.
	attach() error
	detach()
}

// vipKeeper is a link that never sends from a virtual address.
type vipKeeper interface{ setVIPs(vips []netip.Prefix) }

// familyOn is the family of a router on a link, which decides it if it is 0.
func familyOn(link Link, family Family) (Family, error) {
	self, addrs := identity(link.Local()), link.Peers()
	if family == 0 {
		family = familyOf(self.Addr())
	}
	if self.IsValid() {
		addrs = append([]netip.AddrPort{self}, addrs...)
	}
	for _, a := range addrs {
		if !family.has(a.Addr()) {
			return 0, fmt.Errorf("the transport's address %v is not an %v address", a.Addr(), family)
		}
	}
	return family, nil
}

// launch makes the unit of sessions that are open. The settings are those of
// one moment: an Update that comes later is stepped.
func launch(e *engine, sessions []*session, make func([]*machine) core) *unit {
	var machines []*machine
	for _, s := range sessions {
		s.r.mu.Lock()
		defer s.r.mu.Unlock()
		s.lockedPrepare()
		machines = append(machines, s.machine)
	}
	u := newUnit(e, make(machines), sessions)
	for _, s := range sessions {
		s.r.run = s
	}
	return u
}

// lockedPrepare makes what the session takes from its router's settings; its
// mu is held.
func (s *session) lockedPrepare() {
	r := s.r
	s.owner = r.config.priority == owner
	if l, ok := s.link.(peerSetter); ok && len(r.config.peers) > 0 {
		l.SetPeers(r.config.peers) // an Update may have come since Open
	}
	if l, ok := s.link.(vipKeeper); ok {
		l.setVIPs(r.config.vips)
	}
	self := identity(s.link.Local())
	s.machine = newMachine(r.config.settings, self)
	s.codec = newCodec(&r.config, r.vrid, r.family, self, addrsOf(r.config.vips), s.link, &s.engine.scratch)
	if s.installer != nil {
		s.installer.want.vips = r.config.vips
	}
	r.machine, r.peers = s.machine, s.link.Peers()
}

// attach begins to receive, on the engine's goroutine.
func (s *session) attach() error {
	s.attached = true
	s.noticed()
	s.tell(s.r.trackEvent(), nil) // of now: what came since launch has been stepped
	if h, ok := s.link.(hosted); ok {
		return h.attach()
	}
	fd := -1
	if l, ok := s.link.(interface{ fd() int }); ok {
		fd = l.fd()
	}
	return s.engine.waiter.add(s, fd, s.link.Ready)
}

// detach ends that.
func (s *session) detach() {
	if !s.attached {
		return
	}
	if h, ok := s.link.(hosted); ok {
		h.detach()
		return
	}
	s.engine.waiter.remove(s)
}

// tell steps an event of this member.
func (s *session) tell(ev event, cause error) { s.unit.tell(s.member, ev, cause) }

// close ends what open began, in the goroutine of Run, after the unit.
func (s *session) close() {
	closed := func(what string, err error) {
		if err != nil {
			s.log.Warn("closing the "+what, "err", err)
		}
	}
	if s.installer != nil {
		s.installer.working.Wait()
		closed("address manager", s.installer.manager.Close())
	}
	if s.announcements != nil {
		closed("announcer", s.announcements.Close())
	}
	if s.link != nil {
		closed("transport", s.link.Close())
	}
	s.delivery.wait()

	r := s.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run == s {
		s.lockedAddTo(&r.stats, r.lockedDrops())
		r.run = nil
		r.lockedIdle()
	}
}

// lockedAddTo adds what the link and the queue have counted; r.mu is held.
func (s *session) lockedAddTo(stats *Statistics, drops *[dropReasons]uint64) {
	if l, ok := s.link.(interface{ Dropped(DropReason) uint64 }); ok {
		for d := DropPeer; d < dropReasons; d++ {
			drops[d] += l.Dropped(d)
		}
	}
	stats.CoalescedTransitions += s.delivery.coalesced()
}
