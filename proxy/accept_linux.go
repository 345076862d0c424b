package proxy

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRest bounds what completed takes: the longest accept queue there can be.
const maxRest = 1 << 16

// completed accepts until there is nothing more to accept. It knows what a *net.TCPListener and a *net.UnixListener
// do; what another listener makes of a connection is its own business.
func completed(ln net.Listener) (conns []net.Conn, ok bool) {
	switch ln.(type) {
	case *net.TCPListener, *net.UnixListener:
	default:
		return nil, false
	}
	rc, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, true // closed: there is nothing
	}
	_ = rc.Control(func(fd uintptr) { // fails on a closed listener, too
		for len(conns) < maxRest {
			nfd, _, err := unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			switch err {
			case nil:
			case unix.EINTR, unix.ECONNABORTED:
				continue
			default:
				return
			}
			f := os.NewFile(uintptr(nfd), "")
			conn, err := net.FileConn(f) // a duplicate
			_ = f.Close()
			if err == nil {
				conns = append(conns, conn)
			}
		}
	})
	return conns, true
}
