//go:build !unix && !windows

package healthcheck

import "syscall"

// localErrors is empty where the numbers are not known: such errors count as
// failures there.
var localErrors [0]syscall.Errno
