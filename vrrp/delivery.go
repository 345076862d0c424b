package vrrp

import (
	"sync"

	"github.com/mainstay-ha/mainstay/internal/notify"
)

// delivery calls callbacks in order, on a goroutine that lives while there is
// something to deliver.
type delivery struct {
	queue   *notify.Queue[Transition, uint8]
	working sync.WaitGroup

	mu      sync.Mutex // guards running
	running bool
}

// newDelivery returns nil if there is nobody to call.
func newDelivery(callbacks []func(Transition)) *delivery {
	if len(callbacks) == 0 {
		return nil
	}
	return &delivery{queue: notify.New(func(t Transition) uint8 { return t.VRID }, func(t Transition) {
		for _, f := range callbacks {
			f(t)
		}
	})}
}

// push adds a transition. It never waits.
func (d *delivery) push(t Transition) {
	if d == nil {
		return
	}
	d.queue.Push(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running {
		d.running = true
		d.working.Go(d.work)
	}
}

func (d *delivery) work() {
	for more := true; more; {
		d.queue.Drain()
		d.mu.Lock()
		more = d.queue.Len() > 0
		d.running = more
		d.mu.Unlock()
	}
}

// wait returns when everything that was pushed has been delivered.
func (d *delivery) wait() {
	if d != nil {
		d.working.Wait()
	}
}

// coalesced counts what nobody was called for.
func (d *delivery) coalesced() uint64 {
	if d == nil {
		return 0
	}
	return d.queue.Coalesced()
}
