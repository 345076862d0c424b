package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// updatable is what Router.Update takes.
const updatable = namedPriority | namedInterval | namedPreempt | namedPreemptDelay |
	namedVIPs | namedUnicast | namedHMAC | namedPassword | namedChecksum | namedAnnouncePlan

// Update changes the priority, interval, preemption, preempt delay, the virtual
// addresses, the unicast peers, the HMAC keys, the password, the form of the
// checksum or the announce plan, without a transition; options that are not named
// keep their value, and other options are refused. It changes everything or, with
// an error, nothing.
//
// In Backup the deadline shifts by the difference and does not start again, unless
// an Active router that was to be preempted is one to follow now; a preempt
// delay that runs keeps its end. An Active router advertises what is new at
// once. It keeps the old pace for a down interval if that was shorter, so that no
// Backup takes the change for silence; it has addresses that are gone removed and
// all others installed, and announces them.
//
// Another VRID, version, family or transport takes another Router.
func (r *Router) Update(opts ...Option) error {
	r.updating.Lock()
	defer r.updating.Unlock()

	r.mu.Lock()
	c := r.config
	r.mu.Unlock()
	was := c
	c.named = 0
	if err := option.Apply(&c, opts); err != nil {
		return fmt.Errorf("vrrp: update: %w", err)
	}
	ch := change{named: c.named, settings: c.settings, vips: c.vips, peers: c.peers}
	if err := r.checkUpdate(&c, &was, &ch); err != nil {
		return err
	}
	c.named = was.named
	ch.addrs, ch.config = addrsOf(ch.vips), &c

	r.mu.Lock()
	run := r.run
	if run != nil && ch.has(namedUnicast) && !canSetPeers(run.link) {
		r.mu.Unlock()
		return errors.New("vrrp: update: the transport cannot change its peers")
	}
	r.config = c
	if run == nil {
		r.lockedIdle()
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	err := run.unit.ask(context.Background(), func(result chan<- error) {
		run.adopt(&ch)
		result <- nil
	})
	if errors.Is(err, ErrNotRunning) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.run == nil {
			r.lockedIdle()
		}
		return nil
	}
	return err
}

// change is what an Update changes.
type change struct {
	named    named
	settings settings
	vips     []netip.Prefix
	addrs    []netip.Addr
	peers    []Peer
	config   *config
}

func (ch *change) has(n named) bool { return ch.named&n != 0 }

// checkUpdate reports every problem of an Update at once.
func (r *Router) checkUpdate(c, was *config, ch *change) error {
	if fixed := c.named &^ updatable; fixed != 0 {
		return fmt.Errorf("vrrp: update: %v cannot change, that takes another Router; %v can", fixed, updatable)
	}
	r.mu.Lock()
	family := r.family
	r.mu.Unlock()
	if family == 0 {
		family = c.familyFor(ch.vips)
	}
	named := c.named
	c.named = was.named | named&^namedVIPs // what a Router may not have is judged by all its options
	errs := []error{c.check(family, ch.vips)}
	r.mu.Lock()
	if err := r.tracks.fits(c.priority); err != nil {
		errs = append(errs, fmt.Errorf("vrrp: update: %w", err))
	}
	if r.group != nil && (c.priority == owner) != (was.priority == owner) {
		errs = append(errs, fmt.Errorf("vrrp: update: in group %q all routers are owners (priority %d), or none is", r.group.title, owner))
	}
	r.mu.Unlock()
	if named&namedUnicast != 0 {
		switch {
		case len(c.peers) > 0 != (len(was.peers) > 0):
			errs = append(errs, errors.New("vrrp: update: WithUnicast cannot change between multicast and unicast"))
		case c.source != was.source:
			errs = append(errs, fmt.Errorf("vrrp: update: the source cannot change from %v to %v", was.source, c.source))
		}
	}
	return errors.Join(errs...)
}

// peerSetter is a Link whose peers may change; see [Link].
type peerSetter interface{ SetPeers(peers []Peer) }

func canSetPeers(l Link) bool { _, ok := l.(peerSetter); return ok }

// adopt makes a change, on the engine's goroutine.
func (s *session) adopt(ch *change) {
	s.owner = ch.settings.priority == owner
	if ch.has(namedUnicast) {
		s.link.(peerSetter).SetPeers(ch.peers)
		s.codec.setPeers(ch.peers)
	}
	if ch.has(namedVIPs) {
		s.codec.setAddrs(ch.addrs)
		s.held = slices.DeleteFunc(slices.Clone(s.held), func(a netip.Addr) bool { return !slices.Contains(ch.addrs, a) })
	}
	if l, ok := s.link.(vipKeeper); ok {
		l.setVIPs(ch.vips)
	}
	s.r.mu.Lock()
	s.r.peers = s.link.Peers()
	s.r.mu.Unlock()
	s.codec.setInterval(ch.settings.interval)
	if ch.has(namedHMAC | namedPassword | namedChecksum) {
		s.codec.setDialect(ch.config)
	}
	m := s.machine
	active, interval := m.state == Active && !m.yielding, m.set.interval
	s.tell(event{kind: evSettings, settings: ch.settings}, nil)
	if active && interval == ch.settings.interval && ch.has(namedVIPs|namedUnicast) {
		s.perform(s.engine.now(), &action{kind: actSend, priority: m.effective()}, nil)
	}
	switch {
	case !ch.has(namedVIPs):
	case s.installer != nil:
		s.installer.change(ch.vips)
	case m.state == Active:
		s.holds(s.engine.now(), ch.addrs)
	}
}
