package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

const (
	pingEvery    = time.Millisecond
	connectEvery = 5 * time.Millisecond
	port         = 7777
)

// serve answers every connection to a host with one byte.
func serve(t lab.T, h *lab.Host) {
	var listener net.Listener
	h.Do(func() (err error) {
		listener, err = net.Listen("tcp", "[::]:7777")
		return err
	})
	t.Cleanup(func() { _ = listener.Close() })
	go func() { // ends with the listener
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0) // an address that moves leaves nothing behind
			_, _ = c.Write([]byte{byte(h.N)}) // the client may be gone
			_ = c.Close()
		}
	}()
}

// client talks to the address without a pause.
type client struct {
	t     lab.T
	vip   netip.Addr
	over  atomic.Bool
	joins []func() error

	mu       sync.Mutex  // guards everything below
	sent     []time.Time // pings, by sequence number
	replies  []time.Time
	answered map[uint16]bool
	connects []time.Time // when the answer came
}

// newClient starts a client, and waits for its first answer.
func newClient(t lab.T, h *lab.Host, vip netip.Addr) *client {
	c := &client{t: t, vip: vip, answered: map[uint16]bool{}}
	fd := -1
	h.Do(func() (err error) {
		fd, err = c.pingSocket()
		return err
	})
	c.joins = []func() error{
		h.Go(func() error { return c.ping(fd) }),
		h.Go(func() error { return c.hear(fd) }),
		h.Go(c.connect),
	}
	return c
}

// stop ends the client, and tells what it saw from then on.
func (c *client) stop(from time.Time) result {
	c.over.Store(true)
	for _, join := range c.joins {
		if err := join(); err != nil {
			c.t.Fatalf("client: %v", err)
		}
	}
	r := result{PingGap: gap(c.replies, from), ConnectGap: gap(c.connects, from)}
	for seq, at := range c.sent {
		// Those at the very end may be under way.
		if at.After(from) && at.Before(time.Now().Add(-100*time.Millisecond)) && !c.answered[uint16(seq)] {
			r.Lost++
		}
	}
	return r
}

// gap is the longest time between two of the instants, from then on.
func gap(at []time.Time, from time.Time) (longest time.Duration) {
	slices.SortFunc(at, time.Time.Compare)
	for i := 1; i < len(at); i++ {
		if at[i].After(from) {
			longest = max(longest, at[i].Sub(at[i-1]))
		}
	}
	return longest
}

func (c *client) sockaddr(port int) unix.Sockaddr {
	if c.vip.Is6() {
		return &unix.SockaddrInet6{Addr: c.vip.As16(), Port: port}
	}
	return &unix.SockaddrInet4{Addr: c.vip.As4(), Port: port}
}

func (c *client) domain() int {
	if c.vip.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// pingSocket is for echo requests and replies, with the kernel's time.
func (c *client) pingSocket() (int, error) {
	proto := unix.IPPROTO_ICMP
	if c.vip.Is6() {
		proto = unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(c.domain(), unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	tv := unix.NsecToTimeval(int64(20 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return -1, os.NewSyscallError("setsockopt", err)
	}
	return fd, os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
}

// pace calls f every so often, on this thread, until the client is over.
func (c *client) pace(every time.Duration, f func() error) error {
	for next := time.Now(); !c.over.Load(); next = next.Add(every) {
		if err := f(); err != nil {
			return err
		}
		if d := time.Until(next.Add(every)); d > 0 {
			ts := unix.NsecToTimespec(int64(d))
			_ = unix.Nanosleep(&ts, nil) // a signal ends it early
		}
	}
	return nil
}

func (c *client) ping(fd int) error {
	request := make([]byte, 16)
	request[0] = 8
	if c.vip.Is6() {
		request[0] = 128
	}
	binary.BigEndian.PutUint16(request[4:], uint16(os.Getpid()))
	to := c.sockaddr(0)
	return c.pace(pingEvery, func() error {
		c.mu.Lock()
		seq := len(c.sent)
		c.sent = append(c.sent, time.Now())
		c.mu.Unlock()
		binary.BigEndian.PutUint16(request[6:], uint16(seq))
		request[2], request[3] = 0, 0
		if c.vip.Is4() { // the kernel does it for ICMPv6
			var sum uint32
			for i := 0; i < len(request); i += 2 {
				sum += uint32(binary.BigEndian.Uint16(request[i:]))
			}
			sum = sum>>16 + sum&0xffff
			binary.BigEndian.PutUint16(request[2:], ^uint16(sum+sum>>16))
		}
		_ = unix.Sendto(fd, request, unix.MSG_DONTWAIT, to) // what cannot leave is lost
		return nil
	})
}

// hear takes echo replies.
func (c *client) hear(fd int) error {
	defer unix.Close(fd)
	buf, control := make([]byte, 256), make([]byte, 128)
	for !c.over.Load() {
		n, cn, _, _, err := unix.Recvmsg(fd, buf, control, 0)
		if err != nil {
			continue // nothing for a while
		}
		b, kind := buf[:n], byte(129)
		if c.vip.Is4() {
			if n < 20 || netip.AddrFrom4([4]byte(b[12:16])) != c.vip {
				continue
			}
			b, kind = b[int(b[0]&15)*4:], 0
		}
		if len(b) < 8 || b[0] != kind || binary.BigEndian.Uint16(b[4:]) != uint16(os.Getpid()) {
			continue
		}
		at := time.Now()
		if messages, err := unix.ParseSocketControlMessage(control[:cn]); err == nil {
			for _, m := range messages {
				if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
					at = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
				}
			}
		}
		c.mu.Lock()
		c.replies = append(c.replies, at)
		c.answered[binary.BigEndian.Uint16(b[6:])] = true
		c.mu.Unlock()
	}
	return nil
}

// connect opens one connection after the other, whether or not earlier ones
// were answered.
func (c *client) connect() error {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	defer unix.Close(ep)
	to := c.sockaddr(port)
	opened := map[int]time.Time{}
	defer func() {
		for fd := range opened {
			_ = unix.Close(fd)
		}
	}()
	events := make([]unix.EpollEvent, 64)
	var answer [1]byte
	return c.pace(connectEvery, func() error {
		for n, _ := unix.EpollWait(ep, events, 0); n > 0; n, _ = unix.EpollWait(ep, events, 0) {
			for _, e := range events[:n] {
				fd := int(e.Fd)
				if n, _ := unix.Read(fd, answer[:]); n == 1 {
					c.mu.Lock()
					c.connects = append(c.connects, time.Now())
					c.mu.Unlock()
				}
				_ = unix.Close(fd)
				delete(opened, fd)
			}
		}
		for fd, at := range opened {
			if time.Since(at) > 900*time.Millisecond { // before its first repetition
				_ = unix.Close(fd)
				delete(opened, fd)
			}
		}
		fd, err := unix.Socket(c.domain(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
			return unix.Close(fd) // no route for a moment
		}
		opened[fd] = time.Now()
		return os.NewSyscallError("epoll_ctl", unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd,
			&unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fd)}))
	})
}
