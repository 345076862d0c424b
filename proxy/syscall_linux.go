package proxy

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// rawRead reads once from a non-blocking descriptor, again after EINTR. p must not be empty.
func rawRead(fd uintptr, p []byte) (int, syscall.Errno) {
	if race.Enabled || len(p) > rawLimit {
		for {
			n, err := unix.Read(int(fd), p)
			if err != unix.EINTR {
				return max(n, 0), errnoOf(err)
			}
		}
	}
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// rawWrite writes once to a non-blocking descriptor, again after EINTR.
func rawWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	if race.Enabled || len(p) > rawLimit {
		for {
			n, err := unix.Write(int(fd), p)
			if err != unix.EINTR {
				return max(n, 0), errnoOf(err)
			}
		}
	}
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

func errnoOf(err error) syscall.Errno {
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	if err != nil {
		return syscall.EINVAL
	}
	return 0
}
