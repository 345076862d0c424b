package relay

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
)

// An end is one side of a relayed connection. The zero value is none.
type end struct {
	rwc io.ReadWriteCloser
	raw syscall.RawConn // its descriptor, where the relay may read, write and splice that by itself; otherwise nil
}

// newEnd takes a connection from a listener or dialer. It asks for syscall.Conn and not for *net.TCPConn: what hands its
// descriptor out has no business with the bytes.
func newEnd(c net.Conn) end {
	e := end{rwc: c}
	if sc, ok := c.(syscall.Conn); ok && rawIO {
		if raw, err := sc.SyscallConn(); err == nil {
			e.raw = raw
		}
	}
	return e
}

var errNoHalfClose = errors.New("the connection cannot be closed one way")

// closeWrite ends the stream towards this side and leaves the other direction open.
func (e *end) closeWrite() error {
	if e.raw != nil {
		return rawCloseWrite(e.raw)
	}
	if c, ok := e.rwc.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errNoHalfClose
}

// reset closes this side so that it sees a reset and not the end of a stream, where the connection can do that. Of a
// connection that wraps another, as that of TLS does, it resets the inner one, since closing the outer one says goodbye.
func (e *end) reset() {
	if e.raw != nil {
		rawLinger0(e.raw)
		e.rwc.Close()
		return
	}
	inner := e.rwc
	for {
		outer, ok := inner.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		inner = outer.NetConn()
	}
	if c, ok := inner.(interface{ SetLinger(int) error }); ok {
		c.SetLinger(0)
	}
	inner.Close()
	if inner != e.rwc {
		e.rwc.Close()
	}
}

// keepAlive has TCP look after a connection that no idle timeout looks after.
func keepAlive(c net.Conn) {
	if k, ok := c.(interface{ SetKeepAlive(bool) error }); ok {
		k.SetKeepAlive(true)
	}
}

// addrPort returns the address of a peer, or none where it has no such thing.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return ap
}
