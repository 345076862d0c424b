//go:build !windows

package relay_test

import "syscall"

const errReset = syscall.ECONNRESET
