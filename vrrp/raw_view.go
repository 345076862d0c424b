package vrrp

import (
	"net/netip"
	"slices"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// rawView is what a port sees of the interface at one moment. It finds the
// address that most routers send from once.
type rawView struct {
	state *rtnl.State
	link  rtnl.Link // the zero Link: it is missing
	down  bool      // nobody can take part
	why   error     // then

	family int
	vips   []netip.Addr // in order
	tags   tagSet
	common netip.Addr
	known  bool
}

// glance looks at the interface now, without the socket: any goroutine may.
func (p *rawPort) glance() *rawView {
	v := &rawView{state: p.watcher.State(), family: int(p.place.family)}
	v.vips, v.tags = p.raw.vips.all()
	v.link, _ = v.state.Link(p.raw.iface)
	return v
}

// look looks at the interface now.
func (p *rawPort) look() *rawView {
	v := p.glance()
	switch {
	case p.socket == nil && p.failed != nil:
		v.down, v.why = true, p.failed
	case p.socket == nil:
		v.down, v.why = true, errNoSocket
	case !v.link.Running && !p.raw.config.ignoreLink:
		v.down, v.why = true, errDown
	}
	return v
}

// mac is the address of the interface, in a form that can be compared.
func (v *rawView) mac() (mac [6]byte) {
	copy(mac[:], v.link.MAC)
	return mac
}

// source is where adverts of a link come from; invalid: there is no address.
func (v *rawView) source(l *rawLink) netip.Addr {
	switch {
	case v.link.Index == 0:
		return netip.Addr{}
	case l.source.IsValid():
		return v.own(l.source)
	case v.family == 6 && len(l.peers) > 0 && !l.peers[0].Addr().IsLinkLocalUnicast():
		return v.global()
	}
	if !v.known {
		v.known = true
		v.common = v.state.Source(v.link.Index, v.family, v.skip)
	}
	return v.common
}

// skip reports whether adverts must not come from an address: it moves.
func (v *rawView) skip(a rtnl.Addr) bool {
	_, virtual := slices.BinarySearchFunc(v.vips, a.Prefix.Addr(), netip.Addr.Compare)
	return virtual || v.tags.has(a.Protocol)
}

// own returns a if this host has it; a link-local one only on the interface.
func (v *rawView) own(a netip.Addr) netip.Addr {
	for _, has := range v.state.Addrs {
		elsewhere := a.Is6() && a.IsLinkLocalUnicast() && has.Index != v.link.Index
		if has.Prefix.Addr() == a && !has.Tentative && !elsewhere {
			return a
		}
	}
	return netip.Addr{}
}

// global is an IPv6 address of the interface that is not link-local.
func (v *rawView) global() netip.Addr {
	for _, a := range v.state.Addrs {
		addr := a.Prefix.Addr()
		if a.Index == v.link.Index && addr.Is6() && addr.IsGlobalUnicast() && !a.Tentative && !a.Deprecated && !v.skip(a) {
			return addr
		}
	}
	return netip.Addr{}
}
