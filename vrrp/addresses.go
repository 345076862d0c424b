package vrrp

import (
	"context"
	"net/netip"
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
	AddressConflict                         // another host holds it too: counted and logged
	addressEvents
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
