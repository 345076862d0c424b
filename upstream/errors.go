package upstream

import "errors"

// The errors callers branch on. A proxy answers 502 Bad Gateway for
// [ErrNoPeer] and 503 Service Unavailable for [ErrBusy].
var (
	// ErrNoPeer: nothing can take the request. Every peer is down, unhealthy,
	// draining, temporarily disabled by its failures, or was tried already.
	// All peers being out does not bring any of them back early.
	ErrNoPeer = errors.New("upstream: no peer is eligible")

	// ErrBusy: at least one peer could have taken the request and is only at
	// its [MaxConns]; the same request may pass in a moment.
	ErrBusy = errors.New("upstream: every eligible peer is at max_conns")

	// ErrUnknown: no backend of the pool has that id.
	ErrUnknown = errors.New("upstream: unknown backend")

	// ErrDuplicate: a backend of the pool has that id already.
	ErrDuplicate = errors.New("upstream: duplicate backend")
)

// errLeaseOpen answers a caller that picks again before it has ended the lease
// it holds; going on would lose that lease and leak its place in max_conns.
var errLeaseOpen = errors.New("upstream: the request still holds a lease")
