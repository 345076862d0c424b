package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// codec reads and writes the adverts of one virtual router. It is used by one
// goroutine, but for speakers.
type codec struct {
	terms
	in  inspector
	out sender
}

// terms is what reading and writing share.
type terms struct {
	vrid     uint8
	version  uint8
	family   Family
	auth     AuthType // version 2
	checksum Checksum // as configured
	form     Checksum // sent: ChecksumAuto until one was heard
	password Password // version 2
	self     netip.AddrPort
	interval time.Duration
	addrs    []netip.Addr   // virtual addresses, as sent
	sorted   []netip.Addr   // the same, in order
	signing  *signing       // nil: adverts carry no trailer
	hmac     *authenticator // of signing, nil likewise

	to     []netip.AddrPort // where adverts go: the group, or each peer
	listed []listed         // unicast: who is heard; none: to is a group
}

// listed is a unicast peer.
type listed struct {
	id             netip.AddrPort
	minTTL, maxTTL uint8
}

// scratch is room for the adverts at hand. The codecs of one engine share it.
type scratch struct {
	heard   Advert   // the last one that was good
	packets []Packet // sent last
}

// newCodec is for the router vrid as c has it, that sends as self to the peers
// of link.
func newCodec(c *config, vrid uint8, family Family, self netip.AddrPort, addrs []netip.Addr, link Link, room *scratch) *codec {
	k := &codec{terms: terms{vrid: vrid, version: uint8(c.version), family: family, self: self, interval: c.interval}}
	if k.version == 0 {
		k.version = version3
	}
	k.in.terms, k.in.advert = &k.terms, &room.heard
	k.out.terms, k.out.room = &k.terms, room
	k.to = link.Peers()
	if !slices.ContainsFunc(k.to, func(a netip.AddrPort) bool { return a.Addr().IsMulticast() }) {
		for _, a := range k.to {
			p := Peer{Addr: a.Addr()}
			if i := slices.IndexFunc(c.peers, func(q Peer) bool { return identityOf(q) == identity(a) }); i >= 0 {
				p = c.peers[i]
			}
			k.listed = append(k.listed, newListed(identity(a), p))
		}
	}
	k.in.heard.grow(len(k.listed))
	k.setAddrs(addrs)
	k.setDialect(c)
	return k
}

func newListed(id netip.AddrPort, p Peer) listed {
	l := listed{id: id, minTTL: p.MinTTL, maxTTL: p.MaxTTL}
	if l.maxTTL == 0 {
		l.maxTTL = 255
		if l.minTTL == 0 {
			l.minTTL = 255
		}
	}
	return l
}

// identityOf is how a peer without ports is heard.
func identityOf(p Peer) netip.AddrPort { return identity(netip.AddrPortFrom(p.Addr, 0)) }

// signed reports whether the wall clock matters.
func (k *codec) signed() bool { return k.hmac != nil }

// speakers lists who was heard lately, for Status. Any goroutine may call it.
func (k *codec) speakers() []Speaker { return k.in.heard.list() }

// setAddrs changes the virtual addresses.
func (k *codec) setAddrs(addrs []netip.Addr) {
	k.addrs, k.sorted = addrs, addrs
	if !slices.IsSortedFunc(addrs, netip.Addr.Compare) {
		k.sorted = slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare)
	}
}

// setIdentity changes what this speaker sends as.
func (k *codec) setIdentity(self netip.AddrPort) { k.self = self }

// setInterval follows the interval between adverts.
func (k *codec) setInterval(d time.Duration) {
	k.interval = d
	if k.hmac != nil {
		k.hmac.setWindow(k.signing.windowFor(d))
	}
}

// setPeers changes the peers of WithUnicast. What is known of one that stays is
// kept.
func (k *codec) setPeers(peers []Peer) {
	k.to, k.listed = nil, nil
	for _, p := range peers {
		k.to = append(k.to, netip.AddrPortFrom(p.Addr, 0))
		k.listed = append(k.listed, newListed(identityOf(p), p))
	}
	k.in.heard.keep(k.listed)
	k.in.heard.grow(len(peers))
	if k.hmac != nil {
		k.hmac.marks.keep(k.listed)
		k.hmac.marks.grow(len(peers))
	}
}

// setDialect changes the password, the form of the checksum and the keys. What
// was sent and heard under earlier keys stays known.
func (k *codec) setDialect(c *config) {
	k.auth, k.password = AuthNone, Password{}
	if c.dialect.password != "" {
		k.auth = AuthPassword
		copy(k.password[:], c.dialect.password)
	}
	if k.checksum != c.dialect.checksum {
		k.checksum, k.form = c.dialect.checksum, c.dialect.checksum
	}
	switch k.signing = c.keys(); {
	case k.signing == nil:
		k.hmac = nil
	case k.hmac == nil:
		k.hmac = newHMAC(k.signing, k.family, k.interval, len(k.listed))
	default:
		k.hmac.adopt(k.signing, k.interval)
	}
}
