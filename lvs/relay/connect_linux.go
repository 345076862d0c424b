package relay

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// rawReach connects to a destination with a socket of the relay's own. net.Dialer would do the same with a context's
// goroutine and a dozen more system calls. Without an error and not ok, the connection was cut meanwhile.
func (c *conn) rawReach(addr netip.AddrPort) (ok bool, err error) {
	fd, sa, err := c.r.socket(addr)
	if err != nil {
		return false, err
	}
	switch err := unix.Connect(fd, sa); err {
	case nil, unix.EINPROGRESS, unix.EINTR:
	default:
		unix.Close(fd)
		return false, os.NewSyscallError("connect", err)
	}
	// From here on the runtime's poller has the descriptor, and c.cut may close it.
	file := os.NewFile(uintptr(fd), "tcp")
	e := end{rwc: file}
	if e.raw, err = file.SyscallConn(); err != nil {
		file.Close()
		return false, err
	}
	if !c.attach(e) {
		return false, nil
	}
	// To ask again tells how the attempt goes: EALREADY while it is under way, and success or its error once.
	var state error
	ask := func(fd uintptr) bool {
		state = unix.Connect(int(fd), sa)
		return state != unix.EALREADY && state != unix.EINPROGRESS && state != unix.EINTR
	}
	err = e.raw.Control(func(fd uintptr) {
		if !ask(fd) {
			state = unix.EALREADY
		}
	})
	if err == nil && state == unix.EALREADY {
		file.SetWriteDeadline(time.Now().Add(c.r.cfg.connectTimeout))
		err = e.raw.Write(ask)
		file.SetWriteDeadline(time.Time{})
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errConnectTimeout
	case err != nil: // closed by cut
		return false, nil
	case state != nil && state != unix.EISCONN:
		err = os.NewSyscallError("connect", state)
	case maySelfConnect(addr) && selfConnected(e.raw, addr):
		err = os.NewSyscallError("connect", unix.ECONNREFUSED)
	default:
		return true, nil
	}
	c.detach()
	return false, err
}

// socket makes a socket that can connect to addr.
func (r *Relay) socket(addr netip.AddrPort) (int, unix.Sockaddr, error) {
	var sa unix.Sockaddr
	family := unix.AF_INET
	if addr.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	} else {
		family = unix.AF_INET6
		sa = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, nil, os.NewSyscallError("socket", err)
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if r.cfg.idleTimeout == 0 {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
	return fd, sa, nil
}
