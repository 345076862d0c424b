package memnet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// Streams is a network of stream connections between IP addresses: every
// address is reachable, and answers where somebody listens.
type Streams struct {
	buffer  int
	backlog int

	mu        sync.Mutex // guards everything below
	listeners map[netip.AddrPort]*Listener
	lastPort  uint16 // the last ephemeral port given
}

// StreamsOption configures [Streams].
type StreamsOption func(*Streams)

// WithBuffer sets how many bytes wait in each direction of a connection before
// a Write blocks. Default 64 KiB; less than 1 means 1.
func WithBuffer(n int) StreamsOption {
	return func(s *Streams) { s.buffer = max(1, n) }
}

// WithBacklog sets how many connections wait in a listener before DialContext
// blocks. Default 128; less than 1 means 1.
func WithBacklog(n int) StreamsOption {
	return func(s *Streams) { s.backlog = max(1, n) }
}

// NewStreams returns a network without listeners. It starts no goroutine.
func NewStreams(opts ...StreamsOption) *Streams {
	s := &Streams{buffer: 64 << 10, backlog: 128, listeners: make(map[netip.AddrPort]*Listener), lastPort: firstPort - 1}
	for _, o := range opts {
		o(s)
	}
	return s
}

// firstPort is where ephemeral ports begin (RFC 6335 section 6).
const firstPort = 49152

// Listen takes "host:port", where host is an IP address, localhost, or empty
// for every address; port 0 picks one. An address in use fails with EADDRINUSE.
func (s *Streams) Listen(addr string) (*Listener, error) {
	local, err := resolve("listen", "tcp", addr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if local.Port() == 0 {
		local = netip.AddrPortFrom(local.Addr(), s.lockedPort(local.Addr()))
	}
	tcp := net.TCPAddrFromAddrPort(local)
	if s.listeners[local] != nil {
		return nil, listenError("tcp", tcp, os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := newListener(s, local)
	s.listeners[local] = l
	return l, nil
}

// lockedPort returns an ephemeral port at which nobody listens; s.mu is held.
func (s *Streams) lockedPort(host netip.Addr) uint16 {
	for {
		s.lastPort++
		if s.lastPort < firstPort { // wrapped around
			s.lastPort = firstPort
		}
		if s.listeners[netip.AddrPortFrom(host, s.lastPort)] == nil {
			return s.lastPort
		}
	}
}

// DialContext connects to a listener from the loopback address and a port of
// its own; network is tcp, tcp4 or tcp6, without a difference. It fails with ECONNREFUSED where nobody listens, and waits while the
// listener's backlog is full, until ctx is done. The connection is a [*Conn].
func (s *Streams) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.DialFrom(ctx, netip.Addr{}, network, addr)
}

// DialFrom is [Streams.DialContext] from an address of the caller's choice; the
// zero Addr means the loopback address.
func (s *Streams) DialFrom(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	to, err := resolve("dial", network, addr)
	if err != nil {
		return nil, err
	}
	to = netip.AddrPortFrom(loopback(to.Addr(), to.Addr()), to.Port())
	remote := net.TCPAddrFromAddrPort(to)
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: remote, Err: err}
	}

	s.mu.Lock()
	l := s.lockedListener(to)
	host := loopback(from, to.Addr())
	source := netip.AddrPortFrom(host, s.lockedPort(host))
	s.mu.Unlock()

	local := net.TCPAddrFromAddrPort(source)
	err = os.NewSyscallError("connect", syscall.ECONNREFUSED)
	if l != nil {
		near, far := newConns(local, remote, s.buffer)
		if err = l.queue(ctx, far); err == nil {
			return near, nil
		}
	}
	return nil, &net.OpError{Op: "dial", Net: network, Source: local, Addr: remote, Err: err}
}

// lockedListener returns who answers at addr, or nil; s.mu is held.
func (s *Streams) lockedListener(addr netip.AddrPort) *Listener {
	at := func(host netip.Addr) *Listener { return s.listeners[netip.AddrPortFrom(host, addr.Port())] }
	l := at(addr.Addr())
	if l == nil && addr.Addr().Is4() {
		l = at(netip.IPv4Unspecified())
	}
	if l == nil {
		l = at(netip.IPv6Unspecified()) // serves both families
	}
	return l
}

// resolve reads an address without asking anybody; an empty host is "::".
func resolve(op, network, addr string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, &net.OpError{Op: op, Net: network, Err: err}
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, &net.OpError{Op: op, Net: network, Err: &net.AddrError{Err: "invalid port", Addr: addr}}
	}
	ip := netip.IPv6Unspecified()
	switch host {
	case "":
	case "localhost":
		ip = loopback(ip, netip.IPv4Unspecified())
	default:
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, &net.OpError{Op: op, Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
		}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}

// loopback returns ip, or the loopback address of like's family where ip names
// no host: connecting to or from an unspecified address means this host.
func loopback(ip, like netip.Addr) netip.Addr {
	switch {
	case ip.IsValid() && !ip.IsUnspecified():
		return ip
	case like.Is4():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
