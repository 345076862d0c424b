package upstream

import (
	"context"
	"fmt"
	"slices"
)

// draining is somebody who waits until a backend has no lease.
type draining struct {
	b     *Backend
	empty chan struct{} // closed once over
	over  bool          // it has had none
}

// lookLocked wakes whoever waits if the last lease has ended. The caller holds the
// pool's mu.
func (d *draining) lookLocked() {
	if !d.over && d.b.connsLocked() == 0 {
		d.over = true
		close(d.empty)
	}
}

// DrainFor is [Pool.Drain] that waits until the backend has no request in flight,
// or ctx ends. It returns how many are left: none without an error, and beside
// an error that wraps ctx.Err(), as many as there were when ctx ended. They go
// on, and the backend stays as it is, draining, until Drain takes that back.
// Removing the backend meanwhile does not end the wait. For a server that is a
// name it waits for all its addresses of that moment. An id that the pool does not
// have is [ErrUnknown].
func (p *Pool) DrainFor(ctx context.Context, id string) (left int, err error) {
	var backends []*Backend
	if p.drainName(id, true) {
		backends = p.peersOf(id)
	} else {
		b, err := p.drain(id, true)
		if err != nil {
			return 0, err
		}
		backends = []*Backend{b}
	}
	for _, b := range backends {
		left += p.emptied(ctx, b)
	}
	if left == 0 {
		return 0, nil
	}
	return left, fmt.Errorf("upstream: group %q: drain %q: %d requests in flight: %w", p.name, id, left, ctx.Err())
}

// emptied waits until b has no lease, or ctx ends, and returns how many are left.
func (p *Pool) emptied(ctx context.Context, b *Backend) (left int) {
	d := &draining{b: b, empty: make(chan struct{})}
	p.mu.Lock()
	p.waiting.Add(1) // before the look: from here on the last Done looks too
	p.drains = append(p.drains, d)
	d.lookLocked()
	p.mu.Unlock()

	select {
	case <-d.empty:
	case <-ctx.Done():
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting.Add(-1)
	p.drains = slices.DeleteFunc(p.drains, func(o *draining) bool { return o == d })
	if d.over {
		return 0
	}
	return int(b.connsLocked())
}

// peersOf lists the backends of a server that is a name.
func (p *Pool) peersOf(id string) []*Backend {
	p.config.Lock()
	defer p.config.Unlock()
	if n := p.names.find(id); n != nil {
		return slices.Clone(n.peers)
	}
	return nil
}
