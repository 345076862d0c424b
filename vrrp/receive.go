package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// inspector decides which packets are adverts for one virtual router. Hostile
// ones cost what they must, and no more: the checks go from cheap to dear.
type inspector struct {
	vrid   uint8
	family Family
	self   netip.AddrPort
	addrs  []netip.Addr   // own virtual addresses, as sent
	sorted []netip.Addr   // the same, in order
	auth   *authenticator // nil: adverts carry no trailer
	advert Advert         // the last one that was good
}

// inspect reads a packet into in.advert, or tells why it is dropped.
func (in *inspector) inspect(p *Packet, wall time.Time) DropReason {
	b := p.Data
	if d := checkHeader(b); d != 0 {
		return d
	}
	if b[1] != in.vrid {
		return DropVRID
	}
	n := messageLen(b, in.family)
	if len(b) < n || in.auth == nil && len(b) != n {
		return DropLength
	}
	if p.From == in.self {
		return DropSelf // before it could move a replay mark
	}
	if !in.family.has(p.From.Addr()) || !in.family.has(p.To.Addr()) {
		return DropPeer
	}
	if in.auth != nil {
		if d := in.auth.verify(b, n, p.From, wall); d != 0 {
			return d
		}
	}
	if d := in.advert.parseBody(b[:n], in.family, p.From.Addr(), p.To.Addr()); d != 0 {
		return d
	}
	// A router without addresses expects its peers to have none either.
	return in.advert.checkFields(in.family, len(in.addrs) == 0)
}

// sameAddrs compares the addresses of a good advert with those of this router,
// in any order. It may reorder the advert's.
func (in *inspector) sameAddrs() bool {
	if slices.Equal(in.advert.Addrs, in.addrs) {
		return true
	}
	if len(in.advert.Addrs) != len(in.sorted) {
		return false
	}
	slices.SortFunc(in.advert.Addrs, netip.Addr.Compare)
	return slices.Equal(in.advert.Addrs, in.sorted)
}
