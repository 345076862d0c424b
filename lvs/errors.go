package lvs

import "errors"

// Errors that callers branch on. The first two arrive wrapped, with the service and the destination named.
var (
	// ErrUnknown means that the service has no destination of that ID.
	ErrUnknown = errors.New("unknown destination")

	// ErrDuplicate means that the ID or the address is taken: the kernel answers EEXIST there.
	ErrDuplicate = errors.New("duplicate")

	// ErrNoDest means that no destination may take a new connection: there is none, or each is down,
	// drained or of weight 0, or the caller excluded it. The kernel refuses the client then, and so should a plane.
	ErrNoDest = errors.New("lvs: no destination available")
)

// A RefusedError tells which service a plane cannot carry and why. It matches [errors.ErrUnsupported].
type RefusedError struct {
	Plane   string // the plane's name
	Service string // the service's name
	Reason  string // what the plane lacks
}

// Error names the plane, the service and the reason.
func (e *RefusedError) Error() string {
	return "lvs: plane " + e.Plane + " cannot carry " + e.Service + ": " + e.Reason
}

// Unwrap returns [errors.ErrUnsupported].
func (e *RefusedError) Unwrap() error { return errors.ErrUnsupported }
