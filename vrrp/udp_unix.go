//go:build unix && !aix

package vrrp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxDatagram holds the longest advert with its trailer, and one byte more by
// which a longer one is known.
const maxDatagram = headerLen + maxAddrs*16 + trailerLen + 1

// udpReader reads the socket when the router asks, which it does just before it
// honours a timer: an advert that is already in the kernel is never late. For
// those who wait for [Link.Ready] a goroutine waits in the poller.
type udpReader struct {
	raw  syscall.RawConn
	once sync.Once     // starts watch
	room chan struct{} // capacity 1: something was taken from the inbox

	mu  sync.Mutex // guards buf, and keeps the packets in order
	buf [maxDatagram]byte

	out  [1]unix.PollFd // of writable
	look func(fd uintptr)
}

func openUDP(u *UDP, conn *net.UDPConn) (Link, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l := newUDPLink(u, conn)
	l.reader.raw, l.reader.room, l.reader.look = raw, make(chan struct{}, 1), l.lookOut
	return l, nil
}

// Ready starts the reader, which a router that waits for the descriptor needs not.
func (l *udpLink) Ready() <-chan struct{} {
	l.reader.once.Do(func() { l.running.Go(l.watch) })
	return l.ready
}

// countOverflow asks the kernel, as long as there is a socket.
func (l *udpLink) countOverflow() {
	_ = l.reader.raw.Control(func(fd uintptr) { l.dropped[DropOverflow].Store(kernelDrops(fd)) })
}

// writable reports whether the socket takes a packet at once. It is called by
// one goroutine.
func (l *udpLink) writable() bool {
	r := &l.reader
	return r.raw.Control(r.look) != nil || r.out[0].Revents&unix.POLLOUT != 0
}

func (l *udpLink) lookOut(fd uintptr) {
	out := l.reader.out[:]
	out[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	if _, err := unix.Poll(out, 0); err != nil {
		out[0].Revents = unix.POLLOUT // interrupted
	}
}

// fd is what a router may wait for instead.
func (l *udpLink) fd() (fd int) {
	fd = -1
	_ = l.reader.raw.Control(func(f uintptr) { fd = int(f) })
	return fd
}

// watch fills the inbox when the socket becomes readable.
func (l *udpLink) watch() {
	for l.reader.raw.Read(l.fill) == nil {
		if !l.full() {
			continue
		}
		select {
		case <-l.reader.room:
		case <-l.done:
			return
		}
	}
}

// Receive reads the socket too, since watch may not have run yet.
func (l *udpLink) Receive(packets []Packet) (int, error) {
	// Control takes no lock against the Read that waits in watch.
	if err := l.reader.raw.Control(func(fd uintptr) { l.fill(fd) }); err != nil {
		return 0, err
	}
	n := l.take(packets)
	if n > 0 {
		select {
		case l.reader.room <- struct{}{}:
		default:
		}
	}
	return n, nil
}

// maxReads bounds one fill, so that a flood of strangers cannot hold the router.
const maxReads = 256

// fill reads what the socket has. It returns false when the socket is empty:
// only then may watch wait for the poller.
func (l *udpLink) fill(fd uintptr) bool {
	l.reader.mu.Lock()
	defer l.reader.mu.Unlock()
	for range maxReads {
		if l.full() {
			return true
		}
		n, from, err := unix.Recvfrom(int(fd), l.reader.buf[:], unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			l.admit(l.reader.buf[:n], addrPortOf(from))
		case errors.Is(err, unix.EAGAIN):
			return false
		}
		// Any other error is an interrupted call, or an ICMP message about
		// something we sent: reading it has cleared it.
	}
	return true
}

// addrPortOf converts what the kernel says about a sender.
func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
