package memnet

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// PacketConn is a datagram socket on a [LAN]. Any number of goroutines may call
// its methods.
type PacketConn struct {
	lan   *LAN
	local netip.AddrPort

	// All below is guarded by lan.mu.
	arrived sync.Cond
	waiting []frame
	dropped uint64
	groups  map[netip.Addr]bool
	last    map[netip.AddrPort]time.Time // when the last frame of each sender is due here
	readBy  deadline
	writeBy deadline
	closed  bool
}

var _ net.PacketConn = (*PacketConn)(nil)

func newPacketConn(l *LAN, local netip.AddrPort) *PacketConn {
	c := &PacketConn{
		lan:    l,
		local:  local,
		groups: make(map[netip.Addr]bool),
		last:   make(map[netip.AddrPort]time.Time),
	}
	c.arrived.L = &l.mu
	return c
}

// JoinGroup subscribes the socket to a multicast group.
func (c *PacketConn) JoinGroup(group netip.Addr) error { return c.member(group, true) }

// LeaveGroup undoes [PacketConn.JoinGroup].
func (c *PacketConn) LeaveGroup(group netip.Addr) error { return c.member(group, false) }

func (c *PacketConn) member(group netip.Addr, in bool) error {
	if !group.IsMulticast() {
		return c.opError("setsockopt", netip.AddrPort{}, &net.AddrError{Err: "not a multicast address", Addr: group.String()})
	}
	c.lan.mu.Lock()
	defer c.lan.mu.Unlock()
	if c.closed {
		return c.opError("setsockopt", netip.AddrPort{}, net.ErrClosed)
	}
	if in {
		c.groups[group] = true
	} else {
		delete(c.groups, group)
	}
	return nil
}

// ReadFromUDPAddrPort waits for a datagram and copies it to b; what does not
// fit is lost. It fails with [net.ErrClosed] and [os.ErrDeadlineExceeded].
func (c *PacketConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.lan.mu.Lock()
	defer c.lan.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, netip.AddrPort{}, c.opError("read", netip.AddrPort{}, net.ErrClosed)
		case c.readBy.passed():
			return 0, netip.AddrPort{}, c.opError("read", netip.AddrPort{}, os.ErrDeadlineExceeded)
		case len(c.waiting) > 0:
			f := c.waiting[0]
			c.waiting[0] = frame{}
			c.waiting = c.waiting[1:]
			return copy(b, f.data), f.from, nil
		}
		c.arrived.Wait()
	}
}

// ReadFrom is [PacketConn.ReadFromUDPAddrPort] with a [*net.UDPAddr].
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteToUDPAddrPort sends b and never blocks. A datagram that is lost, cut off
// or unheard is no error, as on a wire.
func (c *PacketConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if !to.Addr().IsValid() {
		return 0, c.opError("write", to, &net.AddrError{Err: "missing address"})
	}
	if err := c.lan.send(c, to, b); err != nil {
		return 0, c.opError("write", to, err)
	}
	return len(b), nil
}

// WriteTo is [PacketConn.WriteToUDPAddrPort] for a [*net.UDPAddr] or [*net.IPAddr].
func (c *PacketConn) WriteTo(b []byte, to net.Addr) (int, error) {
	switch to := to.(type) {
	case *net.UDPAddr:
		return c.WriteToUDPAddrPort(b, to.AddrPort())
	case *net.IPAddr:
		ip, _ := netip.AddrFromSlice(to.IP)
		return c.WriteToUDPAddrPort(b, netip.AddrPortFrom(ip.WithZone(to.Zone), 0))
	}
	return 0, c.opError("write", netip.AddrPort{}, &net.AddrError{Err: "not a UDP or IP address"})
}

// unmap undoes the 16-byte form in which package net keeps IPv4 addresses.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// LocalAddr returns a [*net.UDPAddr].
func (c *PacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// Dropped returns the number of datagrams that found the queue full.
func (c *PacketConn) Dropped() uint64 {
	c.lan.mu.Lock()
	defer c.lan.mu.Unlock()
	return c.dropped
}

// SetDeadline sets both deadlines.
func (c *PacketConn) SetDeadline(t time.Time) error { return c.deadlines(t, &c.readBy, &c.writeBy) }

// SetReadDeadline bounds reads, those that block now included; zero is none.
func (c *PacketConn) SetReadDeadline(t time.Time) error { return c.deadlines(t, &c.readBy) }

// SetWriteDeadline makes writes fail from t on; zero is none.
func (c *PacketConn) SetWriteDeadline(t time.Time) error { return c.deadlines(t, &c.writeBy) }

func (c *PacketConn) deadlines(t time.Time, which ...*deadline) error {
	c.lan.mu.Lock()
	defer c.lan.mu.Unlock()
	if c.closed {
		return c.opError("set", netip.AddrPort{}, net.ErrClosed)
	}
	for _, d := range which {
		d.set(&c.arrived, t)
	}
	return nil
}

// Close takes the socket off the LAN and unblocks its readers. A second call
// fails with [net.ErrClosed], as that of a UDP socket does.
func (c *PacketConn) Close() error {
	c.lan.mu.Lock()
	defer c.lan.mu.Unlock()
	if c.closed {
		return c.opError("close", netip.AddrPort{}, net.ErrClosed)
	}
	c.lan.lockedClose(c)
	return nil
}

// opError names the operation, as package net does.
func (c *PacketConn) opError(op string, to netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: "udp", Source: net.UDPAddrFromAddrPort(c.local), Err: err}
	if to.IsValid() {
		e.Addr = net.UDPAddrFromAddrPort(to)
	}
	return e
}

// listenError is the failure to bind an address.
func listenError(network string, addr net.Addr, err error) error {
	return &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
}
