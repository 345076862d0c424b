package lab

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Forged is an advert that a test makes itself. Zero values of fields that
// cannot be zero have the default named beside them.
type Forged struct {
	Src      MAC        // of the frame
	From, To netip.Addr // To: the group of the family
	TTL      uint8      // 255
	Version  int        // 3
	Type     uint8      // 1
	VRID     uint8      // 51
	Priority uint8
	Interval time.Duration
	Addrs    []netip.Addr
	Checksum Checksum
	Count    int // of addresses, as written in the message; len(Addrs)
}

// Groups of VRRP.
var (
	Group4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})
	Group6 = netip.MustParseAddr("ff02::12")
)

// Frame returns the Ethernet frame.
func (g Forged) Frame() []byte {
	six := g.From.Is6()
	fill(&g.TTL, 255)
	fill(&g.Version, 3)
	fill(&g.Type, 1)
	fill(&g.VRID, 51)
	fill(&g.Count, len(g.Addrs))
	if !g.To.IsValid() {
		g.To = Group4
		if six {
			g.To = Group6
		}
	}
	m := g.message()

	to := MAC{0x33, 0x33}
	b := g.To.AsSlice()
	copy(to[2:], b[max(0, len(b)-4):])
	if !six {
		to = MAC{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	frame := append(append([]byte(nil), to[:]...), g.Src[:]...)
	if six {
		frame = append(frame, 0x86, 0xdd, 0x6c, 0, 0, 0, byte(len(m)>>8), byte(len(m)), 112, g.TTL)
		frame = append(append(frame, g.From.AsSlice()...), g.To.AsSlice()...)
		return append(frame, m...)
	}
	frame = append(frame, 0x08, 0x00, 0x45, 0xc0, 0, 0, 0, 0, 0, 0, g.TTL, 112, 0, 0)
	frame = append(append(frame, g.From.AsSlice()...), g.To.AsSlice()...)
	ip := frame[14:]
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(m)))
	binary.BigEndian.PutUint16(ip[10:], sum(ip))
	return append(frame, m...)
}

// message returns the VRRP message.
func (g Forged) message() []byte {
	m := []byte{byte(g.Version)<<4 | g.Type, g.VRID, g.Priority, byte(g.Count), 0, 0, 0, 0}
	if g.Version == 2 {
		m[5] = byte(g.Interval / time.Second)
	} else {
		binary.BigEndian.PutUint16(m[4:], uint16(g.Interval/(10*time.Millisecond)))
	}
	for _, a := range g.Addrs {
		m = append(m, a.AsSlice()...)
	}
	if g.Version == 2 {
		m = append(m, make([]byte, 8)...)
	}
	covered := m
	if g.Checksum == Pseudo {
		covered = append(pseudo(g.From, g.To, len(m)), m...)
	}
	binary.BigEndian.PutUint16(m[6:], sum(covered))
	if g.Checksum == Wrong {
		m[6] ^= 0x55
	}
	return m
}

// fill gives a field its default.
func fill[V comparable](v *V, value V) {
	var zero V
	if *v == zero {
		*v = value
	}
}
