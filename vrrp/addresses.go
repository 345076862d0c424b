package vrrp

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// AddressManager makes this host hold virtual addresses. [NetlinkAddresses] and
// [FuncAddresses] make one; several routers may share it.
type AddressManager interface {
	// Open prepares for one router with the addresses vips. [Router.Run] calls
	// it in its own goroutine, before it starts others, and closes what it
	// returns before it returns. events tells the router what happens to the
	// addresses; it never blocks, and may be called by any goroutine from
	// Install on until Close returns.
	Open(ctx context.Context, vr VirtualRouter, vips []netip.Prefix, events func(AddressEvent)) (Addresses, error)
}

// AddressEvent is what happened to one virtual address while it was held.
type AddressEvent struct {
	Kind AddressEventKind
	Addr netip.Addr
	Err  error // more about it, or nil
}

// AddressEventKind tells what happened.
type AddressEventKind uint8

const (
	AddressRestored AddressEventKind = iota // somebody had removed it, and it is back: neighbours are told again
	AddressLost                             // somebody removed it, and it stays away: the router resigns, as after a failed Install
	AddressConflict                         // somebody else holds it too, another host or another program on this one: counted and logged
)

// Addresses holds the virtual addresses of one router, or not. The router calls
// it from one goroutine at a time, strictly in order, and goes on advertising
// meanwhile.
type Addresses interface {
	// Install takes the addresses, all that the router has now. It is called
	// when the router becomes Active, and again when [Router.Update] changes
	// them. ctx ends when the router stops being Active.
	// An error makes the router resign: it calls Remove, stays in Fault for a
	// down interval, and comes back as a Backup that tries again in its turn.
	Install(ctx context.Context, vips []netip.Prefix) error

	// Remove gives the addresses up, also those of an Install that failed.
	// Another host may hold them already. ctx outlives the context of
	// [Router.Run], which waits for Remove. An error is logged and counted.
	Remove(ctx context.Context, vips []netip.Prefix) error

	// Close ends what Open began.
	Close() error
}

// FuncAddresses is an [AddressManager] of two functions. Either may be nil.
func FuncAddresses(install, remove func(ctx context.Context, vips []netip.Prefix) error) AddressManager {
	return funcAddresses{install, remove}
}

type funcAddresses struct {
	install, remove func(context.Context, []netip.Prefix) error
}

func (f funcAddresses) Open(context.Context, VirtualRouter, []netip.Prefix, func(AddressEvent)) (Addresses, error) {
	return f, nil
}

func (f funcAddresses) Close() error { return nil }

func (f funcAddresses) Install(ctx context.Context, vips []netip.Prefix) error {
	if f.install == nil {
		return nil
	}
	return f.install(ctx, vips)
}

func (f funcAddresses) Remove(ctx context.Context, vips []netip.Prefix) error {
	if f.remove == nil {
		return nil
	}
	return f.remove(ctx, vips)
}

// installer calls an AddressManager in order, on one goroutine.
type installer struct {
	manager Addresses
	vips    []netip.Prefix
	results chan<- installed
	done    chan struct{} // closed: run has returned

	mu      sync.Mutex // guards everything below
	changed sync.Cond  // for run
	pending []order
	cancel  context.CancelFunc // of the Install that runs
	term    uint64             // counts Install orders
	closed  bool
}

// order is one call to make.
type order struct {
	install bool
	term    uint64
}

// installed is how an order ended.
type installed struct {
	order
	err error
}

func newInstaller(manager Addresses, vips []netip.Prefix, results chan<- installed) *installer {
	in := &installer{manager: manager, vips: vips, results: results, done: make(chan struct{})}
	in.changed.L = &in.mu
	return in
}

// push orders a call. Calls alternate; a Remove undoes an Install that has not
// begun, and interrupts one that has.
func (in *installer) push(install bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if install {
		in.term++
	} else if n := len(in.pending); n > 0 && in.pending[n-1].install {
		in.pending = in.pending[:n-1]
		return
	} else if in.cancel != nil {
		in.cancel()
	}
	in.pending = append(in.pending, order{install, in.term})
	in.changed.Signal()
}

// current reports whether the Install that ended is the one in force.
func (in *installer) current(done installed) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return done.term == in.term
}

// close lets run return after the calls that wait.
func (in *installer) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.changed.Signal()
}

// run makes the calls, and sends a result for each. ctx carries values only.
func (in *installer) run(ctx context.Context) {
	defer close(in.done)
	ctx = context.WithoutCancel(ctx)
	for {
		o, ok := in.next()
		if !ok {
			return
		}
		done := installed{order: o}
		if o.install {
			done.err = in.install(ctx)
		} else {
			done.err = in.manager.Remove(ctx, slices.Clone(in.vips))
		}
		in.results <- done
	}
}

// next waits for an order.
func (in *installer) next() (order, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.pending) == 0 {
		if in.closed {
			return order{}, false
		}
		in.changed.Wait()
	}
	o := in.pending[0]
	in.pending = slices.Delete(in.pending, 0, 1)
	return o, true
}

// install runs Install under a context that push can end.
func (in *installer) install(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in.interrupt(cancel)
	defer in.interrupt(nil)
	return in.manager.Install(ctx, slices.Clone(in.vips))
}

func (in *installer) interrupt(cancel context.CancelFunc) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.cancel = cancel
	if cancel != nil && len(in.pending) > 0 {
		cancel() // the Remove came between next and now
	}
}
