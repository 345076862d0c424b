//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package proxy

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peekConn looks at the socket under conn without waiting and without taking anything. It reports false if there is none.
func peekConn(conn net.Conn) (arrival, bool) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return quiet, false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return ended, true
	}
	return peekRaw(rc)
}

// peekRaw is safe beside a read or a write in progress. It reports false if the connection is closed.
func peekRaw(rc syscall.RawConn) (a arrival, ok bool) {
	var one [1]byte
	err := rc.Control(func(fd uintptr) {
		for {
			n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			switch {
			case err == unix.EINTR:
				continue
			case err == unix.EAGAIN:
				a = quiet
			case err == nil && n > 0:
				a = arrived
			default:
				a = ended
			}
			return
		}
	})
	return a, err == nil
}
