// Package scarce knows the errors that say what this machine lacks: descriptors, memory, local ports and addresses. They
// tell nothing about whoever was to be reached.
package scarce

import (
	"errors"
	"slices"
	"syscall"
)

// Is reports whether err comes of something that this machine has run out of. A nil error does not.
func Is(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) && slices.Contains(numbers[:], number)
}
