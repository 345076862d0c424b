package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// Router is one virtual router: it takes part in one election and holds the
// virtual addresses while it is Active. Make one with [New]; its methods may be
// called by any goroutine.
type Router struct {
	vrid uint8
	vips []netip.Prefix

	updating sync.Mutex // held during Update

	mu      sync.Mutex // guards everything below; a session steps the machine under it
	config  config
	family  Family // 0 until the transport decides
	busy    bool   // Run runs
	run     *session
	machine *machine
	tracks  tracking

	seq        uint64     // of last
	last       Transition // the zero Transition before the first
	won        Reason     // of the last transition to Active
	up         time.Time
	lastSource netip.AddrPort
	stats      Statistics
	drops      [dropReasons]uint64
}

// New returns a router for virtual router vrid, 1 to 255, with the addresses
// that the Active one holds. The prefix length of an address is for the
// [AddressManager]; adverts carry addresses only, in this order. All are of one
// family, at most 255, and the first IPv6 one is link-local (RFC 9568 section
// 5.2.9). There may be none, where the state is all that matters; then no
// speaker of this virtual router may have any.
//
// It needs [WithTransport]. The error lists every problem.
func New(vrid uint8, vips []netip.Prefix, opts ...Option) (*Router, error) {
	c := defaults()
	if err := option.Apply(&c, opts); err != nil {
		return nil, fmt.Errorf("vrrp: %w", err)
	}
	if err := c.validate(vrid, vips); err != nil {
		return nil, err
	}
	r := &Router{
		vrid: vrid, vips: slices.Clone(vips), config: c, family: c.familyFor(vips),
		machine: newMachine(c.settings, netip.AddrPort{}),
	}
	r.stats.DiscontinuityDatetime = c.wall()
	return r, nil
}

// Run takes part in the election until ctx ends. It opens the transport in the
// calling goroutine, and returns an error if that fails.
//
// When ctx ends, an Active router sends priority 0, keeps the addresses until
// another speaker advertises, for one interval at most, and removes them. Run
// returns nil after that, when its goroutines have ended, every [AddressManager]
// call and every callback has returned. It returns an error before that only if
// the transport breaks: it has then removed the addresses.
//
// Run may be called again after it has returned; while it runs, another call
// returns [ErrRunning].
func (r *Router) Run(ctx context.Context) (err error) {
	pprof.Do(ctx, pprof.Labels("mainstay", "vrrp"), func(ctx context.Context) { err = r.serve(ctx) })
	return err
}

func (r *Router) serve(ctx context.Context) error {
	r.mu.Lock()
	if r.busy {
		r.mu.Unlock()
		return ErrRunning
	}
	r.busy = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy = false
	}()
	if ctx.Err() != nil {
		return nil
	}
	s, err := r.open(ctx)
	if err == nil {
		err = s.serve(ctx)
	}
	if err != nil {
		return fmt.Errorf("vrrp: virtual router %d: %w", r.vrid, err)
	}
	return nil
}

// open makes the session of one Run.
func (r *Router) open(ctx context.Context) (*session, error) {
	r.mu.Lock()
	c, family := r.config, r.family
	r.mu.Unlock()
	vr := VirtualRouter{VRID: r.vrid, Family: family, Version: c.version}
	link, err := c.transport.Open(ctx, vr)
	if err != nil {
		return nil, err
	}
	self := identity(link.Local())
	if family == 0 {
		family = familyOf(self.Addr())
	}
	for _, a := range append([]netip.AddrPort{self}, link.Peers()...) {
		if !family.has(a.Addr()) {
			_ = link.Close()
			return nil, fmt.Errorf("the transport's address %v is not an %v address", a.Addr(), family)
		}
	}

	var addresses Addresses
	if c.addresses != nil {
		vr.Family = family
		if addresses, err = c.addresses.Open(ctx, vr, r.vips, func(AddressEvent) {}); err != nil {
			_ = link.Close()
			return nil, err
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.family = family
	c.settings = r.config.settings // an Update may have come meanwhile
	r.machine = newMachine(c.settings, self)
	r.machine.step(0, r.tracks.event())
	r.run = newSession(r, &c, link, addresses, self, family)
	return r.run, nil
}

// Yield hands the addresses over, for a planned stop, and stands by. An Active
// router sends priority 0, keeps the addresses until another speaker advertises,
// for one interval at most, and goes to Backup. Yield returns nil once another
// speaker advertises, or at once if this router is not Active, and [ErrNoHeir]
// if the interval went by. If ctx ends before that, Yield wraps its error and
// the hand-over goes on.
//
// Standing by, the router claims priority 1 and does not preempt: it takes the
// addresses back only if everybody else falls silent. That ends with
// [Router.Resume], or with Run. Without a Run, Yield returns [ErrNotRunning].
func (r *Router) Yield(ctx context.Context) error {
	return r.call(ctx, event{kind: evYield})
}

// Resume ends the standby that [Router.Yield] began: the router claims its own
// priority again. It returns [ErrNotRunning] without a Run.
func (r *Router) Resume() error {
	return r.call(context.Background(), event{kind: evResume})
}

// Update changes the priority, interval, preemption or preempt delay without a
// transition; options that are not named keep their value, and other options
// are refused. It changes everything or, with an error, nothing.
//
// In Backup the deadline shifts by the difference and does not start again, unless
// an Active router that was to be preempted is one to follow now; a preempt
// delay that runs keeps its end. An Active router advertises a new
// interval at once, and keeps the old pace for a down interval if it was
// shorter, so that no Backup takes the change for silence.
func (r *Router) Update(opts ...Option) error {
	r.updating.Lock()
	defer r.updating.Unlock()

	r.mu.Lock()
	c := r.config
	r.mu.Unlock()
	c.named = 0
	if err := option.Apply(&c, opts); err != nil {
		return fmt.Errorf("vrrp: update: %w", err)
	}
	if fixed := c.named &^ updatable; fixed != 0 {
		return fmt.Errorf("vrrp: update: %v cannot change; %v can", fixed, updatable)
	}
	if err := errors.Join(c.settings.validate()...); err != nil {
		return err
	}

	r.mu.Lock()
	if err := r.tracks.fits(c.priority); err != nil {
		r.mu.Unlock()
		return fmt.Errorf("vrrp: update: %w", err)
	}
	r.config.settings = c.settings
	r.mu.Unlock()
	ev := event{kind: evSettings, settings: c.settings}
	if errors.Is(r.call(context.Background(), ev), ErrNotRunning) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lockedIdle()
	}
	return nil
}

// lockedIdle shows the settings and the trackers of the next Run, unless one runs and has them
// already; r.mu is held.
func (r *Router) lockedIdle() {
	if r.run == nil {
		r.machine.step(0, event{kind: evSettings, settings: r.config.settings})
		r.machine.step(0, r.tracks.event())
	}
}

// call has the session step ev, and waits for what comes of it.
func (r *Router) call(ctx context.Context, ev event) error {
	r.mu.Lock()
	s := r.run
	r.mu.Unlock()
	if s == nil {
		return ErrNotRunning
	}
	c := call{ev, make(chan error, 1)}
	select {
	case s.calls <- c:
	case <-s.ended:
		return ErrNotRunning
	case <-ctx.Done():
		return fmt.Errorf("vrrp: virtual router %d: %w", r.vrid, ctx.Err())
	}
	select {
	case err := <-c.result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("vrrp: virtual router %d: %w", r.vrid, ctx.Err())
	}
}
