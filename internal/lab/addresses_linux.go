package lab

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Addr is an address of a host, as the kernel shows it.
type Addr struct {
	Interface string
	Prefix    netip.Prefix
	Flags     uint32 // IFA_F_*
	Protocol  uint8  // IFA_PROTO
}

func (a Addr) String() string { return a.Interface + " " + a.Prefix.String() }

// Addrs lists the addresses of all interfaces but lo, in order.
func (h *Host) Addrs() []Addr {
	var out []Addr
	h.Count(func(a Addr) bool { out = append(out, a); return true })
	slices.SortFunc(out, func(a, b Addr) int {
		return cmp.Or(strings.Compare(a.Interface, b.Interface), a.Prefix.Addr().Compare(b.Prefix.Addr()))
	})
	return out
}

// Has reports whether an interface of the host has the address.
func (h *Host) Has(addr netip.Addr) bool {
	return h.Count(func(a Addr) bool { return a.Prefix.Addr() == addr }) > 0
}

// Count counts the addresses that match, of all interfaces but lo.
func (h *Host) Count(match func(Addr) bool) int {
	w := h.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.conn.Control(func(fd uintptr) { w.lockedDrain(int(fd)) }) // closed: what was known last
	if w.stale {
		w.stale = false
		h.ns.do(w.lockedReload)
	}
	n := 0
	for _, a := range w.addrs {
		if match(a) {
			n++
		}
	}
	return n
}

// Neighbor returns the MAC that the host has for an address in its ARP cache or
// neighbour table, and whether it has one.
func (h *Host) Neighbor(addr netip.Addr) (MAC, bool) {
	h.lab.t.Helper()
	var found MAC
	var ok bool
	h.Do(func() error {
		return dump(unix.RTM_GETNEIGH, func(m syscall.NetlinkMessage) {
			var dst netip.Addr
			var mac []byte
			for typ, v := range attrs(m.Data, unix.SizeofNdMsg) {
				switch typ {
				case unix.NDA_DST:
					dst, _ = netip.AddrFromSlice(v)
				case unix.NDA_LLADDR:
					mac = v
				}
			}
			if dst == addr && len(mac) == len(found) {
				found, ok = MAC(mac), true
			}
		})
	})
	return found, ok
}

// watcher knows the addresses of a host, and wakes the laboratory when they, or
// links or neighbours, change.
type watcher struct {
	file *os.File
	conn syscall.RawConn
	done chan struct{}

	mu    sync.Mutex // guards everything below
	names map[int32]string
	addrs map[addrKey]Addr
	stale bool // messages were lost
	buf   []byte
}

// addrKey is what the kernel tells addresses apart by.
type addrKey struct {
	index  int32
	prefix netip.Prefix
}

// watch starts the host's watcher, while it has no address yet.
func (h *Host) watch() {
	h.lab.t.Helper()
	w := &watcher{done: make(chan struct{}), names: map[int32]string{}, addrs: map[addrKey]Addr{}, buf: make([]byte, 1<<16), stale: true}
	h.Do(func() (err error) {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		w.file = os.NewFile(uintptr(fd), "rtnetlink")
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20) // as much as the kernel gives
		const groups = unix.RTMGRP_LINK | unix.RTMGRP_NEIGH | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
			_ = w.file.Close()
			return os.NewSyscallError("bind", err)
		}
		w.conn, err = w.file.SyscallConn()
		return err
	})
	h.watcher = w
	go func() { // joined by close
		defer close(w.done)
		for {
			err := w.conn.Read(func(fd uintptr) bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.lockedDrain(int(fd))
			})
			if err != nil {
				return // closed
			}
			h.lab.notify()
		}
	}()
}

// lockedDrain reads what the kernel has said, and reports whether it has said
// anything. w.mu is held.
func (w *watcher) lockedDrain(fd int) (any bool) {
	for {
		n, _, err := unix.Recvfrom(fd, w.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return any
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ENOBUFS
			w.stale, any = true, true
			continue
		}
		any = true
		messages, err := syscall.ParseNetlinkMessage(w.buf[:n])
		if err != nil {
			w.stale = true
			continue
		}
		for _, m := range messages {
			w.lockedTake(m)
		}
	}
}

// lockedReload asks the kernel, on a thread of the host. w.mu is held.
func (w *watcher) lockedReload() {
	w.names, w.addrs = map[int32]string{}, map[addrKey]Addr{}
	if dump(unix.RTM_GETLINK, w.lockedTake) != nil || dump(unix.RTM_GETADDR, w.lockedTake) != nil {
		w.stale = true
	}
}

// lockedTake follows one message. w.mu is held.
func (w *watcher) lockedTake(m syscall.NetlinkMessage) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK:
		index := int32(binary.NativeEndian.Uint32(m.Data[4:]))
		for typ, v := range attrs(m.Data, unix.SizeofIfInfomsg) {
			if typ == unix.IFLA_IFNAME {
				w.names[index] = strings.TrimRight(string(v), "\x00")
			}
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		index := int32(binary.NativeEndian.Uint32(m.Data[4:]))
		if index == 1 {
			return // lo, the first in every namespace
		}
		a := Addr{Interface: w.names[index]}
		var local, address netip.Addr
		for typ, v := range attrs(m.Data, unix.SizeofIfAddrmsg) {
			switch typ {
			case unix.IFA_LOCAL:
				local, _ = netip.AddrFromSlice(v)
			case unix.IFA_ADDRESS:
				address, _ = netip.AddrFromSlice(v)
			case unix.IFA_FLAGS:
				a.Flags = binary.NativeEndian.Uint32(v)
			case ifaProto:
				a.Protocol = v[0]
			}
		}
		if !local.IsValid() { // IPv6 has IFA_ADDRESS alone
			local = address
		}
		a.Prefix = netip.PrefixFrom(local, int(m.Data[1]))
		if key := (addrKey{index, a.Prefix}); m.Header.Type == unix.RTM_NEWADDR {
			w.addrs[key] = a
		} else {
			delete(w.addrs, key)
		}
	}
}

const ifaProto = 11 // IFA_PROTO, since Linux 5.18

func (w *watcher) close() {
	_ = w.file.Close()
	<-w.done
}

// dump calls f for every object of a kind.
func dump(kind int, f func(syscall.NetlinkMessage)) error {
	b, err := syscall.NetlinkRIB(kind, unix.AF_UNSPEC)
	if err != nil {
		return fmt.Errorf("netlink dump: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return fmt.Errorf("netlink dump: %w", err)
	}
	for _, m := range messages {
		if m.Header.Type == uint16(kind-2) { // RTM_NEWx is two below RTM_GETx
			f(m)
		}
	}
	return nil
}

// attrs yields the route attributes of a message after a header of that size.
func attrs(b []byte, header int) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		b := b[min(len(b), header):]
		for len(b) >= unix.SizeofRtAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:]), b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min(len(b), (n+3)&^3):]
		}
	}
}
