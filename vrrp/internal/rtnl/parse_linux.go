package rtnl

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ifaProto is IFA_PROTO, of Linux 5.18.
const ifaProto = 11

// apply changes the table as one message of a dump or notification says.
func (t *table) apply(typ uint16, data []byte) {
	switch typ {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		index, ok := linkIndex(data)
		if !ok {
			return
		}
		if typ == unix.RTM_DELLINK {
			t.dropLink(index)
			return
		}
		var l Link
		if i := t.link(index); i >= 0 {
			l = t.links[i]
		}
		if l.parse(data) {
			t.putLink(l)
		}
	case unix.RTM_NEWADDR:
		if a, ok := parseAddr(data); ok {
			t.putAddr(a)
		}
	case unix.RTM_DELADDR:
		if a, ok := parseAddr(data); ok {
			t.dropAddr(a)
		}
	}
}

// linkIndex reads which link a message is about. Bridges send messages of their
// own family about their ports: a port that leaves is no link that is gone.
func linkIndex(data []byte) (int, bool) {
	if len(data) < unix.SizeofIfInfomsg || data[0] != unix.AF_UNSPEC {
		return 0, false
	}
	return int(int32(binary.NativeEndian.Uint32(data[4:]))), true
}

// parse reads an ifinfomsg and its attributes. Wireless events carry the flags
// alone, and leave the rest as it was.
func (l *Link) parse(data []byte) bool {
	index, ok := linkIndex(data)
	if !ok {
		return false
	}
	n := Link{Index: index}
	flags := binary.NativeEndian.Uint32(data[8:])
	attrs, err := netlink.NewAttributeDecoder(data[unix.SizeofIfInfomsg:])
	if err != nil {
		return false
	}
	var wireless, foreign bool
	for attrs.Next() {
		switch attrs.Type() {
		case unix.IFLA_IFNAME:
			n.Name = attrs.String()
		case unix.IFLA_MTU:
			n.MTU = int(attrs.Uint32())
		case unix.IFLA_ADDRESS:
			n.MAC = slices.Clone(attrs.Bytes())
		case unix.IFLA_LINK:
			n.Parent = int(attrs.Uint32())
		case unix.IFLA_LINK_NETNSID:
			foreign = true
		case unix.IFLA_IFALIAS:
			n.Alias = attrs.String()
		case unix.IFLA_LINKINFO:
			attrs.Nested(func(info *netlink.AttributeDecoder) error {
				for info.Next() {
					if info.Type() == unix.IFLA_INFO_KIND {
						n.Kind = info.String()
					}
				}
				return nil
			})
		case unix.IFLA_WIRELESS:
			wireless = true
		}
	}
	if attrs.Err() != nil {
		return false
	}
	if wireless && l.Index == index {
		n = *l
	}
	if foreign {
		n.Parent = 0
	}
	n.Up, n.Running, n.Loopback = flags&unix.IFF_UP != 0, flags&unix.IFF_RUNNING != 0, flags&unix.IFF_LOOPBACK != 0
	*l = n
	return true
}

// parseAddr reads an ifaddrmsg and its attributes.
func parseAddr(data []byte) (a Addr, ok bool) {
	if len(data) < unix.SizeofIfAddrmsg {
		return a, false
	}
	bits, flags := int(data[1]), uint32(data[2])
	a.Scope, a.Index = data[3], int(binary.NativeEndian.Uint32(data[4:]))
	attrs, err := netlink.NewAttributeDecoder(data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return a, false
	}
	var address, local netip.Addr
	for attrs.Next() {
		switch attrs.Type() {
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(attrs.Bytes())
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attrs.Bytes())
		case unix.IFA_LABEL:
			a.Label = attrs.String()
		case unix.IFA_FLAGS:
			flags = attrs.Uint32()
		case ifaProto:
			a.Protocol = attrs.Uint8()
		}
	}
	if !local.IsValid() {
		local = address
	} else if local != address {
		a.Peer = address
	}
	a.Prefix = netip.PrefixFrom(local, bits)
	a.Secondary = local.Is4() && flags&unix.IFA_F_SECONDARY != 0 // the same bit says temporary for IPv6
	a.Tentative = flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0
	a.Failed = flags&unix.IFA_F_DADFAILED != 0
	a.Deprecated = flags&unix.IFA_F_DEPRECATED != 0
	a.Permanent = flags&unix.IFA_F_PERMANENT != 0
	return a, attrs.Err() == nil && a.Prefix.IsValid()
}
