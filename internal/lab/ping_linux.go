package lab

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Pinger sends echo requests from a host at a steady pace.
type Pinger struct {
	to    netip.Addr
	over  atomic.Bool
	joins []func() error

	mu    sync.Mutex // guards pings
	pings []Ping
}

// Ping is one echo request, and when the answer came.
type Ping struct {
	Sent, Answered time.Time // Answered: of the kernel; zero if there was none
}

// Ping begins to ping an address.
func (h *Host) Ping(to netip.Addr, every time.Duration) *Pinger {
	h.lab.t.Helper()
	p := &Pinger{to: to}
	var fd int
	h.Do(func() (err error) {
		fd, err = p.open()
		return err
	})
	p.joins = []func() error{
		h.Go(func() error { return Pace(every, &p.over, func() error { return p.ask(fd) }) }),
		h.Go(func() error { return p.hear(fd) }),
	}
	return p
}

// Stop waits for the answers that are under way, and returns all pings.
func (p *Pinger) Stop() ([]Ping, error) {
	p.over.Store(true)
	for _, join := range p.joins {
		if err := join(); err != nil {
			return nil, err
		}
	}
	return p.pings, nil
}

// Pace calls f every so often on the calling thread, which it blocks, until
// over is set.
func Pace(every time.Duration, over *atomic.Bool, f func() error) error {
	for next := time.Now(); !over.Load(); next = next.Add(every) {
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

// open makes a socket for echo requests and replies.
func (p *Pinger) open() (int, error) {
	domain, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if p.to.Is6() {
		domain, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20) // for a moment without the CPU
	tv := unix.NsecToTimeval(int64(100 * time.Millisecond))            // of one Recvmsg
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return -1, os.NewSyscallError("setsockopt SO_RCVTIMEO", err)
	}
	return fd, os.NewSyscallError("setsockopt SO_TIMESTAMPNS", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
}

// ask sends one request. Its identifier and sequence number together count.
func (p *Pinger) ask(fd int) error {
	p.mu.Lock()
	n := len(p.pings)
	p.pings = append(p.pings, Ping{Sent: time.Now()})
	p.mu.Unlock()
	b := make([]byte, 16)
	b[0] = 8
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(p.to.AsSlice()[:4])}
	if p.to.Is6() {
		b[0], to = 128, &unix.SockaddrInet6{Addr: p.to.As16()}
	}
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	if p.to.Is4() { // the kernel does it for ICMPv6
		binary.BigEndian.PutUint16(b[2:], sum(b))
	}
	_ = unix.Sendto(fd, b, unix.MSG_DONTWAIT, to) // what cannot leave is lost
	return nil
}

// hear takes answers, until some time has passed without one after the end.
func (p *Pinger) hear(fd int) error {
	defer unix.Close(fd)
	buf, control := make([]byte, 256), make([]byte, 128)
	for {
		ending := p.over.Load()
		n, cn, _, _, err := unix.Recvmsg(fd, buf, control, 0)
		if err != nil && ending {
			return nil
		}
		if err != nil {
			continue // nothing for a while
		}
		b, reply := buf[:n], byte(129)
		if p.to.Is4() {
			if n < 20 || netip.AddrFrom4([4]byte(b[12:16])) != p.to {
				continue
			}
			b, reply = b[int(b[0]&15)*4:], 0
		}
		if len(b) < 8 || b[0] != reply {
			continue
		}
		at := received(control[:cn])
		p.mu.Lock()
		if n := binary.BigEndian.Uint32(b[4:]); int(n) < len(p.pings) && p.pings[n].Answered.IsZero() {
			p.pings[n].Answered = at
		}
		p.mu.Unlock()
	}
}

// received is when the kernel received what came with the control messages.
func received(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}
