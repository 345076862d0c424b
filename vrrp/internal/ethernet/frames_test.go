package ethernet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

const captures = "../../testdata/captures"

// frames returns the frames of a capture of real keepalived.
func frames(t *testing.T, name string) (out [][]byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(captures, name))
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) > 0; { // pcap, little-endian, Ethernet
		n := 16 + binary.LittleEndian.Uint32(b[8:])
		out = append(out, b[16:n])
		b = b[n:]
	}
	return out
}

var (
	h1, h2 = MAC{2, 0x77, 0, 0, 0, 1}, MAC{2, 0x77, 0, 0, 0, 2}
	vmac4  = MAC{0, 0, 0x5e, 0, 1, 51}
	vmac6  = MAC{0, 0, 0x5e, 0, 2, 51}

	vip4    = netip.MustParseAddr("10.77.0.100")
	vipLink = netip.MustParseAddr("fe80::100:0")
	vip6    = netip.MustParseAddr("fd77::100:0")
)

// What keepalived sends, byte for byte. It does not forward, so that the router
// flag is off there.
func TestFramesAsCaptured(t *testing.T) {
	var arp4, na6, naLink = vip4, vip6, vipLink
	second, third := arp4.Next(), arp4.Next().Next()
	for _, tt := range []struct {
		capture string
		want    [][]byte
	}{
		{"v3-ipv4-stop.pcap", [][]byte{AppendGratuitousARP(nil, h1, arp4), AppendGratuitousARP(nil, h2, arp4)}},
		{"v3-ipv4-vmac-stop.pcap", [][]byte{AppendGratuitousARP(nil, vmac4, arp4)}},
		{"v3-ipv4-many-vips-stop.pcap", [][]byte{
			AppendGratuitousARP(nil, h1, second), AppendGratuitousARP(nil, h1, third), // the first came before the capture
			AppendGratuitousARP(nil, h2, arp4), AppendGratuitousARP(nil, h2, second), AppendGratuitousARP(nil, h2, third),
		}},
		{"v3-ipv6-stop.pcap", [][]byte{
			AppendUnsolicitedNA(nil, h1, naLink, false), AppendUnsolicitedNA(nil, h1, na6, false),
			AppendUnsolicitedNA(nil, h2, naLink, false), AppendUnsolicitedNA(nil, h2, na6, false),
		}},
		{"v3-ipv6-vmac-stop.pcap", [][]byte{
			AppendUnsolicitedNA(nil, vmac6, naLink, false), AppendUnsolicitedNA(nil, vmac6, na6, false),
		}},
	} {
		t.Run(tt.capture, func(t *testing.T) {
			seen := make([]bool, len(tt.want))
			announcements := 0
			for i, f := range frames(t, tt.capture) {
				kind := binary.BigEndian.Uint16(f[12:])
				if kind != TypeARP && (kind != TypeIPv6 || f[HeaderLen+6] != icmpv6) {
					continue
				}
				announcements++
				found := false
				for j, w := range tt.want {
					if bytes.Equal(f, w) {
						seen[j], found = true, true
					}
				}
				if !found {
					t.Errorf("frame %d is none of ours:\n%x", i, f)
				}
			}
			for j, ok := range seen {
				if !ok {
					t.Errorf("not captured:\n%x", tt.want[j])
				}
			}
			if announcements == 0 {
				t.Error("no announcement in the capture")
			}
		})
	}
}

// The fields that a capture does not show.
func TestFrameFields(t *testing.T) {
	reply := AppendGratuitousReply(nil, h1, vip4)
	if op := reply[HeaderLen+7]; op != arpReply || MAC(reply[HeaderLen+18:]) != h1 || MAC(reply) != Broadcast {
		t.Errorf("gratuitous reply %x: want operation 2, to the broadcast address, target MAC that of the sender", reply)
	}
	probe := AppendARPProbe(nil, h1, vip4)
	if addr, _, ok := ParseARP(probe[HeaderLen:]); ok || !addr.IsUnspecified() {
		t.Errorf("ARP probe %x claims %v", probe, addr)
	}
	if got := netip.AddrFrom4([4]byte(probe[HeaderLen+24:])); got != vip4 || MAC(probe[HeaderLen+18:]) != (MAC{}) {
		t.Errorf("ARP probe %x asks for %v", probe, got)
	}

	na := AppendUnsolicitedNA(nil, h1, vip6, true)
	ip, icmp := na[HeaderLen:], na[HeaderLen+40:]
	if ip[7] != 255 {
		t.Errorf("hop limit %d, want 255", ip[7])
	}
	if flags := icmp[4]; flags != 0xa0 {
		t.Errorf("flags %#x, want router and override, not solicited", flags)
	}
	if MAC(na) != (MAC{0x33, 0x33, 0, 0, 0, 1}) || [16]byte(ip[8:]) != vip6.As16() {
		t.Errorf("from %x to %x, want the address itself to all nodes", ip[8:24], na[:6])
	}
	checkICMPv6(t, na)

	ns := AppendNSProbe(nil, h1, vip6)
	want := netip.MustParseAddr("ff02::1:ff00:0")
	if got := netip.AddrFrom16([16]byte(ns[HeaderLen+24:])); got != want || MAC(ns) != (MAC{0x33, 0x33, 0xff, 0, 0, 0}) {
		t.Errorf("probe for %v goes to %v, want %v", vip6, got, want)
	}
	if src := netip.AddrFrom16([16]byte(ns[HeaderLen+8:])); src != netip.IPv6Unspecified() || ns[HeaderLen+7] != 255 || len(ns) != HeaderLen+40+24 {
		t.Errorf("probe %x: want no source, hop limit 255, no option", ns)
	}
	checkICMPv6(t, ns)
}

// checkICMPv6 verifies the checksum of a frame as a receiver does.
func checkICMPv6(t *testing.T, frame []byte) {
	t.Helper()
	ip := frame[HeaderLen:]
	m := ip[40:]
	if got := fold(sum(sum(icmpv6+uint32(len(m)), ip[8:40]), m)); got != 0xffff {
		t.Errorf("checksum of %x adds up to %#x", frame, got)
	}
	if n := int(binary.BigEndian.Uint16(ip[4:])); n != len(m) {
		t.Errorf("payload length %d, want %d", n, len(m))
	}
}

func TestIPv4Header(t *testing.T) {
	captured := frames(t, "v3-ipv4-stop.pcap")[2] // an advert
	h := IP{Src: netip.MustParseAddr("10.77.0.1"), Dst: netip.MustParseAddr("224.0.0.18"), Protocol: 112, Class: 0xc0, ID: 2, Payload: 12}
	got := h.AppendTo(AppendHeader(nil, GroupMAC(h.Dst), h1, TypeIPv4))
	if !bytes.Equal(got, captured[:len(got)]) {
		t.Errorf("header\n%x, captured\n%x", got, captured[:len(got)])
	}
}

func TestIPv6Header(t *testing.T) {
	var captured []byte
	for _, f := range frames(t, "v3-ipv6-stop.pcap") {
		if f[HeaderLen+6] == 112 {
			captured = f
			break
		}
	}
	copy(captured[HeaderLen+1:], []byte{captured[HeaderLen+1] & 0xf0, 0, 0}) // the flow label, which is random
	src := netip.AddrFrom16([16]byte(captured[HeaderLen+8:]))
	h := IP{Src: src, Dst: netip.MustParseAddr("ff02::12"), Protocol: 112, Class: 0xc0, Payload: 40}
	got := h.AppendTo(AppendHeader(nil, GroupMAC(h.Dst), h1, TypeIPv6))
	if !bytes.Equal(got, captured[:len(got)]) {
		t.Errorf("header\n%x, captured\n%x", got, captured[:len(got)])
	}
}

func TestGroupMAC(t *testing.T) {
	for _, tt := range []struct{ group, want string }{
		{"224.0.0.18", "01:00:5e:00:00:12"},
		{"239.255.1.2", "01:00:5e:7f:01:02"},
		{"ff02::12", "33:33:00:00:00:12"},
	} {
		if got := GroupMAC(netip.MustParseAddr(tt.group)).String(); got != tt.want {
			t.Errorf("GroupMAC(%s) = %s, want %s", tt.group, got, tt.want)
		}
	}
}

func TestParseClaims(t *testing.T) {
	arp := func(change func(b []byte)) []byte {
		b := AppendGratuitousARP(nil, h1, vip4)[HeaderLen:]
		change(b)
		return b
	}
	na := func(change func(b []byte)) []byte {
		b := AppendUnsolicitedNA(nil, h1, vip6, true)[HeaderLen+40:]
		change(b)
		return b
	}
	asIs := func([]byte) {}
	type claim struct {
		addr netip.Addr
		mac  MAC
		ok   bool
	}
	for _, tt := range []struct {
		name  string
		parse func([]byte) (netip.Addr, MAC, bool)
		b     []byte
		want  claim // a refused one is not compared further
	}{
		{"gratuitous ARP", ParseARP, arp(asIs), claim{vip4, h1, true}},
		{"padded to the least frame", ParseARP, append(arp(asIs), make([]byte, 18)...), claim{vip4, h1, true}},
		{"reply", ParseARP, AppendGratuitousReply(nil, h2, vip4)[HeaderLen:], claim{vip4, h2, true}},
		{"short ARP", ParseARP, arp(asIs)[:27], claim{}},
		{"empty ARP", ParseARP, nil, claim{}},
		{"not for IPv4", ParseARP, arp(func(b []byte) { b[2] = 0x86 }), claim{}},
		{"another hardware", ParseARP, arp(func(b []byte) { b[4] = 20 }), claim{}},
		{"reverse ARP", ParseARP, arp(func(b []byte) { b[7] = 3 }), claim{}},
		{"probe", ParseARP, AppendARPProbe(nil, h1, vip4)[HeaderLen:], claim{}},

		{"unsolicited NA", ParseNA, na(asIs), claim{vip6, h1, true}},
		{"without an option", ParseNA, na(asIs)[:24], claim{vip6, MAC{}, true}},
		{"another option first", ParseNA, append(na(asIs)[:24], append([]byte{14, 1, 0, 0, 0, 0, 0, 0}, na(asIs)[24:]...)...), claim{vip6, h1, true}},
		{"source option", ParseNA, na(func(b []byte) { b[24] = 1 }), claim{vip6, MAC{}, true}},
		{"short NA", ParseNA, na(asIs)[:23], claim{}},
		{"empty NA", ParseNA, nil, claim{}},
		{"a solicitation", ParseNA, na(func(b []byte) { b[0] = typeNS }), claim{}},
		{"a code", ParseNA, na(func(b []byte) { b[1] = 1 }), claim{}},
		{"option of no length", ParseNA, na(func(b []byte) { b[25] = 0 }), claim{}},
		{"option that is cut", ParseNA, na(func(b []byte) { b[25] = 2 }), claim{}},
		{"half an option", ParseNA, na(asIs)[:25], claim{}},
		{"multicast target", ParseNA, na(func(b []byte) { b[8] = 0xff }), claim{}},
	} {
		addr, mac, ok := tt.parse(tt.b)
		if got := (claim{addr, mac, ok}); ok != tt.want.ok || ok && got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func FuzzParseClaims(f *testing.F) {
	f.Add(AppendGratuitousARP(nil, h1, vip4)[HeaderLen:])
	f.Add(AppendUnsolicitedNA(nil, h1, vip6, true)[HeaderLen+40:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if addr, mac, ok := ParseARP(b); ok {
			frame := AppendGratuitousARP(nil, mac, addr)
			if a, m, ok := ParseARP(frame[HeaderLen:]); !ok || a != addr || m != mac {
				t.Errorf("%x reads as %v at %v, and again as %v at %v", b, addr, mac, a, m)
			}
		}
		if addr, mac, ok := ParseNA(b); ok {
			frame := AppendUnsolicitedNA(nil, mac, addr, false)
			if a, m, ok := ParseNA(frame[HeaderLen+40:]); !ok || a != addr || m != mac {
				t.Errorf("%x reads as %v at %v, and again as %v at %v", b, addr, mac, a, m)
			}
		}
	})
}
