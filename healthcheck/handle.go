package healthcheck

import (
	"context"
	"sync/atomic"
	"time"
)

// Handle is one target of a [Manager], from [Manager.Add] to [Handle.Remove].
// Its methods may be called at any time from any goroutine.
type Handle struct {
	// In the order of their use, so that a check touches few cache lines:
	// with many targets their handles are its largest cost besides the heap.
	// What has no comment on its guard is guarded by manager.mu.
	hash    uint64 // of the target's name; fixed
	place   int64  // see schedule.next
	start   int64  // when the last check began
	cancel  context.CancelFunc
	round   uint32        // of the check whose result counts; others are stale
	state   atomic.Uint32 // State, for readers without the lock
	index   uint32        // in the manager's slots and schedule; fixed
	verdict verdict
	stuck   bool // the check in flight was taken for failed and still runs
	late    bool // it began late for want of this process's attention
	removed atomic.Bool
	policy  Policy // fixed

	target  Target  // fixed
	checker Checker // fixed

	ended  int64 // when the last check that counted did
	took   time.Duration
	err    error // of that check
	info   string
	passes uint64
	fails  uint64

	manager    *Manager // fixed
	generation uint64   // fixed
	since      int64    // of the last change of state
	locals     uint64
	changes    uint64
}

// State returns what the manager holds of the target: one atomic load. After
// Remove it stays what it was.
func (h *Handle) State() State { return State(h.state.Load()) }

// Up reports whether the state is [Up]; a target without a result is not.
func (h *Handle) Up() bool { return h.State() == Up }

// Remove takes the target out of the manager: it is not checked any more, a
// check in flight is called off and its result dropped, and no call of
// [WithOnChange] begins for it; one under way is not waited for. The name is free
// again at once. Idempotent.
func (h *Handle) Remove() { h.manager.remove(h) }

// probe is one check in flight.
type probe struct {
	handle *Handle
	ctx    context.Context
	cancel context.CancelFunc
	round  uint32
}
