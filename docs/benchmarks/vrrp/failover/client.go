package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
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
	t      lab.T
	vip    netip.Addr
	pinger *lab.Pinger
	over   atomic.Bool
	join   func() error

	connects []time.Time // when the answer came
}

// newClient starts a client.
func newClient(t lab.T, h *lab.Host, vip netip.Addr) *client {
	c := &client{t: t, vip: vip, pinger: h.Ping(vip, pingEvery)}
	c.join = h.Go(c.connect)
	return c
}

// stop ends the client, and tells what it saw from then on.
func (c *client) stop(from time.Time) result {
	c.over.Store(true)
	pings, err := c.pinger.Stop()
	if err := errors.Join(err, c.join()); err != nil {
		c.t.Fatalf("client: %v", err)
	}
	var r result
	var replies []time.Time
	for _, p := range pings {
		switch {
		case !p.Answered.IsZero():
			replies = append(replies, p.Answered)
		case p.Sent.After(from):
			r.Lost++
		}
	}
	r.Connects = len(c.connects)
	r.PingGap, r.ConnectGap = gap(replies, from), gap(c.connects, from)
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
	return lab.Pace(connectEvery, &c.over, func() error {
		for n, _ := unix.EpollWait(ep, events, 0); n > 0; n, _ = unix.EpollWait(ep, events, 0) {
			for _, e := range events[:n] {
				fd := int(e.Fd)
				if n, _ := unix.Read(fd, answer[:]); n == 1 {
					c.connects = append(c.connects, time.Now())
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
