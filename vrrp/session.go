package vrrp

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/internal/notify"
)

// session is one run of a router: the goroutine that steps the machine, and
// what it needs for that.
type session struct {
	r         *Router
	link      Link
	addresses Addresses // nil without WithAddresses
	log       *slog.Logger
	wall      func() time.Time
	start     time.Time // origin of the core's clock

	codec   *codec
	batch   [8]Packet
	talk    talk
	waiting []call // Yields that wait for the heir

	installer  *installer                       // nil without WithAddresses
	deliveries *notify.Queue[Transition, uint8] // nil without WithOnTransition

	calls     chan call
	installed chan installed
	tracked   chan struct{} // capacity 1: the trackers have another verdict
	ended     chan struct{} // closed: calls are no longer taken
}

// call is an event from another goroutine.
type call struct {
	ev     event
	result chan error // capacity 1
}

func newSession(r *Router, c *config, link Link, addresses Addresses, self netip.AddrPort, family Family) *session {
	s := &session{
		r: r, link: link, addresses: addresses, wall: c.wall, start: time.Now(),
		log:   c.log.With("vrid", r.vrid),
		calls: make(chan call), installed: make(chan installed), tracked: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	s.codec = newCodec(c, r.vrid, family, self, addrsOf(r.vips), link)
	if addrs := s.addresses; addrs != nil {
		s.installer = newInstaller(addrs, r.vips, s.installed)
	}
	if c.onTransition != nil {
		s.deliveries = notify.New(func(t Transition) uint8 { return t.VRID }, func(t Transition) {
			for _, f := range c.onTransition {
				f(t)
			}
		})
	}
	return s
}

// serve runs until ctx ends, and joins everything it started.
func (s *session) serve(ctx context.Context) error {
	var installing, delivering sync.WaitGroup
	if s.installer != nil {
		installing.Go(func() { s.installer.run(ctx) })
	}
	if s.deliveries != nil {
		delivering.Go(s.deliveries.Run)
	}
	err := s.loop(ctx)
	close(s.ended)
	s.finishInstalling()
	installing.Wait()
	if s.addresses != nil {
		if e := s.addresses.Close(); e != nil {
			s.log.Warn("closing the address manager", "err", e)
		}
	}
	if e := s.link.Close(); e != nil {
		s.log.Warn("closing the transport", "err", e)
	}
	if s.deliveries != nil {
		s.deliveries.Close()
		delivering.Wait()
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.lockedAddTo(&s.r.stats, &s.r.drops)
	s.r.run = nil
	s.r.lockedIdle()
	return err
}

// finishInstalling waits for the last Remove. Its error is news too.
func (s *session) finishInstalling() {
	if s.installer == nil {
		return
	}
	s.installer.close()
	for {
		select {
		case i := <-s.installed:
			s.settle(i)
		case <-s.installer.done:
			return
		}
	}
}

// loop owns the machine. What has been received is stepped before a deadline is
// honoured: an advert that waits in a queue is no silence.
func (s *session) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	s.step(event{kind: evStart}, nil)
	for {
		more, err := s.drain()
		if err != nil {
			s.step(event{kind: evLost}, err)
			return err
		}
		next := s.step(event{kind: evTick}, nil)
		if done == nil && s.r.machine.state == Initialize {
			return nil
		}
		switch {
		case more:
			timer.Reset(0)
		case next == never:
			timer.Stop()
		default:
			timer.Reset(time.Duration(next - s.now()))
		}
		select {
		case <-s.link.Ready():
		case <-timer.C:
		case c := <-s.calls:
			s.take(c)
		case i := <-s.installed:
			s.settle(i)
		case <-s.tracked:
			s.step(s.r.trackEvent(), nil)
		case <-done:
			done = nil
			s.step(event{kind: evShutdown}, nil)
		}
	}
}

// now is the core's clock: monotonic, since start has a monotonic reading.
func (s *session) now() instant { return int64(time.Since(s.start)) }

// budget is how many packets are received between two looks at the clock. It is
// more than the receive buffer of a socket holds.
const budget = 512

// drain steps what has been received, and reports whether there may be more.
func (s *session) drain() (more bool, err error) {
	for range budget / len(s.batch) {
		n, err := s.link.Receive(s.batch[:])
		if err != nil {
			return false, err
		}
		for i := range s.batch[:n] {
			s.receive(&s.batch[i])
		}
		if n < len(s.batch) {
			return false, nil
		}
	}
	return true, nil
}

// receive steps one packet, or counts why not. Only an advert reaches the machine.
func (s *session) receive(p *Packet) {
	p.From, p.To = identity(p.From), identity(p.To)
	var wall time.Time
	if s.codec.signed() {
		wall = s.wall()
	}
	why := s.codec.in.inspect(p, wall)
	a, r := &s.codec.in.advert, s.r
	r.mu.Lock()
	if why != 0 {
		r.drops[why]++
		r.mu.Unlock()
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
	interval := r.machine.set.interval
	r.mu.Unlock()
	if a.Interval != interval {
		s.warn(warnInterval, p.From, "advertised", a.Interval, "configured", interval)
	}
	s.step(event{kind: evAdvert, priority: a.Priority, interval: a.Interval, from: p.From}, nil)
	// Last, since it may reorder the advert's addresses.
	if !s.codec.in.sameAddrs() {
		s.warn(warnAddressList, p.From)
	}
}

// step steps the machine and performs its actions. It returns the deadline.
// cause is the error behind the event, if there is one.
func (s *session) step(ev event, cause error) instant {
	r := s.r
	r.mu.Lock()
	actions := r.machine.step(s.now(), ev)
	interval, next := r.machine.set.interval, r.machine.deadline()
	r.mu.Unlock()
	for i := range actions {
		switch a := &actions[i]; a.kind {
		case actSend:
			s.send(a.priority, interval)
		case actInstall, actRemove:
			if s.installer != nil {
				s.installer.push(a.kind == actInstall)
			}
		case actTransition:
			s.transition(a, cause)
		case actWarn:
			s.warn(a.warning, a.peer)
		}
	}
	return next
}

// take steps an event from outside.
func (s *session) take(c call) {
	if c.ev.kind == evSettings {
		s.codec.setInterval(c.ev.settings.interval)
	}
	s.step(c.ev, nil)
	if c.ev.kind == evYield && s.r.machine.yielding {
		s.waiting = append(s.waiting, c)
		return
	}
	c.result <- nil
}

// settle takes the end of an Install or Remove.
func (s *session) settle(i installed) {
	if i.err == nil {
		return
	}
	r := s.r
	r.mu.Lock()
	var failed bool
	if i.install {
		// The error of an Install that was given up means nothing.
		if failed = r.machine.state == Active && s.installer.current(i); failed {
			r.stats.InstallErrors++
		}
	} else {
		r.stats.RemoveErrors++
	}
	r.mu.Unlock()
	switch {
	case failed:
		s.log.Error("installing the virtual addresses", "err", i.err)
		s.step(event{kind: evFault, fault: faultAddresses, retry: true}, i.err)
	case !i.install:
		s.log.Error("removing the virtual addresses", "err", i.err)
	}
}

// lockedAddTo adds what the link and the queue have counted; r.mu is held.
func (s *session) lockedAddTo(stats *Statistics, drops *[dropReasons]uint64) {
	if l, ok := s.link.(interface{ Dropped(DropReason) uint64 }); ok {
		for d := DropPeer; d < dropReasons; d++ {
			drops[d] += l.Dropped(d)
		}
	}
	if s.deliveries != nil {
		stats.CoalescedTransitions += s.deliveries.Coalesced()
	}
}
