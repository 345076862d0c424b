package rawip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"github.com/mainstay-ha/mainstay/vrrp/internal/ethernet"
	"golang.org/x/sys/unix"
)

// sendBatch is how many messages go to the kernel at once.
const sendBatch = 32

// transmitter is what sending keeps from one call to the next.
type transmitter struct {
	msgs  [sendBatch]mmsghdr
	slots [sendBatch]outgoing
	id    uint16 // of the last IPv4 header made here
}

// outgoing is what one message needs beside its data.
type outgoing struct {
	to4     unix.RawSockaddrInet4
	to6     unix.RawSockaddrInet6
	link    unix.RawSockaddrLinklayer
	control control
	iov     [2]unix.Iovec
	header  [ethernet.HeaderLen + 40]byte
	of      int // which datagram it is
}

// Send sends every datagram, and returns the first error after it tried all. It
// keeps no reference to them. Errors wrap what the kernel says, such as ENOBUFS,
// and ENODEV where the interface is gone, ENETDOWN where it is down, and
// EADDRNOTAVAIL where the host does not have the source.
func (s *Socket) Send(d []Datagram) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	first := s.sendAll(d, s.fd, false)
	if err := s.sendAll(d, s.frames, true); first == nil {
		first = err
	}
	return first
}

// framed reports whether a datagram leaves as a frame that is made here.
func framed(d *Datagram) bool { return len(d.MAC) > 0 && d.Dst.IsMulticast() }

// sendAll sends those of d that leave by the socket fd.
func (s *Socket) sendAll(d []Datagram, fd int, frames bool) (first error) {
	n := 0
	flush := func() {
		if err := s.flush(d, fd, n); first == nil {
			first = err
		}
		n = 0
	}
	for i := range d {
		if framed(&d[i]) != frames {
			continue
		}
		if err := s.put(n, i, &d[i], frames); err != nil {
			if first == nil {
				first = s.failed(&d[i], err)
			}
			continue
		}
		if n++; n == sendBatch {
			flush()
		}
	}
	flush()
	return first
}

// flush gives n messages to the kernel. It stops at each one that cannot be sent,
// and goes on after it.
func (s *Socket) flush(d []Datagram, fd, n int) (first error) {
	for done := 0; done < n; {
		k, err := mmsg(unix.SYS_SENDMMSG, fd, s.out.msgs[done:n])
		switch {
		case err == nil:
			done += k
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EMSGSIZE) && fd == s.frames:
			if err := s.whole(d, done); first == nil {
				first = err
			}
			done++
		default:
			if first == nil {
				d := &d[s.out.slots[done].of]
				first = s.failed(d, s.explain(err, d.Src.IsValid()))
			}
			done++
		}
	}
	for i := range n {
		s.out.slots[i].iov = [2]unix.Iovec{} // no reference is kept
	}
	return first
}

// whole sends message n, which is too long for a frame, as a packet: the kernel
// makes fragments of it, with the MAC of the interface.
func (s *Socket) whole(all []Datagram, n int) error {
	of := s.out.slots[n].of
	d := &all[of]
	err := s.put(n, of, d, false)
	if err == nil {
		if _, err = mmsg(unix.SYS_SENDMMSG, s.fd, s.out.msgs[n:n+1]); err != nil {
			err = s.explain(err, d.Src.IsValid())
		}
	}
	if err != nil {
		return s.failed(d, err)
	}
	return nil
}

// explain says more where the kernel's answer has several meanings: the interface
// is gone (ENODEV) or down (ENETDOWN), or it has no such source (EADDRNOTAVAIL).
func (s *Socket) explain(err error, source bool) error {
	plain := os.NewSyscallError("sendmmsg", err)
	if !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENXIO) {
		return plain
	}
	ifr, e := unix.NewIfreq(s.config.Interface)
	if e != nil {
		return plain
	}
	ifr.SetUint32(uint32(s.index))
	switch { // the name may have changed
	case unix.IoctlIfreq(s.fd, unix.SIOCGIFNAME, ifr) != nil:
		return fmt.Errorf("%w: %w", plain, unix.ENODEV)
	case unix.IoctlIfreq(s.fd, unix.SIOCGIFFLAGS, ifr) == nil && ifr.Uint16()&unix.IFF_UP == 0:
		return fmt.Errorf("%w: %w", plain, unix.ENETDOWN)
	case source:
		return fmt.Errorf("%w: %w", plain, unix.EADDRNOTAVAIL)
	}
	return plain
}

func (s *Socket) failed(d *Datagram, err error) error {
	return fmt.Errorf("sending from %v to %v on %q: %w", d.Src, d.Dst, s.config.Interface, err)
}

// put makes message n of datagram d.
func (s *Socket) put(n, of int, d *Datagram, frame bool) error {
	o, h := &s.out.slots[n], &s.out.msgs[n].hdr
	o.of = of
	*h = unix.Msghdr{Iov: &o.iov[0]}
	h.SetIovlen(1)
	data := &o.iov[0]
	if frame {
		head, err := s.header(o, d)
		if err != nil {
			return err
		}
		o.iov[0].Base = &head[0]
		o.iov[0].SetLen(len(head))
		data = &o.iov[1]
		h.SetIovlen(2)
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&o.link)), unix.SizeofSockaddrLinklayer
	} else if err := s.address(o, h, d); err != nil {
		return err
	}
	if len(d.Data) > 0 {
		data.Base = &d.Data[0]
		data.SetLen(len(d.Data))
	}
	return nil
}

// header makes the headers of a frame from a virtual MAC, and its address.
func (s *Socket) header(o *outgoing, d *Datagram) ([]byte, error) {
	switch {
	case s.noMAC != nil:
		return nil, s.noMAC
	case len(d.MAC) != 6:
		return nil, fmt.Errorf("%v is no MAC of Ethernet: %w", d.MAC, unix.EINVAL)
	case !d.Src.IsValid() || d.Src.Is4() != d.Dst.Is4():
		return nil, unix.EADDRNOTAVAIL
	}
	to, kind := ethernet.GroupMAC(d.Dst), uint16(ethernet.TypeIPv6)
	if d.Dst.Is4() {
		kind = ethernet.TypeIPv4
	}
	s.out.id++
	head := ethernet.AppendHeader(o.header[:0], to, ethernet.MAC(d.MAC), kind)
	head = ethernet.IP{Src: d.Src, Dst: d.Dst, Protocol: protoVRRP, Class: class, ID: s.out.id, Payload: len(d.Data)}.AppendTo(head)
	o.link = unix.RawSockaddrLinklayer{
		Family: unix.AF_PACKET, Protocol: binary.NativeEndian.Uint16(head[ethernet.HeaderLen-2:]),
		Ifindex: int32(s.index), Halen: uint8(len(to)),
	}
	copy(o.link.Addr[:], to[:])
	return head, nil
}

// address makes the destination of a packet, and says where it comes from.
func (s *Socket) address(o *outgoing, h *unix.Msghdr, d *Datagram) error {
	if d.Src.IsValid() && d.Src.Is4() != (s.config.Family == 4) || d.Dst.Is4() != (s.config.Family == 4) || !d.Dst.IsValid() {
		return unix.EAFNOSUPPORT
	}
	n := 0
	if s.config.Family == 4 {
		o.to4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: d.Dst.As4()}
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&o.to4)), unix.SizeofSockaddrInet4
		if d.Src.IsValid() {
			n = unix.SizeofInet4Pktinfo
			*(*unix.Inet4Pktinfo)(o.control.put(unix.IPPROTO_IP, unix.IP_PKTINFO, n)) = unix.Inet4Pktinfo{Spec_dst: d.Src.As4()}
		}
	} else {
		o.to6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: d.Dst.As16()}
		if d.Dst.IsLinkLocalUnicast() || d.Dst.IsLinkLocalMulticast() {
			o.to6.Scope_id = uint32(s.index)
		}
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&o.to6)), unix.SizeofSockaddrInet6
		if d.Src.IsValid() {
			n = unix.SizeofInet6Pktinfo
			*(*unix.Inet6Pktinfo)(o.control.put(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, n)) = unix.Inet6Pktinfo{Addr: d.Src.As16(), Ifindex: uint32(s.index)}
		}
	}
	if n > 0 {
		h.Control = (*byte)(unsafe.Pointer(&o.control))
		h.SetControllen(unix.CmsgSpace(n))
	}
	return nil
}
