package rtnltest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Net is the network of a test. Its methods fail the test on an error.
type Net struct {
	t    *testing.T
	conn *netlink.Conn
}

// New opens the network of t, which must be in a namespace of its own. New links
// detect no duplicate addresses, so that link-local ones can be used at once;
// see [Net.DetectDuplicates].
func New(t *testing.T) *Net {
	t.Helper()
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &Net{t, conn}
	n.Set6("default", "accept_dad", "0")
	return n
}

func (n *Net) do(typ uint16, flags netlink.HeaderFlags, header []byte, fill func(*netlink.AttributeEncoder)) error {
	attrs := netlink.NewAttributeEncoder()
	if fill != nil {
		fill(attrs)
	}
	body, err := attrs.Encode()
	if err != nil {
		n.t.Helper()
		n.t.Fatal(err)
	}
	_, err = n.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: netlink.Request | netlink.Acknowledge | flags},
		Data:   append(header, body...),
	})
	return err
}

func (n *Net) must(what string, err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatalf("%s: %v", what, err)
	}
}

func link(index int, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

// Index returns the index of a link.
func (n *Net) Index(name string) int {
	n.t.Helper()
	i, err := net.InterfaceByName(name)
	n.must(name, err)
	return i.Index
}

// Veth makes two links that are connected to each other, down.
func (n *Net) Veth(a, b string) {
	n.t.Helper()
	n.must("veth "+a, n.do(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, link(0, 0, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.String(unix.IFLA_IFNAME, a)
		attrs.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
			info.String(unix.IFLA_INFO_KIND, "veth")
			info.Nested(unix.IFLA_INFO_DATA, func(data *netlink.AttributeEncoder) error {
				peer := netlink.NewAttributeEncoder()
				peer.String(unix.IFLA_IFNAME, b)
				body, err := peer.Encode()
				data.Bytes(1|unix.NLA_F_NESTED, append(link(0, 0, 0), body...)) // VETH_INFO_PEER
				return err
			})
			return nil
		})
	}))
}

// Set6 changes an IPv6 setting of a link.
func (n *Net) Set6(link, setting, value string) {
	n.t.Helper()
	n.must(setting, os.WriteFile("/proc/sys/net/ipv6/conf/"+link+"/"+setting, []byte(value), 0))
}

// Get4 reads an IPv4 setting of a link.
func (n *Net) Get4(link, setting string) string {
	n.t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + link + "/" + setting)
	n.must(setting, err)
	return strings.TrimSpace(string(b))
}

// DetectDuplicates makes a link detect duplicate addresses again.
func (n *Net) DetectDuplicates(link string) {
	n.t.Helper()
	n.Set6(link, "accept_dad", "1")
}

// Wire is Veth with both ends up.
func (n *Net) Wire(a, b string) {
	n.t.Helper()
	n.Veth(a, b)
	n.Up(a, true)
	n.Up(b, true)
}

// Bridge makes a bridge, down.
func (n *Net) Bridge(name string) {
	n.t.Helper()
	n.must("bridge "+name, n.do(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, link(0, 0, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.String(unix.IFLA_IFNAME, name)
		attrs.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
			info.String(unix.IFLA_INFO_KIND, "bridge")
			return nil
		})
	}))
}

// Master puts a link under a bridge; an empty master takes it out.
func (n *Net) Master(name, master string) {
	n.t.Helper()
	index := 0
	if master != "" {
		index = n.Index(master)
	}
	n.must("master of "+name, n.do(unix.RTM_SETLINK, 0, link(n.Index(name), 0, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.Uint32(unix.IFLA_MASTER, uint32(index))
	}))
}

// Up sets a link up or down.
func (n *Net) Up(name string, up bool) {
	n.t.Helper()
	var flags uint32
	if up {
		flags = unix.IFF_UP
	}
	n.must(name+" up or down", n.do(unix.RTM_SETLINK, 0, link(n.Index(name), flags, unix.IFF_UP), nil))
}

// Rename renames a link.
func (n *Net) Rename(from, to string) {
	n.t.Helper()
	n.must("rename "+from, n.do(unix.RTM_SETLINK, 0, link(n.Index(from), 0, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.String(unix.IFLA_IFNAME, to)
	}))
}

// MTU changes the MTU of a link.
func (n *Net) MTU(name string, mtu int) {
	n.t.Helper()
	n.must("MTU of "+name, n.do(unix.RTM_SETLINK, 0, link(n.Index(name), 0, 0), func(attrs *netlink.AttributeEncoder) {
		attrs.Uint32(unix.IFLA_MTU, uint32(mtu))
	}))
}

// Delete deletes a link.
func (n *Net) Delete(name string) {
	n.t.Helper()
	n.must("delete "+name, n.do(unix.RTM_DELLINK, 0, link(n.Index(name), 0, 0), nil))
}

func addr(index int, p netip.Prefix) []byte {
	b := make([]byte, unix.SizeofIfAddrmsg)
	b[0] = unix.AF_INET
	if p.Addr().Is6() {
		b[0] = unix.AF_INET6
	}
	b[1] = uint8(p.Bits())
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	return b
}

// Address installs an address as ip(8) would: no protocol tag, duplicate
// address detection for IPv6.
func (n *Net) Address(name, prefix string) {
	n.t.Helper()
	n.AddressFrom(name, prefix, 0)
}

// AddressFrom is Address with a protocol tag.
func (n *Net) AddressFrom(name, prefix string, protocol uint8) {
	n.t.Helper()
	p := netip.MustParsePrefix(prefix)
	n.must("address "+prefix, n.do(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, addr(n.Index(name), p), func(attrs *netlink.AttributeEncoder) {
		attrs.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
		attrs.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
		if protocol != 0 {
			attrs.Uint8(11, protocol) // IFA_PROTO
		}
	}))
}

// NoAddress removes an address. It reports whether it was there.
func (n *Net) NoAddress(name, prefix string) bool {
	n.t.Helper()
	p := netip.MustParsePrefix(prefix)
	return n.do(unix.RTM_DELADDR, 0, addr(n.Index(name), p), func(attrs *netlink.AttributeEncoder) {
		attrs.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
		attrs.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
	}) == nil
}
