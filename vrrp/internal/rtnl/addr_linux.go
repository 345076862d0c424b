package rtnl

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Addrs lists the addresses of a link.
func (c *Conn) Addrs(index int) ([]Addr, error) {
	var all []Addr
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		have := len(all)
		err := c.dump("list addresses", unix.RTM_GETADDR, addrHeader(family, 0, index),
			func() { all = all[:have] },
			func(m syscall.NetlinkMessage) {
				// Kernels before 5.0 list those of every link.
				if a, ok := parseAddr(m.Data); ok && m.Header.Type == unix.RTM_NEWADDR && a.Index == index {
					all = append(all, a)
				}
			})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// AddAddr installs an address. The error wraps EEXIST if the link has it.
func (c *Conn) AddAddr(a NewAddr) error {
	return c.putAddr("add address", a, netlink.Create|netlink.Excl)
}

// ReplaceAddr installs an address, or changes the lifetime of one that is there.
func (c *Conn) ReplaceAddr(a NewAddr) error {
	return c.putAddr("replace address", a, netlink.Create|netlink.Replace)
}

func (c *Conn) putAddr(what string, a NewAddr, flags netlink.HeaderFlags) error {
	addr := a.Prefix.Addr()
	attrs := netlink.NewAttributeEncoder()
	attrs.Bytes(unix.IFA_LOCAL, addr.AsSlice())
	attrs.Bytes(unix.IFA_ADDRESS, addr.AsSlice())
	var bits uint32
	if addr.Is6() {
		bits |= unix.IFA_F_NODAD
	} else if a.Label != "" {
		attrs.String(unix.IFA_LABEL, a.Label)
	}
	if a.NoPrefixRoute {
		bits |= unix.IFA_F_NOPREFIXROUTE
	}
	attrs.Uint32(unix.IFA_FLAGS, bits)
	if a.Metric != 0 {
		attrs.Uint32(unix.IFA_RT_PRIORITY, a.Metric)
	}
	if a.Protocol != 0 {
		attrs.Uint8(ifaProto, a.Protocol)
	}
	if a.Lifetime != 0 || a.Deprecated {
		attrs.Bytes(unix.IFA_CACHEINFO, cacheInfo(a))
	}
	header := addrHeader(familyOf(addr), a.Prefix.Bits(), a.Index)
	return c.change(fmt.Sprintf("%s %v", what, a.Prefix), unix.RTM_NEWADDR, flags, header, attrs)
}

// cacheInfo is a struct ifa_cacheinfo.
func cacheInfo(a NewAddr) []byte {
	const forever = 1<<32 - 1
	valid := uint32(forever)
	if a.Lifetime != 0 {
		valid = uint32(min(a.Lifetime/time.Second, forever-1))
	}
	preferred := valid
	if a.Deprecated {
		preferred = 0
	}
	b := make([]byte, unix.SizeofIfaCacheinfo)
	binary.NativeEndian.PutUint32(b[0:], preferred)
	binary.NativeEndian.PutUint32(b[4:], valid)
	return b
}

// DelAddr removes an address. The error wraps EADDRNOTAVAIL if the link does
// not have it, and ENODEV if there is no such link.
func (c *Conn) DelAddr(index int, p netip.Prefix) error {
	attrs := netlink.NewAttributeEncoder()
	attrs.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
	attrs.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
	header := addrHeader(familyOf(p.Addr()), p.Bits(), index)
	return c.change(fmt.Sprintf("delete address %v", p), unix.RTM_DELADDR, 0, header, attrs)
}

func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
