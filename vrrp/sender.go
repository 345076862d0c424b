package vrrp

import (
	"net/netip"
	"time"
)

// sender builds the adverts of one virtual router in buffers that it keeps.
type sender struct {
	link    Link
	self    netip.AddrPort
	family  Family
	auth    *authenticator // nil: no trailer
	advert  Advert
	packets []Packet
}

// build makes a packet for each peer. They are signed once: the trailer does
// not depend on the destination.
func (o *sender) build(priority uint8, interval time.Duration, wall time.Time) []Packet {
	peers := o.link.Peers()
	for len(o.packets) < len(peers) {
		o.packets = append(o.packets, Packet{})
	}
	o.advert.Priority, o.advert.Interval = priority, interval
	var trailer []byte
	for i, to := range peers {
		b := o.advert.appendTo(o.packets[i].Data[:0], o.family, o.self.Addr(), to.Addr())
		if o.auth != nil {
			if n := len(b); i == 0 {
				b = o.auth.sign(b, b, o.self, wall)
				trailer = b[n:]
			} else {
				b = append(b, trailer...)
			}
		}
		o.packets[i] = Packet{Data: b, From: o.self, To: to}
	}
	return o.packets[:len(peers)]
}

// send sends one advert to every peer. A failure is counted and logged when it
// begins; it never stops the router, since it may end with a route or a peer.
func (s *session) send(priority uint8, interval time.Duration) {
	var wall time.Time
	if s.codec.signed() {
		wall = s.wall()
	}
	err := s.link.Send(s.codec.out.build(priority, interval, wall))
	s.r.mu.Lock()
	s.r.stats.AdvertisementSent++
	if priority == 0 {
		s.r.stats.PriorityZeroPktsSent++
	}
	if err != nil {
		s.r.stats.SendErrors++
	}
	s.r.mu.Unlock()
	s.logSend(err)
}
