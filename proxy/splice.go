package proxy

import "errors"

// A body of which at least spliceMin bytes are to come is moved inside the kernel, at most spliceMax at a time, where
// both connections allow it.
const (
	spliceMin = 64 << 10
	spliceMax = 1 << 20
)

// errNoSplice says that a socket is of a kind that cannot be spliced from.
var errNoSplice = errors.New("proxy: cannot splice")
