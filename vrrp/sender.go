package vrrp

import "time"

// sender builds the adverts of one virtual router.
type sender struct {
	*terms
	room *scratch
}

// build makes a packet for each peer, or for the group. They are signed once:
// the trailer does not depend on the destination. They are valid until the next
// build in the same room.
func (o *sender) build(priority uint8, interval time.Duration, wall time.Time) []Packet {
	for len(o.room.packets) < len(o.to) {
		o.room.packets = append(o.room.packets, Packet{})
	}
	packets := o.room.packets[:len(o.to)]
	advert := Advert{
		Version: o.version, VRID: o.vrid, Priority: priority, Interval: interval,
		Addrs: o.addrs, Checksum: o.form, Auth: o.auth, Password: o.password,
	}
	sign := o.hmac != nil && o.hmac.mode != receiveOnly
	var trailer []byte
	for i, to := range o.to {
		b := advert.appendTo(packets[i].Data[:0], o.family, o.self.Addr(), to.Addr())
		switch n := len(b); {
		case sign && i == 0:
			b = o.hmac.sign(b, b, o.self, wall)
			trailer = b[n:]
		case sign:
			b = append(b, trailer...)
		}
		packets[i] = Packet{Data: b, From: o.self, To: to}
	}
	return packets
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
