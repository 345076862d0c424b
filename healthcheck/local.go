package healthcheck

import (
	"errors"
	"net"
	"os"
	"slices"

	"github.com/mainstay-ha/mainstay/internal/scarce"
)

// local reports whether err is an error of this machine: it says nothing about
// the target. What the network or the target answers (refused, reset,
// unreachable, timed out) is not one.
func local(err error) bool {
	if scarce.Is(err) {
		return true
	}
	// The calls that come before connect touch nothing but this machine.
	var call *os.SyscallError
	if errors.As(err, &call) && slices.Contains([]string{"socket", "setsockopt", "bind"}, call.Syscall) {
		return true
	}
	// A resolver that does not answer is not the target's failure; a name that
	// does not exist is.
	var lookup *net.DNSError
	return errors.As(err, &lookup) && !lookup.IsNotFound
}
