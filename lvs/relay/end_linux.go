package relay

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// rawIO says that the relay works on descriptors by itself where it gets them.
const rawIO = true

func rawCloseWrite(raw syscall.RawConn) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) }); cerr != nil {
		return cerr
	}
	return err
}

func rawLinger0(raw syscall.RawConn) {
	raw.Control(func(fd uintptr) {
		unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
}
