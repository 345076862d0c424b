package rawip

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// mmsg makes one of the two system calls, and returns how many messages it did.
// It goes through unix.Syscall6 since package unix has neither, and x/net's
// batches allocate an address for every packet.
func mmsg(call uintptr, fd int, msgs []mmsghdr) (int, error) {
	n, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// control is room for control messages, aligned as their headers want.
type control [12]uint64

// put writes one control message of n bytes at the start, and returns them.
func (c *control) put(level, kind int32, n int) unsafe.Pointer {
	h := (*unix.Cmsghdr)(unsafe.Pointer(c))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(n))
	return unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))
}

// bytes is the first n bytes.
func (c *control) bytes(n int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(c)), n) }
