//go:build unix

package healthcheck

import "syscall"

// localErrors: no descriptor, no memory, no local port or address.
var localErrors = [...]syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE,
}
