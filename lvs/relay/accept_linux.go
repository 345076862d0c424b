package relay

import (
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sweepMost bounds how many connections a listener that closes still takes, for a flood must not keep it open.
const sweepMost = 4096

// interrupt makes Accept return, for good.
func interrupt(ln net.Listener) {
	if tcp, ok := ln.(*net.TCPListener); ok {
		tcp.SetDeadline(time.Unix(1, 0)) // and not Close, so that sweep can follow
		return
	}
	ln.Close()
}

// sweep takes the connections that wait in the queue of an interrupted listener; closing it would reset them. It works on
// the net package's own listener only, since a wrapper may have a say in who is accepted.
func sweep(ln net.Listener, admit func(end, netip.AddrPort)) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	for range sweepMost {
		var fd int
		var sa unix.Sockaddr
		if cerr := raw.Control(func(l uintptr) {
			fd, sa, err = unix.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		}); cerr != nil {
			return
		}
		switch err {
		case nil:
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default: // EAGAIN: the queue is empty
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		file := os.NewFile(uintptr(fd), "tcp")
		e := end{rwc: file}
		if e.raw, err = file.SyscallConn(); err != nil {
			file.Close()
			continue
		}
		admit(e, sockaddr(sa))
	}
}

func sockaddr(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
