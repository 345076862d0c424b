package vrrp

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// installer has an AddressManager hold what the router wants, by one call at a
// time, in order. Its goroutine lives while there is a call to make.
type installer struct {
	manager Addresses
	ctx     context.Context // of Run, without its end
	owner   installerOwner
	working sync.WaitGroup

	mu      sync.Mutex // guards everything below
	want    holding
	have    holding
	cancel  context.CancelFunc // of the Install that runs
	running bool
	owed    int // results that settled has not been told of
}

// holding is what is held, or wanted.
type holding struct {
	on      bool
	term    uint64 // counts how often it was wanted anew
	edition uint64 // counts changes of the addresses
	vips    []netip.Prefix
}

// installed is how a call ended.
type installed struct {
	install bool // or Remove
	term    uint64
	edition uint64
	vips    []netip.Prefix
	err     error
}

// installerOwner hears what happens, on the goroutine of the calls.
type installerOwner interface {
	called(i installed) // after each call
	rested()            // when there is nothing left to do
}

func newInstaller(ctx context.Context, manager Addresses, owner installerOwner) *installer {
	return &installer{manager: manager, ctx: context.WithoutCancel(ctx), owner: owner}
}

// push orders the addresses to be installed or removed. A Remove undoes an
// Install that has not begun, and interrupts one that has.
func (in *installer) push(install bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.want.on = install
	if install {
		in.want.term++
	} else if in.cancel != nil {
		in.cancel()
	}
	in.lockedWork()
}

// change has other addresses held, now or when they are wanted.
func (in *installer) change(vips []netip.Prefix) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.want.vips = vips
	in.want.edition++
	in.lockedWork()
}

// current reports whether the Install that ended is the one in force.
func (in *installer) current(i installed) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.want.on && i.term == in.want.term && i.edition == in.want.edition
}

// busy reports whether there is a call to make, or one that the router has not
// heard the end of.
func (in *installer) busy() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.running || in.owed > 0
}

// settled is called when a result has been taken.
func (in *installer) settled() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.owed--
}

// lockedWork starts the goroutine; in.mu is held.
func (in *installer) lockedWork() {
	if !in.running {
		in.running = true
		in.working.Go(in.work)
	}
}

// work makes calls until what is held is what is wanted.
func (in *installer) work() {
	for in.call() {
	}
	in.owner.rested()
}

// call makes the call that is due, and returns false if there is none.
func (in *installer) call() bool {
	in.mu.Lock()
	i, ok := in.lockedNext()
	if !ok {
		in.running = false
		in.mu.Unlock()
		return false
	}
	ctx := in.ctx
	if i.install {
		ctx, in.cancel = context.WithCancel(ctx) // before a Remove can be ordered
	}
	in.owed++
	in.mu.Unlock()

	if i.install {
		i.err = in.manager.Install(ctx, slices.Clone(i.vips))
		in.mu.Lock()
		in.cancel()
		in.cancel = nil
		in.mu.Unlock()
	} else {
		i.err = in.manager.Remove(ctx, slices.Clone(i.vips))
	}
	in.owner.called(i)
	return true
}

// lockedNext compares what is held with what is wanted, and takes the call that
// follows as made; in.mu is held. Addresses that are no longer wanted go before
// others come.
func (in *installer) lockedNext() (i installed, ok bool) {
	have, want := &in.have, &in.want
	i = installed{term: have.term, edition: have.edition, vips: have.vips}
	if have.on && (!want.on || have.term != want.term) {
		*have = holding{}
		return i, true
	}
	if !want.on || have.on && have.edition == want.edition {
		return i, false
	}
	if have.on {
		var stay, gone []netip.Prefix
		for _, p := range have.vips {
			if slices.Contains(want.vips, p) {
				stay = append(stay, p)
			} else {
				gone = append(gone, p)
			}
		}
		if len(gone) > 0 {
			have.vips, i.vips = stay, gone
			return i, true
		}
	}
	*have = *want
	return installed{install: true, term: want.term, edition: want.edition, vips: want.vips}, true
}
