package vrrp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelDrops counts what the kernel received for the socket and could not keep.
func kernelDrops(fd uintptr) uint64 {
	const drops = 8 // SK_MEMINFO_DROPS
	var info [drops + 1]uint32
	n := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 || n < uint32(unsafe.Sizeof(info)) {
		return 0
	}
	return uint64(info[drops])
}
