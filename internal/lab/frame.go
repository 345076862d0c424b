package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// MAC is an Ethernet address.
type MAC [6]byte

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// VirtualMAC is that of a virtual router (RFC 9568 section 7.3).
func VirtualMAC(family int, vrid uint8) MAC {
	if family == 6 {
		return MAC{0, 0, 0x5e, 0, 2, vrid}
	}
	return MAC{0, 0, 0x5e, 0, 1, vrid}
}

// Kind tells what a frame is.
type Kind uint8

const (
	Other    Kind = iota
	Advert        // a VRRP message
	Announce      // a gratuitous ARP, or an unsolicited neighbour advertisement to all nodes
	ARP           // any other ARP
	NA            // any other neighbour advertisement
)

// Frame is what a host sent, as the bridge heard it.
type Frame struct {
	At       time.Time // of the kernel, when the frame came in
	Host     int       // who sent it, by the cable it came through
	LAN      int
	Kind     Kind
	Src, Dst MAC
	From, To netip.Addr // IP addresses of the packet; of an ARP, the sender's and the target's

	// Of an ARP or neighbour advertisement.
	Addr  netip.Addr // told about
	Owner MAC        // said to have it
	Op    uint16     // of the ARP: 1 request, 2 reply
	Flags uint8      // of the neighbour advertisement: 0x80 router, 0x40 solicited, 0x20 override

	Message
}

// Message is a VRRP message with its envelope.
type Message struct {
	TTL      uint8 // or hop limit
	TOS      uint8 // or traffic class
	AH       bool  // behind an authentication header
	Version  int
	Type     uint8
	VRID     uint8
	Priority uint8
	Auth     uint8 // authentication type of version 2
	Interval time.Duration
	Addrs    []netip.Addr
	Checksum Checksum
	Raw      []byte // from the version on
}

// Checksum tells which form of a checksum fits.
type Checksum uint8

const (
	Wrong         Checksum = iota
	Pseudo                 // with a pseudo-header
	MessageAlone           // without
	checksumForms          // only for the names
)

func (c Checksum) String() string {
	return [checksumForms]string{"wrong", "pseudo-header", "message alone"}[c]
}

func (f Frame) String() string {
	at := fmt.Sprintf("%s host %d %v", f.At.Format("05.000000"), f.Host, f.Src)
	switch f.Kind {
	case Advert:
		return fmt.Sprintf("%s advert v%d %v > %v vrid %d priority %d interval %v ttl %d %v checksum %v",
			at, f.Version, f.From, f.To, f.VRID, f.Priority, f.Interval, f.TTL, f.Addrs, f.Checksum)
	case Announce:
		return fmt.Sprintf("%s announces %v at %v", at, f.Addr, f.Owner)
	case ARP, NA:
		return fmt.Sprintf("%s %v to %v about %v at %v, op %d", at, f.From, f.To, f.Addr, f.Owner, f.Op)
	}
	return at
}

// Decode reads an Ethernet frame. What it does not know has the kind Other.
func Decode(b []byte) Frame {
	var f Frame
	if len(b) < 14 {
		return f
	}
	f.Dst, f.Src = MAC(b[:6]), MAC(b[6:12])
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0806:
		f.arp(b[14:])
	case 0x0800:
		f.ipv4(b[14:])
	case 0x86dd:
		f.ipv6(b[14:])
	}
	return f
}

func (f *Frame) arp(b []byte) {
	if len(b) < 28 || b[4] != 6 || b[5] != 4 {
		return
	}
	f.Kind, f.Op = ARP, binary.BigEndian.Uint16(b[6:])
	f.Owner = MAC(b[8:14])
	f.From, f.To = netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	f.Addr = f.From
	// The kernel of another host that has the address answers a gratuitous one
	// by unicast: that announces nothing.
	if f.From == f.To && f.Dst[0]&1 != 0 {
		f.Kind = Announce
	}
}

func (f *Frame) ipv4(b []byte) {
	if len(b) < 20 {
		return
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total < header || total > len(b) {
		return
	}
	f.TOS, f.TTL = b[1], b[8]
	f.From, f.To = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	next, b := b[9], b[header:total] // without the padding of a short frame
	if next == 51 && len(b) >= 12 && len(b) >= int(b[1]+2)*4 {
		f.AH = true
		next, b = b[0], b[int(b[1]+2)*4:]
	}
	if next == 112 {
		f.vrrp(b, 4)
	}
}

func (f *Frame) ipv6(b []byte) {
	if len(b) < 40 || 40+int(binary.BigEndian.Uint16(b[4:])) > len(b) {
		return
	}
	f.TOS, f.TTL = b[0]<<4|b[1]>>4, b[7]
	f.From, f.To = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	next, b := b[6], b[40:40+int(binary.BigEndian.Uint16(b[4:]))]
	switch {
	case next == 112:
		f.vrrp(b, 16)
	case next == 58 && len(b) >= 24 && b[0] == 136:
		f.Kind, f.Flags, f.Addr = NA, b[4], netip.AddrFrom16([16]byte(b[8:24]))
		if f.To == allNodes {
			f.Kind = Announce
		}
		if len(b) >= 32 && b[24] == 2 { // target link-layer address
			f.Owner = MAC(b[26:32])
		}
	}
}

var allNodes = netip.MustParseAddr("ff02::1")

// vrrp reads a message whose addresses have size bytes.
func (f *Frame) vrrp(b []byte, size int) {
	if len(b) < 8 {
		return
	}
	f.Kind, f.Raw = Advert, b
	f.Version, f.Type, f.VRID, f.Priority = int(b[0]>>4), b[0]&15, b[1], b[2]
	if f.Version == 2 {
		f.Auth, f.Interval = b[4], time.Duration(b[5])*time.Second
	} else {
		f.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&0xfff) * 10 * time.Millisecond
	}
	for i := range int(b[3]) {
		if 8+(i+1)*size > len(b) {
			break
		}
		a, _ := netip.AddrFromSlice(b[8+i*size:][:size])
		f.Addrs = append(f.Addrs, a)
	}
	switch {
	case sum(b) == 0:
		f.Checksum = MessageAlone
	case sum(append(pseudo(f.From, f.To, len(b)), b...)) == 0:
		f.Checksum = Pseudo
	}
}

// pseudo is the pseudo-header of a message of n bytes.
func pseudo(from, to netip.Addr, n int) []byte {
	b := append(from.AsSlice(), to.AsSlice()...)
	return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, 112)
}

// sum is the Internet checksum (RFC 1071).
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
