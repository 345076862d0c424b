package vrrp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
	ether "github.com/mdlayher/packet"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// etherNeighbour is a host on the other end of the cable: frames, and no addresses.
type etherNeighbour struct {
	n    *realNet
	conn *ether.Conn
	mac  net.HardwareAddr
	ip   netip.Addr
	ip6  netip.Addr
}

func (n *realNet) neighbour() *etherNeighbour {
	n.t.Helper()
	n.Set6("peer0", "disable_ipv6", "1")
	mustDo(n.t, os.WriteFile("/proc/sys/net/ipv4/conf/peer0/arp_ignore", []byte("8"), 0))
	ifi, err := net.InterfaceByName("peer0")
	mustDo(n.t, err)
	conn, err := ether.Listen(ifi, ether.Raw, unix.ETH_P_ALL, nil)
	mustDo(n.t, err)
	n.t.Cleanup(func() { conn.Close() })
	mustDo(n.t, conn.SetDeadline(time.Now().Add(netDeadline)))
	return &etherNeighbour{n, conn, net.HardwareAddr{2, 0, 0, 0, 0, 9}, netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("fe80::9")}
}

func (h *etherNeighbour) send(dst, src net.HardwareAddr, ethertype uint16, payload []byte) {
	h.n.t.Helper()
	f := slices.Concat(dst, src, binary.BigEndian.AppendUint16(nil, ethertype), payload)
	_, err := h.conn.WriteTo(f, &ether.Addr{HardwareAddr: dst})
	mustDo(h.n.t, err)
}

// receive returns the next frame.
func (h *etherNeighbour) receive() (src net.HardwareAddr, ethertype uint16, payload []byte) {
	h.n.t.Helper()
	buf := make([]byte, 4096)
	n, _, err := h.conn.ReadFrom(buf)
	if err != nil {
		h.n.t.Fatalf("the neighbour waits for a frame: %v", err)
	}
	return buf[6:12], binary.BigEndian.Uint16(buf[12:]), buf[14:n]
}

// arpMessage is one ARP message for IPv4 on Ethernet.
func arpMessage(op uint16, mac net.HardwareAddr, sender netip.Addr, target netip.Addr) []byte {
	b := []byte{0, 1, 8, 0, 6, 4}
	b = binary.BigEndian.AppendUint16(b, op)
	return slices.Concat(b, mac, sender.AsSlice(), make([]byte, 6), target.AsSlice())
}

var etherBroadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ask asks who has the addresses, in order, and returns who says so, once each has
// been answered. It asks twice: a wrong answer to the first question comes
// before the right one to the second.
func (h *etherNeighbour) ask(addrs ...string) (macs map[string][]string) {
	h.n.t.Helper()
	macs = map[string][]string{}
	for range 2 {
		for _, a := range addrs {
			h.send(etherBroadcast, h.mac, unix.ETH_P_ARP, arpMessage(1, h.mac, h.ip, netip.MustParseAddr(a)))
		}
		answered := map[string]bool{}
		for len(answered) < len(addrs) {
			src, ethertype, b := h.receive()
			if ethertype != unix.ETH_P_ARP || len(b) < 28 || binary.BigEndian.Uint16(b[6:]) != 2 {
				continue
			}
			who, _ := netip.AddrFromSlice(b[14:18])
			answered[who.String()] = true
			mac := net.HardwareAddr(b[8:14])
			if !bytes.Equal(mac, src) {
				h.n.t.Errorf("%v says %v is at %v", src, who, mac)
			}
			if !slices.Contains(macs[who.String()], mac.String()) {
				macs[who.String()] = append(macs[who.String()], mac.String())
			}
		}
	}
	return macs
}

// TestVirtualMACKernel: neighbours find the virtual addresses at the virtual MAC,
// and the host at its own.
func TestVirtualMACKernel(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	n.Address("eth0", "192.0.2.1/24")
	mustDo(t, os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte("1"), 0)) // strict, as on many hosts
	mustDo(t, os.WriteFile("/proc/sys/net/ipv4/conf/default/rp_filter", []byte("1"), 0))
	eth0, err := net.InterfaceByName("eth0")
	mustDo(t, err)
	h := n.neighbour()
	vips := prefixList("192.0.2.100/24", "192.0.2.101/32")
	a := n.open(n.netlink(), nlVirtual4, vips...)
	if l := n.link("vrrp.51"); l.Up || l.Alias != "mainstay" {
		t.Errorf("the macvlan is %+v, want it down, with an alias", l)
	}
	wantList(t, "before", h.ask("192.0.2.1")["192.0.2.1"], eth0.HardwareAddr.String())

	mustDo(t, a.Install(t.Context(), vips))
	wantList(t, "eth0", n.held("eth0"), "192.0.2.1/24")
	wantList(t, "vrrp.51", n.held("vrrp.51"), "192.0.2.100/24", "192.0.2.101/32")
	macs := h.ask("192.0.2.100", "192.0.2.101", "192.0.2.1")
	wantList(t, "the first address", macs["192.0.2.100"], "00:00:5e:00:01:33")
	wantList(t, "the second address", macs["192.0.2.101"], "00:00:5e:00:01:33")
	wantList(t, "the host", macs["192.0.2.1"], eth0.HardwareAddr.String())

	// A datagram to a virtual address arrives. One from it leaves by eth0, and
	// the host asks for its neighbour in its own name.
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 100), Port: 7})
	mustDo(t, err)
	defer c.Close()
	mustDo(t, c.SetDeadline(time.Now().Add(netDeadline)))
	h.send(nlVirtual4.MAC(), h.mac, unix.ETH_P_IP, ipv4Packet(h.ip, netip.MustParseAddr("192.0.2.100"), unix.IPPROTO_UDP, udpDatagram(7, "hello")))
	buf := make([]byte, 100)
	k, _, err := c.ReadFromUDPAddrPort(buf)
	mustDo(t, err)
	if string(buf[:k]) != "hello" {
		t.Errorf("received %q", buf[:k])
	}
	stranger := netip.MustParseAddr("192.0.2.10")
	_, err = c.WriteToUDPAddrPort(buf[:k], netip.AddrPortFrom(stranger, 7))
	mustDo(t, err)
	for {
		src, ethertype, b := h.receive()
		if ethertype != unix.ETH_P_ARP || !bytes.Equal(b[24:28], stranger.AsSlice()) {
			continue
		}
		if sender, _ := netip.AddrFromSlice(b[14:18]); sender.String() != "192.0.2.1" || !bytes.Equal(src, eth0.HardwareAddr) {
			t.Errorf("%v asks for its neighbour as %v, want the host's own address and MAC", src, sender)
		}
		break
	}

	mustDo(t, a.Remove(t.Context(), vips))
	if n.link("vrrp.51").Up || n.Get4("eth0", "arp_ignore") != "0" || n.Get4("eth0", "arp_announce") != "0" {
		t.Error("eth0 is not as before, or the macvlan is up")
	}
	wantList(t, "after", h.ask("192.0.2.1")["192.0.2.1"], eth0.HardwareAddr.String())
	mustDo(t, a.Install(t.Context(), vips)) // a second time
	wantList(t, "again", h.ask("192.0.2.100")["192.0.2.100"], "00:00:5e:00:01:33")
	mustDo(t, a.Remove(t.Context(), vips))
	mustDo(t, a.Close())
	if _, err := net.InterfaceByName("vrrp.51"); err == nil {
		t.Error("the macvlan is there after Close")
	}
	a.silent()
}

// link is a link as the kernel has it now.
func (n *realNet) link(name string) rtnl.Link {
	n.t.Helper()
	links, err := n.conn.Links()
	mustDo(n.t, err)
	l, ok := linkNamed(links, name)
	if !ok {
		n.t.Fatalf("no link %s", name)
	}
	return l
}

// ipv4Packet is an IPv4 packet.
func ipv4Packet(src, dst netip.Addr, protocol int, payload []byte) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 255, byte(protocol), 0, 0}
	b = slices.Concat(b, src.AsSlice(), dst.AsSlice())
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(payload)))
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	return append(b, payload...)
}

// udpDatagram is a UDP datagram without checksum.
func udpDatagram(port uint16, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 4242)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	return append(append(b, 0, 0), data...)
}

// icmpv6Packet is an IPv6 packet with hop limit 255.
func icmpv6Packet(t *testing.T, src, dst netip.Addr, typ ipv6.ICMPType, body []byte) []byte {
	t.Helper()
	b, err := (&icmp.Message{Type: typ, Body: &icmp.RawBody{Data: body}}).Marshal(icmp.IPv6PseudoHeader(src.AsSlice(), dst.AsSlice()))
	mustDo(t, err)
	head := []byte{0x60, 0, 0, 0, byte(len(b) >> 8), byte(len(b)), unix.IPPROTO_ICMPV6, 255}
	return slices.Concat(head, src.AsSlice(), dst.AsSlice(), b)
}

// solicit asks for an IPv6 address, and returns the MAC that is answered.
func (h *etherNeighbour) solicit(target string) string {
	h.n.t.Helper()
	addr := netip.MustParseAddr(target)
	low := addr.As16()
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], low[13:])
	mac := net.HardwareAddr{0x33, 0x33, 0xff, low[13], low[14], low[15]}
	body := slices.Concat(make([]byte, 4), addr.AsSlice(), []byte{1, 1}, h.mac)
	h.send(mac, h.mac, unix.ETH_P_IPV6, icmpv6Packet(h.n.t, h.ip6, netip.AddrFrom16(group), ipv6.ICMPTypeNeighborSolicitation, body))
	for {
		src, ethertype, b := h.receive()
		if ethertype == unix.ETH_P_IPV6 && len(b) >= 64 && b[6] == unix.IPPROTO_ICMPV6 && b[40] == byte(ipv6.ICMPTypeNeighborAdvertisement) &&
			bytes.Equal(b[48:64], addr.AsSlice()) {
			return src.String()
		}
	}
}

// TestVirtualMACKernelIPv6: also that the virtual MAC makes no address, whatever
// routers advertise.
func TestVirtualMACKernelIPv6(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	h := n.neighbour()
	vips := prefixList("fe80::100/64", "2001:db8::100/128")
	a := n.open(n.netlink(), nlVirtual6, vips...)
	mustDo(t, a.Install(t.Context(), vips))
	for _, vip := range vips {
		if got := h.solicit(vip.Addr().String()); got != "00:00:5e:00:02:33" {
			t.Errorf("%v is at %s, want the virtual MAC", vip, got)
		}
		if n.addr("vrrp6.51", vip.String()).Tentative {
			t.Errorf("%v is tentative", vip)
		}
	}
	eth0, err := net.InterfaceByName("eth0")
	mustDo(t, err)
	var own netip.Addr
	n.until("eth0 has a link-local address", func(s *rtnl.State) bool {
		own = s.Source(eth0.Index, 6, nil)
		return own.IsValid()
	})
	if got := h.solicit(own.String()); got != eth0.HardwareAddr.String() {
		t.Errorf("the host is at %s, want its own MAC", got)
	}

	// A router advertises a prefix: eth0 makes an address of it.
	prefix := slices.Concat([]byte{3, 4, 64, 0xc0}, []byte{0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0}, netip.MustParseAddr("2001:db8:1::").AsSlice())
	advert := slices.Concat([]byte{64, 0, 14, 16, 0, 0, 0, 0, 0, 0, 0, 0}, prefix)
	all := netip.MustParseAddr("ff02::1")
	h.send(net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, h.mac, unix.ETH_P_IPV6, icmpv6Packet(t, h.ip6, all, ipv6.ICMPTypeRouterAdvertisement, advert))
	n.until("eth0 has an address of the prefix", func(s *rtnl.State) bool {
		return slices.ContainsFunc(s.Addrs, func(a rtnl.Addr) bool {
			return a.Index == eth0.Index && netip.MustParsePrefix("2001:db8:1::/64").Contains(a.Prefix.Addr())
		})
	})
	h.solicit("fe80::100") // the macvlan has read what came before
	if all := n.addrs("vrrp6.51"); len(all) != 2 {
		t.Errorf("vrrp6.51 has %+v, want the virtual addresses alone", all)
	}
	mustDo(t, a.Remove(t.Context(), vips))
	mustDo(t, a.Close())
}

// TestVirtualMACKernelHearsRival: two hosts are Active, and their adverts come from
// one MAC. The interface below must hear the other one all the same.
func TestVirtualMACKernelHearsRival(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	n.Address("eth0", "192.0.2.1/24")
	h := n.neighbour()
	vips := prefixList("192.0.2.100/24")
	a := n.open(n.netlink(), nlVirtual4, vips...)
	mustDo(t, a.Install(t.Context(), vips))

	c, err := net.ListenPacket("ip4:112", "0.0.0.0")
	mustDo(t, err)
	defer c.Close()
	raw, err := c.(*net.IPConn).SyscallConn()
	mustDo(t, err)
	mustDo(t, errors.Join(raw.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0")
	}), err))
	eth0, err := net.InterfaceByName("eth0")
	mustDo(t, err)
	group := net.IPv4(224, 0, 0, 18)
	mustDo(t, ipv4.NewPacketConn(c).JoinGroup(eth0, &net.IPAddr{IP: group}))
	mustDo(t, c.SetReadDeadline(time.Now().Add(netDeadline)))

	advert := ipv4Packet(netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("224.0.0.18"), 112, []byte("rival"))
	h.send(net.HardwareAddr{1, 0, 0x5e, 0, 0, 0x12}, nlVirtual4.MAC(), unix.ETH_P_IP, advert)
	buf := make([]byte, 100)
	if _, from, err := c.ReadFrom(buf); err != nil {
		t.Errorf("eth0 does not hear the rival: %v", err)
	} else if from.String() != "192.0.2.2" {
		t.Errorf("heard %v", from)
	}
	mustDo(t, a.Remove(t.Context(), vips))
	mustDo(t, a.Close())
}

func TestVirtualMACKernelLeftovers(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n := newRealNet(t)
	n.Wire("eth1", "peer1")
	other, err := NetlinkAddresses("eth1")
	mustDo(t, err)
	vips := prefixList("192.0.2.100/24")
	b := n.open(other, nlVirtual4, vips...) // takes the name
	a := n.open(n.netlink(), nlVirtual4, vips...)
	mustDo(t, a.Install(t.Context(), vips))
	mustDo(t, b.Install(t.Context(), vips))
	count := func() (macvlans int) {
		links, err := n.conn.Links()
		mustDo(t, err)
		for _, l := range links {
			if l.Kind == "macvlan" {
				macvlans++
			}
		}
		return macvlans
	}
	if count() != 2 {
		t.Fatalf("%d macvlans, want 2", count())
	}
	mustDo(t, a.Close()) // dies
	if count() != 2 {
		t.Fatalf("%d macvlans after a death, want 2", count())
	}
	c := n.open(n.netlink(), nlRouter4, vips...) // without a virtual MAC now
	wantList(t, "of the one on eth1", n.held("vrrp.51"), "192.0.2.100/24")
	if count() != 1 {
		t.Errorf("%d macvlans after the next Open, want that of eth1", count())
	}
	mustDo(t, c.Close())
	mustDo(t, b.Remove(t.Context(), vips))
	mustDo(t, b.Close())
	if count() != 0 {
		t.Errorf("%d macvlans at the end, want none", count())
	}
}
