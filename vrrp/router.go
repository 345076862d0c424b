package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// Router is one virtual router: it takes part in one election and holds the
// virtual addresses while it is Active. Make one with [New]; its methods may be
// called by any goroutine.
type Router struct {
	updating sync.Mutex // held during Update
	vrid     uint8

	mu       sync.Mutex // guards everything below
	family   Family     // 0 until the transport decides
	busy     bool       // Run runs
	won      Reason     // of the last transition to Active
	checksum Checksum   // sent last
	config   config
	group    *Group   // nil: none
	run      *session // what Run runs
	machine  *machine // of run, under the mutex of its unit; what Run would begin with, without it
	tracks   tracking

	seq        uint64     // of last
	last       Transition // the zero Transition before the first
	up         time.Time
	lastSource netip.AddrPort
	peers      []netip.AddrPort // of run
	stats      Statistics
	drops      *[dropReasons]uint64 // nil: nothing was dropped yet
	lateness   lateness
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
	c.vips = slices.Clone(vips)
	r := &Router{vrid: vrid, config: c, family: c.familyFor(vips), machine: newMachine(c.settings, netip.AddrPort{})}
	r.stats.DiscontinuityDatetime = c.wall()
	return r, nil
}

// Run takes part in the election until ctx ends. It opens the transport in the
// calling goroutine, and returns an error if that fails.
//
// When ctx ends, an Active router sends priority 0, keeps the addresses until
// another speaker has them, for one interval at most, and removes them. Run
// returns nil after that, when its goroutines have ended, every [AddressManager]
// call and every callback has returned. It returns an error before that only if
// the transport breaks: it has then removed the addresses.
//
// Run may be called again after it has returned; while it runs, another call
// returns [ErrRunning]. A router in a [Group] runs with it: Run returns
// [ErrGrouped].
func (r *Router) Run(ctx context.Context) error {
	if err := r.begin(nil); err != nil {
		return r.error(err)
	}
	defer r.end()
	if ctx.Err() != nil {
		return nil
	}
	e, release, err := r.engine()
	if err != nil {
		return r.error(err)
	}
	defer release()
	s, err := r.open(ctx, e)
	if err != nil {
		return r.error(err)
	}
	u := launch(e, []*session{s}, func(m []*machine) core { return r.core(e, m[0]) })
	u.run(ctx)
	s.close()
	return r.error(u.err)
}

// core decides for this router alone.
func (r *Router) core(e *engine, m *machine) core {
	c := solo{m, e}
	if wrap := r.config.core; wrap != nil {
		return wrap(c)
	}
	return c
}

// engine is what a Run works on: the engine of its transport, or one of its
// own. The caller calls release when everything else has ended.
func (r *Router) engine() (e *engine, release func(), err error) {
	r.mu.Lock()
	transport := r.config.transport
	r.mu.Unlock()
	if raw, ok := transport.(*Raw); ok {
		return raw.hire()
	}
	if e, err = engineFor(transport); err != nil {
		return nil, nil, err
	}
	return e, e.close, nil
}

// engineFor makes an engine that can wait for the transports.
func engineFor(transports ...Transport) (*engine, error) {
	if !slices.ContainsFunc(transports, hasDescriptors) {
		return newEngine(newTimerWaiter()), nil
	}
	w, err := newPollWaiter()
	if err != nil {
		return nil, err
	}
	return newEngine(w), nil
}

// hasDescriptors reports whether the kernel can tell when there is something to
// receive from t.
func hasDescriptors(t Transport) bool {
	d, ok := t.(interface{ descriptors() bool })
	return ok && d.descriptors()
}

// begin claims the router for a Run, of its own or of its group.
func (r *Router) begin(g *Group) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.group != g:
		return fmt.Errorf("%w %q", ErrGrouped, r.group.Name())
	case r.busy:
		return ErrRunning
	}
	r.busy = true
	return nil
}

func (r *Router) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
}

// error adds which router it is about; nil stays nil.
func (r *Router) error(err error) error {
	for _, whole := range []error{nil, ErrRunning, ErrNotRunning, ErrNoHeir, ErrGrouped, ErrDuplicateVRID} {
		if errors.Is(err, whole) {
			return err
		}
	}
	return fmt.Errorf("vrrp: virtual router %d: %w", r.vrid, err)
}

// Yield hands the addresses over, for a planned stop, and stands by. An Active
// router sends priority 0, keeps the addresses until another speaker has
// advertised and had 10 ms to announce them, for one interval at most, and goes
// to Backup. Yield returns nil then, or at once if this router is not Active, and [ErrNoHeir]
// if the interval went by. If ctx ends before that, Yield wraps its error and
// the hand-over goes on.
//
// Standing by, the router claims priority 1 and does not preempt: it takes the
// addresses back only if everybody else falls silent. That ends with
// [Router.Resume], or with Run; see [WithStandby] for the next one. Without a Run, Yield returns [ErrNotRunning]; in
// a [Group] it returns [ErrGrouped].
func (r *Router) Yield(ctx context.Context) error {
	u, err := r.unit()
	if err == nil {
		err = u.yield(ctx)
	}
	return r.error(err)
}

// Resume ends the standby that [Router.Yield] began: the router claims its own
// priority again. It returns [ErrNotRunning] without a Run, and [ErrGrouped] in
// a [Group].
func (r *Router) Resume() error {
	u, err := r.unit()
	if err == nil {
		err = u.resume()
	}
	return r.error(err)
}

// unit is what Run runs for this router alone.
func (r *Router) unit() (*unit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.group != nil:
		return nil, fmt.Errorf("%w %q", ErrGrouped, r.group.Name())
	case r.run == nil:
		return nil, ErrNotRunning
	}
	return r.run.unit, nil
}

// lockedTracked has the session of a Run take the verdict of the trackers, once
// for all changes until then; r.mu is held.
func (r *Router) lockedTracked() {
	s := r.run
	if s == nil {
		r.lockedIdle()
		return
	}
	if !s.retrack.Swap(true) {
		s.engine.do(func() {
			s.retrack.Store(false)
			s.tell(r.trackEvent(), nil)
		})
	}
}

// lockedDrops is where drops are counted; r.mu is held. Most routers need none.
func (r *Router) lockedDrops() *[dropReasons]uint64 {
	if r.drops == nil {
		r.drops = new([dropReasons]uint64)
	}
	return r.drops
}

// lockedIdle makes the machine that shows what the next Run begins with; r.mu is
// held.
func (r *Router) lockedIdle() {
	r.machine = newMachine(r.config.settings, netip.AddrPort{})
	r.machine.step(0, r.tracks.event())
}
