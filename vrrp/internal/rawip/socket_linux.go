package rawip

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Socket is what all routers of one family on one interface share. Its methods
// never wait. Send and SetVRIDs may be called by any goroutine, Receive by one
// at a time.
//
// A socket stays with its interface through down and up, and through a change of
// name. Once that is deleted, Send returns ENODEV for ever: another interface of
// that name needs another socket.
type Socket struct {
	config Config
	index  int // of the interface
	fd     int // protocol 112
	ah     int // protocol 51, or -1
	epoll  int // of both, or -1
	frames int // AF_PACKET, or -1
	noMAC  error

	receiving sync.Mutex // guards in, and the descriptors against Close
	in        receiver
	lost      atomic.Uint64

	sending sync.Mutex // guards out, the filters, and the descriptors against Close
	out     transmitter

	closed bool // guarded by either, set under both
}

// Open opens and binds the socket to the interface. The error wraps ENODEV, and
// names the interface, where it does not exist; it wraps EPERM, and names
// CAP_NET_RAW, without the privilege. Nothing is received before SetVRIDs.
//
// The socket for messages from a virtual MAC is opened too, since network
// namespaces belong to threads, but where that fails only Send with a MAC does.
func Open(c Config) (*Socket, error) {
	if c.Family != 4 && c.Family != 6 {
		return nil, fmt.Errorf("IP version %d is neither 4 nor 6", c.Family)
	}
	if c.Group.IsValid() && (!c.Group.IsMulticast() || c.Group.Is4() != (c.Family == 4)) {
		return nil, fmt.Errorf("%v is no multicast group of IPv%d", c.Group, c.Family)
	}
	s := &Socket{config: c, fd: -1, ah: -1, epoll: -1, frames: -1}
	if err := s.open(); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Socket) open() (err error) {
	if s.fd, err = s.socket(protoVRRP); err != nil {
		return err
	}
	if s.config.AH && s.config.Family == 4 {
		if s.ah, err = s.socket(protoAH); err != nil {
			return err
		}
		if s.epoll, err = both(s.fd, s.ah); err != nil {
			return err
		}
	}
	s.frames, s.noMAC = frameSocket(s.fd, s.config.Interface)
	return nil
}

// socket opens a raw socket that lets nothing in yet.
func (s *Socket) socket(protocol int) (int, error) {
	fd, err := unix.Socket(s.domain(), unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	switch {
	case errors.Is(err, unix.EPERM):
		return -1, fmt.Errorf("raw socket of protocol %d: CAP_NET_RAW is needed: %w", protocol, err)
	case err != nil:
		return -1, fmt.Errorf("raw socket of protocol %d: %w", protocol, os.NewSyscallError("socket", err))
	}
	if err := s.prepare(fd); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (s *Socket) domain() int {
	if s.config.Family == 6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// prepare closes the filter first: what came between is taken out of the queue
// once the socket is bound.
func (s *Socket) prepare(fd int) error {
	if err := attach(fd, []bpf.Instruction{drop}); err != nil {
		return err
	}
	if err := s.bind(fd); err != nil {
		return err
	}
	for _, o := range s.options() {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil && !(o.optional && errors.Is(err, unix.ENOPROTOOPT)) {
			return fmt.Errorf("interface %q: %s: %w", s.config.Interface, o.text, os.NewSyscallError("setsockopt", err))
		}
	}
	enlarge(fd)
	if err := s.join(fd); err != nil {
		return err
	}
	for {
		if _, _, err := unix.Recvfrom(fd, nil, unix.MSG_DONTWAIT|unix.MSG_TRUNC); err != nil && err != unix.EINTR {
			return nil
		}
	}
}

// both returns an epoll descriptor that is readable when one of the two is.
func both(fds ...int) (int, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("epoll_create1", err)
	}
	for _, fd := range fds {
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			_ = unix.Close(ep)
			return -1, os.NewSyscallError("epoll_ctl", err)
		}
	}
	return ep, nil
}

// frameSocket opens the socket for frames, which receives nothing.
func frameSocket(fd int, name string) (int, error) {
	if kind, err := hardwareType(fd, name); err != nil {
		return -1, err
	} else if kind != unix.ARPHRD_ETHER {
		return -1, fmt.Errorf("interface %q is not Ethernet: %w", name, errors.ErrUnsupported)
	}
	frames, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", os.NewSyscallError("socket", err))
	}
	_ = unix.SetsockoptInt(frames, unix.SOL_SOCKET, unix.SO_PRIORITY, priority)
	return frames, nil
}

// FD returns the descriptor, which becomes readable when Receive finds something.
func (s *Socket) FD() int {
	if s.epoll >= 0 {
		return s.epoll
	}
	return s.fd
}

// SetVRIDs sets the kernel's filter: only messages for these VRIDs are received,
// bit v%64 of word v/64 for VRID v. What waits already is still received.
func (s *Socket) SetVRIDs(vrids [4]uint64) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	if s.config.Family == 6 {
		return attach(s.fd, filter6(vrids))
	}
	err := attach(s.fd, filter4(vrids))
	if s.ah >= 0 {
		err = errors.Join(err, attach(s.ah, filterAH(vrids)))
	}
	return err
}

// attach replaces the filter of a socket, all of it at one moment.
func attach(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("socket filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err != nil {
		return fmt.Errorf("socket filter: %w", os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err))
	}
	return nil
}

// Overflows counts packets that the kernel dropped since the receive buffer was
// full. It learns of them with the next packet that is received.
func (s *Socket) Overflows() uint64 { return s.lost.Load() }

// Close closes the socket. Idempotent.
func (s *Socket) Close() error {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, fd := range []int{s.epoll, s.ah, s.fd, s.frames} {
		if fd >= 0 {
			errs = append(errs, os.NewSyscallError("close", unix.Close(fd)))
		}
	}
	return errors.Join(errs...)
}
