package memnet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// LAN is one broadcast domain of datagram sockets. Its methods may be called
// by any goroutine at any time.
type LAN struct {
	queue int

	mu      sync.Mutex // guards everything below
	idle    sync.Cond  // no timer is armed or running
	rand    *rand.Rand
	sockets []*PacketConn // in the order of binding, so that chance is repeatable
	faults  faults
	tap     func(from, to netip.AddrPort, b []byte)
	flight  flight
	stats   LANStats
	closed  bool
}

// LANStats counts frames since [NewLAN]. A multicast frame is sent once and
// then counted once for each receiver.
type LANStats struct {
	Sent       uint64 // frames given to the LAN
	Delivered  uint64 // frames put in a socket's queue, duplicates included
	Lost       uint64 // by SetLoss
	Cut        uint64 // by Cut or Partition
	Overflowed uint64 // the socket's queue was full
	Unheard    uint64 // nobody was bound to the unicast destination
}

// LANOption configures a [LAN].
type LANOption func(*LAN)

// WithSeed seeds the generator of faults. Default 1.
func WithSeed(seed uint64) LANOption {
	return func(l *LAN) { l.rand = newRand(seed) }
}

// WithQueue sets how many datagrams wait in a socket before further ones are
// dropped. Default 256; less than 1 means 1.
func WithQueue(n int) LANOption {
	return func(l *LAN) { l.queue = max(1, n) }
}

// NewLAN returns a LAN without faults and without sockets. It starts no
// goroutine; timers run while delayed frames are in flight.
func NewLAN(opts ...LANOption) *LAN {
	l := &LAN{queue: 256, rand: newRand(1)}
	l.idle.L = &l.mu
	for _, o := range opts {
		o(l)
	}
	return l
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// ListenPacket binds a socket to an address that no other socket has: a
// specified unicast IP address and any port, 0 included.
func (l *LAN) ListenPacket(local netip.AddrPort) (*PacketConn, error) {
	local = unmap(local)
	ip := local.Addr()
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
		return nil, fmt.Errorf("memnet: listen %v: not the address of one host", local)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, listenError("udp", net.UDPAddrFromAddrPort(local), net.ErrClosed)
	}
	if l.lockedFind(local) != nil {
		return nil, listenError("udp", net.UDPAddrFromAddrPort(local), os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	c := newPacketConn(l, local)
	l.sockets = append(l.sockets, c)
	return c, nil
}

// SetTap lets tap see every frame sent, before the LAN loses or delays it, in
// the sender's goroutine and outside locks; b is valid during the call only.
// nil removes it.
func (l *LAN) SetTap(tap func(from, to netip.AddrPort, b []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tap = tap
}

// Stats returns the counters.
func (l *LAN) Stats() LANStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Close closes every socket, forgets the frames in flight and waits until no
// timer of the LAN runs. Idempotent.
func (l *LAN) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, c := range slices.Clone(l.sockets) {
		l.lockedClose(c)
	}
	l.lockedLand()
	return nil
}

// send carries one frame. Chance is drawn for each receiver, in order.
func (l *LAN) send(from *PacketConn, to netip.AddrPort, b []byte) error {
	l.mu.Lock()
	tap := l.tap
	l.mu.Unlock()
	if tap != nil {
		tap(from.local, to, b)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case from.closed:
		return net.ErrClosed
	case from.writeBy.passed():
		return os.ErrDeadlineExceeded
	}
	to = unmap(to)
	l.stats.Sent++
	frame := frame{from: from.local, data: slices.Clone(b)} // shared by all receivers, never written
	if !to.Addr().IsMulticast() {
		if c := l.lockedFind(to); c != nil {
			l.lockedCarry(frame, c)
		} else {
			l.stats.Unheard++
		}
		return nil
	}
	for _, c := range l.sockets {
		if c != from && c.local.Port() == to.Port() && c.groups[to.Addr()] {
			l.lockedCarry(frame, c)
		}
	}
	return nil
}

// lockedCarry takes one frame to one receiver, through the faults; l.mu is held.
func (l *LAN) lockedCarry(f frame, to *PacketConn) {
	if f.from == to.local {
		l.lockedDeliver(f, to) // a host hears itself, whatever the wire does
		return
	}
	if l.faults.cutBetween(f.from.Addr(), to.local.Addr()) {
		l.stats.Cut++
		return
	}
	if l.lockedChance(l.faults.loss) {
		l.stats.Lost++
		return
	}
	copies := 1
	if l.lockedChance(l.faults.duplicate) {
		copies = 2
	}
	for range copies {
		l.lockedSchedule(f, to, l.lockedDelay())
	}
}

// lockedDeliver puts a frame in the socket's queue; l.mu is held.
func (l *LAN) lockedDeliver(f frame, to *PacketConn) {
	switch {
	case to.closed:
		l.stats.Unheard++
	case len(to.waiting) >= l.queue:
		to.dropped++
		l.stats.Overflowed++
	default:
		to.waiting = append(to.waiting, f)
		l.stats.Delivered++
		to.arrived.Broadcast()
	}
}

// lockedFind returns the socket bound to addr, or nil; l.mu is held.
func (l *LAN) lockedFind(addr netip.AddrPort) *PacketConn {
	for _, c := range l.sockets {
		if c.local == addr {
			return c
		}
	}
	return nil
}

// lockedClose takes a socket off the LAN; l.mu is held.
func (l *LAN) lockedClose(c *PacketConn) {
	c.closed, c.waiting = true, nil
	c.readBy.stop()
	c.writeBy.stop()
	c.arrived.Broadcast()
	l.sockets = slices.DeleteFunc(l.sockets, func(s *PacketConn) bool { return s == c })
}

// lockedChance draws from the generator; l.mu is held.
func (l *LAN) lockedChance(p float64) bool { return p > 0 && l.rand.Float64() < p }

// lockedDelay draws how long one frame takes; l.mu is held.
func (l *LAN) lockedDelay() time.Duration {
	f := &l.faults
	if f.minDelay == f.maxDelay {
		return f.minDelay
	}
	return f.minDelay + time.Duration(l.rand.Int64N(int64(f.maxDelay-f.minDelay)+1))
}
