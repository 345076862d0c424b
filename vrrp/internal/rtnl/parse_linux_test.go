package rtnl

import (
	"net"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// message is a header with attributes.
func message(t testing.TB, header []byte, fill func(*netlink.AttributeEncoder)) []byte {
	attrs := netlink.NewAttributeEncoder()
	fill(attrs)
	b, err := attrs.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append(header, b...)
}

// A bridge announces in its own family that a port left it.
func TestBridgePortLeaves(t *testing.T) {
	tab := table{links: []Link{{Index: 3, Name: "eth0"}}}
	gone := linkHeader(3, 0, 0)
	gone[0] = unix.AF_BRIDGE
	tab.apply(unix.RTM_DELLINK, gone)
	if len(tab.links) != 1 {
		t.Error("a port that left its bridge is taken for a link that is gone")
	}
	tab.apply(unix.RTM_DELLINK, linkHeader(3, 0, 0))
	if len(tab.links) != 0 {
		t.Error("a link that is gone stays")
	}
}

// A wireless event has the flags and the name, and nothing else.
func TestWirelessEvent(t *testing.T) {
	tab := table{links: []Link{{Index: 3, Name: "wlan0", MTU: 1500, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}}
	tab.apply(unix.RTM_NEWLINK, message(t, linkHeader(3, unix.IFF_UP|unix.IFF_RUNNING, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.String(unix.IFLA_IFNAME, "wlan0")
		attrs.Bytes(unix.IFLA_WIRELESS, make([]byte, 8))
	}))
	if l := tab.links[0]; l.MTU != 1500 || len(l.MAC) != 6 || !l.Running {
		t.Errorf("link %+v, want its MTU and MAC kept, and the flags taken", l)
	}
}

// The index of a link below that is in another namespace means nothing here.
func TestParentElsewhere(t *testing.T) {
	var l Link
	l.parse(message(t, linkHeader(3, 0, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.Uint32(unix.IFLA_LINK, 5)
		attrs.Uint32(unix.IFLA_LINK_NETNSID, 0)
	}))
	if l.Parent != 0 {
		t.Errorf("parent %d, want 0", l.Parent)
	}
}

// The flag that says secondary for IPv4 says temporary for IPv6.
func TestTemporaryIsNotSecondary(t *testing.T) {
	a, ok := parseAddr(message(t, addrHeader(unix.AF_INET6, 64, 3), func(attrs *netlink.AttributeEncoder) {
		attrs.Bytes(unix.IFA_ADDRESS, net.ParseIP("2001:db8::1"))
		attrs.Uint32(unix.IFA_FLAGS, unix.IFA_F_TEMPORARY)
	}))
	if !ok || a.Secondary {
		t.Errorf("address %+v, %v, want it not secondary", a, ok)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(uint16(unix.RTM_NEWLINK), linkHeader(1, 0, 0))
	f.Add(uint16(unix.RTM_NEWLINK), message(f, linkHeader(1, 1, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.String(unix.IFLA_IFNAME, "eth0")
		attrs.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
			info.String(unix.IFLA_INFO_KIND, "macvlan")
			return nil
		})
	}))
	f.Add(uint16(unix.RTM_DELLINK), linkHeader(1, 0, 0))
	f.Add(uint16(unix.RTM_NEWADDR), message(f, addrHeader(unix.AF_INET, 24, 1), func(attrs *netlink.AttributeEncoder) {
		attrs.Bytes(unix.IFA_LOCAL, []byte{192, 0, 2, 1})
	}))
	f.Fuzz(func(t *testing.T, typ uint16, data []byte) {
		tab := table{links: []Link{{Index: 1}}, addrs: []Addr{address("192.0.2.1/24")}}
		tab.apply(typ, data)
		tab.apply(typ, data)
		for i, a := range tab.addrs {
			if !a.Prefix.IsValid() {
				t.Errorf("invalid address %+v", a)
			}
			for _, b := range tab.addrs[:i] {
				if a.same(b) {
					t.Errorf("%+v is listed twice", a)
				}
			}
		}
		devconf(data)
	})
}
