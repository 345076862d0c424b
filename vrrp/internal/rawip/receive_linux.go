package rawip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBatch is how many messages one Receive returns at most.
const maxBatch = 64

// The room for one packet: a little more than the longest that makes sense, so
// that the length of one that was cut is wrong, too.
const (
	room4 = maxIPv4Header + minAH + 12 + maxMessage4 + 100
	room6 = maxMessage6 + 44
)

// receiver is what receiving keeps from one call to the next.
type receiver struct {
	msgs  []mmsghdr
	slots []incoming
	drops [2]uint32 // SO_RXQ_OVFL as last told, of each socket
}

// incoming is the room for one packet.
type incoming struct {
	from    unix.RawSockaddrInet6
	iov     unix.Iovec
	control control
	data    []byte
}

// grow makes room for n packets.
func (r *receiver) grow(n, room int) {
	if n <= len(r.slots) {
		return
	}
	r.msgs, r.slots = make([]mmsghdr, n), make([]incoming, n)
	data := make([]byte, n*room)
	for i := range r.slots {
		s := &r.slots[i]
		s.data, data = data[:room:room], data[room:]
		s.iov.Base = &s.data[0]
		s.iov.SetLen(room)
		h := &r.msgs[i].hdr
		h.Iov = &s.iov
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&s.from))
		h.Control = (*byte)(unsafe.Pointer(&s.control))
	}
}

// Receive fills d with what has arrived, 64 at most, and returns 0 when there is
// nothing; less than it could means that there was no more. Data is valid until
// the next call. An error means that nothing will ever arrive.
func (s *Socket) Receive(d []Datagram) (int, error) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	d = d[:min(len(d), maxBatch)]
	if len(d) == 0 {
		return 0, nil
	}
	room := room4
	if s.config.Family == 6 {
		room = room6
	}
	s.in.grow(len(d), room)
	n, err := s.receive(d, 0, s.fd)
	if err == nil && s.ah >= 0 && n < len(d) {
		var more int
		more, err = s.receive(d[n:], n, s.ah)
		n += more
	}
	return n, err
}

// transient bounds how many errors one call reads away: such as that the
// interface went down, which is told once.
const transient = 8

// receive fills d from one socket. skip slots are in use.
func (s *Socket) receive(d []Datagram, skip, fd int) (int, error) {
	msgs, slots := s.in.msgs[skip:skip+len(d)], s.in.slots[skip:skip+len(d)]
	for i := range msgs {
		h := &msgs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6 // the header of IPv4 tells its own
		h.SetControllen(len(slots[i].control) * 8)
	}
	for tries := 0; ; tries++ {
		n, err := mmsg(unix.SYS_RECVMMSG, fd, msgs)
		switch {
		case err == nil:
			for i := range n {
				s.take(&d[i], &msgs[i], &slots[i], fd)
			}
			return n, nil
		case errors.Is(err, unix.EAGAIN), tries >= transient:
			return 0, nil
		case errors.Is(err, unix.EBADF), errors.Is(err, unix.ENOTSOCK), errors.Is(err, unix.EFAULT):
			return 0, fmt.Errorf("receiving on %q: %w", s.config.Interface, os.NewSyscallError("recvmmsg", err))
		}
	}
}

// take reads one packet into d.
func (s *Socket) take(d *Datagram, m *mmsghdr, slot *incoming, fd int) {
	b := slot.data[:m.len]
	if s.config.Family == 6 {
		*d = Datagram{Data: b, Src: netip.AddrFrom16(slot.from.Addr)}
	} else {
		var ok bool
		if *d, ok = parse4(b); !ok {
			d.Data, d.AH = nil, fd == s.ah // too short to be anything
		}
	}
	for rest := slot.control.bytes(int(m.hdr.Controllen)); len(rest) > 0; {
		h, data, after, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return
		}
		rest = after
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			s.overflow(binary.NativeEndian.Uint32(data), fd)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT && len(data) >= 4:
			d.TTL = uint8(binary.NativeEndian.Uint32(data))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 16:
			d.Dst = netip.AddrFrom16([16]byte(data))
		}
	}
}

// overflow adds what a socket has dropped since it last told.
func (s *Socket) overflow(total uint32, fd int) {
	last := &s.in.drops[0]
	if fd == s.ah {
		last = &s.in.drops[1]
	}
	s.lost.Add(uint64(total - *last))
	*last = total
}
