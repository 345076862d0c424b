package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mainstay-ha/mainstay/vrrp"
)

func (p *pair) version() {
	if p.a.version != p.b.version {
		p.add(mistake, "-version", "A has %d and B has %d: they do not hear each other, both hold the address", p.a.version, p.b.version)
	}
}

// authentication compares secrets without showing them.
func (p *pair) authentication() {
	a, b := p.a, p.b
	switch {
	case (a.password != "") != (b.password != ""):
		p.add(mistake, "-password", "only %s has one: each drops the other's adverts", oneOf(a.password != ""))
	case a.password != b.password:
		p.add(mistake, "-password", "A and B have different ones: each drops the other's adverts")
	}
	p.keys("A", a, b)
	p.keys("B", b, a)
	if len(a.keys) > 0 && len(b.keys) > 0 && a.keys[0].ID() != b.keys[0].ID() {
		p.add(note, "-hmac-key", "A signs with key %d and B with key %d: right only while keys are exchanged", a.keys[0].ID(), b.keys[0].ID())
	}
}

// keys tells whether from's adverts pass at to.
func (p *pair) keys(name string, from, to *instance) {
	other := oneOf(name == "B")
	signs := len(from.keys) > 0 && from.hmacMode != "receive-only"
	switch {
	case !signs && len(to.keys) > 0 && to.hmacMode == "enforce":
		p.add(mistake, "-hmac-key", "%s does not sign and %s wants that: %s does not hear it", name, other, other)
	case signs && len(to.keys) == 0:
		p.add(mistake, "-hmac-key", "%s signs and %s has no key: %s does not hear it", name, other, other)
	case signs && !slices.Contains(to.keys, from.keys[0]):
		p.add(mistake, "-hmac-key", "%s signs with key %d, which %s has not, or with another secret: %s does not hear it", name, from.keys[0].ID(), other, other)
	}
}

func oneOf(a bool) string {
	if a {
		return "A"
	}
	return "B"
}

func (p *pair) interval() {
	switch {
	case p.a.interval == p.b.interval:
	case p.a.version == 2 && p.b.version == 2:
		p.add(mistake, "-interval", "A has %v and B has %v: version 2 drops adverts of another interval, both hold the address", p.a.interval, p.b.interval)
	default:
		p.add(warning, "-interval", "A has %v and B has %v: who is Backup follows the Active one, so takeover takes longer or shorter by direction", p.a.interval, p.b.interval)
	}
}

func (p *pair) addresses() {
	both := common(p.a.vips, p.b.vips)
	only := func(vips []netip.Prefix) string {
		var out []string
		for _, v := range vips {
			if !slices.Contains(both, v.Addr()) {
				out = append(out, v.Addr().String())
			}
		}
		return strings.Join(out, " ")
	}
	if x := only(p.a.vips); x != "" {
		p.add(mistake, "-vip", "only A has %s: gone while B is Active", x)
	}
	if x := only(p.b.vips); x != "" {
		p.add(mistake, "-vip", "only B has %s: gone while A is Active", x)
	}
	for _, v := range p.a.vips {
		if i := slices.IndexFunc(p.b.vips, func(w netip.Prefix) bool { return v.Addr() == w.Addr() }); i >= 0 && v != p.b.vips[i] {
			p.add(warning, "-vip", "A has %v and B has %v: another prefix length", v, p.b.vips[i])
		}
	}
}

func (p *pair) unicast() {
	a, b := p.a, p.b
	if len(a.peers) > 0 != (len(b.peers) > 0) {
		p.add(mistake, "-unicast-peer", "only %s has any: it does not hear the other's multicast, both hold the address", oneOf(len(a.peers) > 0))
		return
	}
	if len(a.peers) == 0 {
		return
	}
	p.reaches("A", a, "B", b)
	p.reaches("B", b, "A", a)
	if a.source.IsValid() && a.source == b.source {
		p.add(mistake, "-unicast-src", "A and B both have %v", a.source)
	}
}

// reaches tells whether to takes what from sends, and whether from sends to it.
func (p *pair) reaches(name string, from *instance, other string, to *instance) {
	has := func(peers []vrrp.Peer, a netip.Addr) bool {
		return slices.ContainsFunc(peers, func(q vrrp.Peer) bool { return q.Addr == a })
	}
	switch {
	case !from.source.IsValid():
		p.add(note, "-unicast-src", "%s has none: whether %s lists it as -unicast-peer cannot be told", name, other)
	case !has(to.peers, from.source):
		p.add(mistake, "-unicast-src -unicast-peer", "%s sends from %v, which is no peer of %s: neither sends to it nor hears it", name, from.source, other)
	}
	if from.source.IsValid() && slices.Contains(common(to.vips, []netip.Prefix{netip.PrefixFrom(from.source, from.source.BitLen())}), from.source) {
		p.add(mistake, "-unicast-src -vip", "%v of %s is a virtual address of %s", from.source, name, other)
	}
}

// manners are flags that may differ at a price.
func (p *pair) manners() {
	a, b := p.a, p.b
	if a.vmac != b.vmac {
		p.add(warning, "-vmac", "only %s has it: neighbours must learn another MAC at each takeover", oneOf(a.vmac))
	}
	if a.checksum != b.checksum {
		p.add(note, "-checksum", "A has %s and B has %s: vrrpd takes both, keepalived takes pseudo", a.checksum, b.checksum)
	}
	if a.profile != b.profile {
		p.add(note, "-profile", "A has %q and B has %q", a.profile, b.profile)
	}
	for _, x := range []struct {
		name string
		in   *instance
	}{{"A", a}, {"B", b}} {
		if !x.in.preempt && x.in.priority == 255 {
			p.add(warning, "-preempt -priority", "%s has 255 and -preempt=false: the owner of the addresses preempts all the same", x.name)
		}
		if !x.in.preempt && x.in.preemptDelay > 0 {
			p.add(warning, "-preempt -preempt-delay", "%s has a delay and -preempt=false: the delay has no effect", x.name)
		}
	}
}
