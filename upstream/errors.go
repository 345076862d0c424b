package upstream

import "errors"

// The errors callers branch on. A proxy answers 502 Bad Gateway for
// [ErrNoPeer] and 503 Service Unavailable for [ErrBusy].
var (
	// ErrNoPeer: nothing can take the request. Every peer is down, unhealthy,
	// draining, ejected, temporarily disabled by its failures, or was tried
	// already. All peers being out does not bring any of them back early, unless
	// [WithPanicThreshold] is set.
	ErrNoPeer = errors.New("upstream: no peer is eligible")

	// ErrBusy: at least one peer could have taken the request and is only at
	// its [MaxConns]; the same request may pass in a moment.
	ErrBusy = errors.New("upstream: every eligible peer is at max_conns")

	// ErrQueueFull: as many requests wait as [WithQueue] allows. It is an
	// ErrBusy; a proxy answers 503 with Retry-After.
	ErrQueueFull error = queueError("upstream: the queue is full")

	// ErrQueueTimeout: the request has waited as long as [WithQueue] allows. It
	// is an ErrBusy; a proxy answers 503.
	ErrQueueTimeout error = queueError("upstream: waited too long for a peer")

	// ErrBudget: a retry would exceed [WithRetryBudget]. A proxy answers what
	// the last peer answered, if it still has that, and 502 otherwise.
	ErrBudget = errors.New("upstream: too many retries in flight")

	// ErrUnknown: no backend of the pool has that id.
	ErrUnknown = errors.New("upstream: unknown backend")

	// ErrDuplicate: a backend of the pool has that id already.
	ErrDuplicate = errors.New("upstream: duplicate backend")
)

// errLeaseOpen answers a caller that picks again before it has ended the lease
// it holds; going on would lose that lease and leak its place in max_conns.
var errLeaseOpen = errors.New("upstream: the request still holds a lease")

// queueError is an [ErrBusy] of the queue.
type queueError string

func (e queueError) Error() string { return string(e) }
func (e queueError) Unwrap() error { return ErrBusy }
