package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// inspector decides which packets are adverts for one virtual router. Hostile
// ones cost what they must, and no more.
type inspector struct {
	*terms
	heard  speakers
	advert *Advert // the last one that was good
}

// inspect reads a packet into in.advert, or tells why it is dropped. A packet
// that is dropped changes nothing that counts. The checks are in the order of
// [DropReason].
func (in *inspector) inspect(p *Packet, wall time.Time) DropReason {
	b := p.Data
	if d := in.checkHeader(p); d != 0 {
		return d
	}
	n := messageLen(b, in.family)
	if len(b) != n && (in.hmac == nil || len(b) != n+trailerLen) {
		return DropLength
	}
	message, trailer := b[:n], b[n:]
	if in.hmac != nil {
		if d := in.hmac.verify(message, trailer, p.From, wall); d != 0 {
			return d
		}
	}
	if d := in.checkAuth(message); d != 0 {
		return d
	}
	form, ok := checksumOf(message, in.family, p.From.Addr(), p.To.Addr())
	if !ok {
		return DropChecksum
	}
	a := in.advert
	a.read(message, in.family)
	a.Checksum = form
	// A router without addresses expects its peers to have none either.
	if d := a.checkFields(in.family, len(in.addrs) == 0); d != 0 {
		return d
	}
	if d := in.checkSender(p); d != 0 {
		return d
	}
	if in.hmac != nil {
		in.hmac.accept(trailer, p.From)
	}
	if in.checksum == ChecksumAuto {
		in.form = form
	}
	in.heard.note(p.From, a, len(trailer) > 0)
	return 0
}

// checkHeader makes the checks that the packet's length does not matter for.
func (in *inspector) checkHeader(p *Packet) DropReason {
	b := p.Data
	switch {
	case len(b) < headerLen:
		return DropLength
	case !in.family.has(p.From.Addr()) || !in.family.has(p.To.Addr()):
		return DropFamily
	case !in.ttlOK(p):
		return DropTTL
	case b[0]>>4 != in.version:
		return DropVersion
	case b[0]&0xf != typeAdvert:
		return DropType
	case b[1] != in.vrid:
		return DropVRID
	case p.AH:
		return DropAH
	}
	return 0
}

// ttlOK applies the rule of RFC 9568 section 5.1.1.3, or the range of a peer. A
// unicast packet of somebody who is no peer has its own reason to be dropped.
func (in *inspector) ttlOK(p *Packet) bool {
	if p.TTL == 0 {
		return true
	}
	if p.To.Addr().IsMulticast() {
		return p.TTL == 255
	}
	l := in.peer(p.From)
	return l == nil || p.TTL >= l.minTTL && p.TTL <= l.maxTTL
}

// peer returns a listed peer, or nil.
func (in *inspector) peer(from netip.AddrPort) *listed {
	for i := range in.listed {
		if in.listed[i].id == from {
			return &in.listed[i]
		}
	}
	return nil
}

// checkAuth compares the authentication of version 2 (RFC 2338 section 7.1).
func (in *inspector) checkAuth(message []byte) DropReason {
	switch {
	case in.version != version2:
		return 0
	case AuthType(message[4]) != in.auth:
		return DropAuthType
	case in.auth == AuthPassword && !in.password.is(message[len(message)-authLen:]):
		return DropAuth
	}
	return 0
}

// checkSender makes the checks on a sound advert that need more than itself.
func (in *inspector) checkSender(p *Packet) DropReason {
	unicast := len(in.listed) > 0 || len(in.to) == 0
	switch {
	case in.version == version2 && in.advert.Interval != in.interval:
		return DropIntervalMismatch
	case unicast == p.To.Addr().IsMulticast(), !unicast && !in.isGroup(p.To):
		return DropDestination
	case unicast && p.From != in.self && in.peer(p.From) == nil:
		return DropPeer
	case p.From == in.self:
		return DropSelf
	}
	return 0
}

// isGroup reports whether adverts of this router go to a.
func (in *inspector) isGroup(a netip.AddrPort) bool {
	for i := range in.to {
		if identity(in.to[i]) == a {
			return true
		}
	}
	return false
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

// strangers reports whether a good advert has none of this router's addresses,
// where both have some: the sender is not of this virtual router, and uses its
// VRID.
func (in *inspector) strangers() bool {
	if len(in.sorted) == 0 || len(in.advert.Addrs) == 0 {
		return false
	}
	return !slices.ContainsFunc(in.advert.Addrs, func(a netip.Addr) bool {
		_, found := slices.BinarySearchFunc(in.sorted, a, netip.Addr.Compare)
		return found
	})
}
