package vrrp

import (
	"sync"

	"github.com/mainstay-ha/mainstay/internal/notify"
)

// delivery calls callbacks in order, on a goroutine that lives while there is
// something to deliver.
type delivery struct {
	callbacks []func(Transition)
	working   sync.WaitGroup

	mu    sync.Mutex                       // guards everything below
	queue *notify.Queue[Transition, uint8] // nil: the goroutine does not run
	lost  uint64                           // coalesced in earlier queues
}

// newDelivery returns nil if there is nobody to call.
func newDelivery(callbacks []func(Transition)) *delivery {
	if len(callbacks) == 0 {
		return nil
	}
	return &delivery{callbacks: callbacks}
}

func (d *delivery) call(t Transition) {
	for _, f := range d.callbacks {
		f(t)
	}
}

// push adds a transition. It never waits.
func (d *delivery) push(t Transition) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queue != nil {
		d.queue.Push(t)
		return
	}
	d.queue = notify.New(func(t Transition) uint8 { return t.VRID }, d.call)
	d.queue.Push(t)
	q := d.queue
	d.working.Go(func() {
		for d.more(q) {
			q.Drain()
		}
	})
}

// more reports whether there is something to deliver; if not, the queue goes.
func (d *delivery) more(q *notify.Queue[Transition, uint8]) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if q.Len() > 0 {
		return true
	}
	d.lost += q.Coalesced()
	d.queue = nil
	return false
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
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queue == nil {
		return d.lost
	}
	return d.lost + d.queue.Coalesced()
}
