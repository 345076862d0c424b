// Package rtnl reads and changes links and addresses by rtnetlink (Linux).
package rtnl

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
)

// Link is a network interface.
type Link struct {
	Index    int
	Name     string
	Up       bool // IFF_UP
	Running  bool // IFF_RUNNING: up, and there is a carrier
	Loopback bool
	MTU      int
	MAC      net.HardwareAddr

	Kind   string // IFLA_INFO_KIND: "macvlan", "veth"...; empty for hardware
	Parent int    // IFLA_LINK: index of the link below in this network namespace; 0: none
	Alias  string // IFLA_IFALIAS; the kernel does not announce a change of it while the link is down
}

// Addr is an address of a link.
type Addr struct {
	Index      int // of the link
	Prefix     netip.Prefix
	Label      string
	Protocol   uint8 // IFA_PROTO: who installed it; 0: unknown
	Secondary  bool  // IPv4: another address of the subnet comes first
	Tentative  bool  // duplicate address detection runs, or has failed
	Deprecated bool

	Failed    bool       // duplicate address detection has failed; Tentative is true too
	Permanent bool       // it has no lifetime
	Scope     uint8      // RT_SCOPE_*
	Peer      netip.Addr // of a point-to-point address; else invalid
}

// State is the links and addresses at one moment. It is not modified.
type State struct {
	Links []Link
	Addrs []Addr
}

// Link finds a link by its name.
func (s *State) Link(name string) (Link, bool) {
	return s.find(func(l *Link) bool { return l.Name == name })
}

// LinkByIndex finds a link by its index.
func (s *State) LinkByIndex(index int) (Link, bool) {
	return s.find(func(l *Link) bool { return l.Index == index })
}

func (s *State) find(match func(*Link) bool) (Link, bool) {
	for i := range s.Links {
		if match(&s.Links[i]) {
			return s.Links[i], true
		}
	}
	return Link{}, false
}

// Source is the address of a link that adverts come from: the primary IPv4
// address, or the link-local IPv6 one. It is never one for which skip returns
// true, nor one that is tentative or deprecated; invalid: there is none.
//
// A secondary IPv4 address counts where its primary is skipped: a virtual
// address came first in its subnet, which makes it no worse. Of several, one
// without a lifetime is preferred, then one of wider scope, then the first.
func (s *State) Source(index, family int, skip func(Addr) bool) netip.Addr {
	var best Addr
	var found bool
	for _, a := range s.Addrs {
		if a.Index != index || !a.of(family) || a.Tentative || a.Deprecated || skip != nil && skip(a) {
			continue
		}
		if family == 6 && !a.Prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		if family == 4 && a.Secondary && !s.promoted(a, skip) {
			continue
		}
		if !found || a.before(best) {
			best, found = a, true
		}
	}
	return best.Prefix.Addr()
}

// promoted reports whether the primary address of a's subnet is one to skip.
func (s *State) promoted(a Addr, skip func(Addr) bool) bool {
	return skip != nil && slices.ContainsFunc(s.Addrs, func(p Addr) bool {
		return p.Index == a.Index && !p.Secondary && p.Prefix.Masked() == a.Prefix.Masked() && skip(p)
	})
}

func (a Addr) of(family int) bool { return a.Prefix.Addr().Is4() == (family == 4) }

// before reports whether a is the better source.
func (a Addr) before(b Addr) bool {
	if a.Permanent != b.Permanent {
		return a.Permanent
	}
	return a.Scope < b.Scope
}

// same reports whether both are one address to the kernel, whatever its flags.
func (a Addr) same(b Addr) bool {
	return a.Index == b.Index && a.Prefix == b.Prefix && a.Peer == b.Peer
}

func (l Link) equal(m Link) bool {
	if !bytes.Equal(l.MAC, m.MAC) {
		return false
	}
	return l.Index == m.Index && l.Name == m.Name && l.Up == m.Up && l.Running == m.Running && l.Loopback == m.Loopback &&
		l.MTU == m.MTU && l.Kind == m.Kind && l.Parent == m.Parent && l.Alias == m.Alias
}

func (s *State) equal(t *State) bool {
	return slices.EqualFunc(s.Links, t.Links, Link.equal) && slices.Equal(s.Addrs, t.Addrs)
}
