//go:build !unix && !windows

package scarce

import "syscall"

// numbers is empty where they are not known: such errors pass for any other there.
var numbers [0]syscall.Errno
