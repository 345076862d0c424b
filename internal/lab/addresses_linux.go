package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Addrs lists the addresses of all interfaces but lo.
func (h *Host) Addrs() []Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.fresh {
		h.fresh = true // before the look: a change during it makes the cache stale again
		var addrs []Addr
		var err error
		h.mu.Unlock()
		h.ns.do(func() { addrs, err = listAddrs() })
		h.mu.Lock()
		if err != nil {
			h.lab.t.Fatalf("lab: host %d: addresses: %v", h.N, err)
		}
		h.addrs = addrs
	}
	return slices.Clone(h.addrs)
}

// listAddrs asks the kernel.
func listAddrs() ([]Addr, error) {
	names := map[int32]string{}
	err := dump(unix.RTM_GETLINK, func(m syscall.NetlinkMessage) {
		index := int32(binary.NativeEndian.Uint32(m.Data[4:]))
		for typ, v := range attrs(m.Data[unix.SizeofIfInfomsg:]) {
			if typ == unix.IFLA_IFNAME {
				names[index] = strings.TrimRight(string(v), "\x00")
			}
		}
	})
	if err != nil {
		return nil, err
	}
	var out []Addr
	err = dump(unix.RTM_GETADDR, func(m syscall.NetlinkMessage) {
		name := names[int32(binary.NativeEndian.Uint32(m.Data[4:]))]
		if name == "lo" {
			return
		}
		a := Addr{Interface: name}
		var local, address netip.Addr
		for typ, v := range attrs(m.Data[unix.SizeofIfAddrmsg:]) {
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
		out = append(out, a)
	})
	return out, err
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
			for typ, v := range attrs(m.Data[unix.SizeofNdMsg:]) {
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

// attrs yields the route attributes in b.
func attrs(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
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

// watcher wakes the laboratory when links, addresses or neighbours of a host change.
type watcher struct {
	file *os.File
	done chan struct{}
}

// watch starts the host's watcher.
func (h *Host) watch() {
	h.lab.t.Helper()
	var file *os.File
	h.Do(func() (err error) {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		const groups = unix.RTMGRP_LINK | unix.RTMGRP_NEIGH | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
			_ = unix.Close(fd)
			return os.NewSyscallError("bind", err)
		}
		file = os.NewFile(uintptr(fd), "rtnetlink")
		return nil
	})
	w := &watcher{file: file, done: make(chan struct{})}
	h.watcher = w
	go func() { // joined by close
		defer close(w.done)
		buf := make([]byte, 1<<16)
		for {
			if _, err := file.Read(buf); err != nil && !isOverflow(err) {
				return // closed
			}
			h.mu.Lock()
			h.fresh = false
			h.mu.Unlock()
			h.lab.notify()
		}
	}()
}

func (w *watcher) close() {
	_ = w.file.Close()
	<-w.done
}

const ifaProto = 11 // IFA_PROTO, since Linux 5.18
