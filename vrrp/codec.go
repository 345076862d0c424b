package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// codec reads and writes the adverts of one virtual router.
type codec struct {
	in  inspector
	out sender
}

// newCodec is for the router vrid as c has it, that sends as self to the peers
// of link.
func newCodec(c *config, vrid uint8, family Family, self netip.AddrPort, addrs []netip.Addr, link Link) *codec {
	var auth *authenticator
	if c.key.id != 0 {
		auth = newAuthenticator(c.key, family, vrid, hmacWindow(c.interval), len(link.Peers()))
	}
	k := &codec{
		in:  inspector{vrid: vrid, family: family, self: self, auth: auth},
		out: sender{link: link, self: self, family: family, auth: auth, advert: Advert{VRID: vrid}},
	}
	k.setAddrs(addrs)
	return k
}

// signed reports whether the wall clock matters.
func (k *codec) signed() bool { return k.in.auth != nil }

// setAddrs changes the virtual addresses.
func (k *codec) setAddrs(addrs []netip.Addr) {
	k.in.addrs, k.in.sorted, k.out.advert.Addrs = addrs, slices.Clone(addrs), addrs
	slices.SortFunc(k.in.sorted, netip.Addr.Compare)
}

// setIdentity changes what this speaker sends as.
func (k *codec) setIdentity(self netip.AddrPort) { k.in.self, k.out.self = self, self }

// setInterval follows the interval between adverts.
func (k *codec) setInterval(d time.Duration) {
	if k.in.auth != nil {
		k.in.auth.setWindow(hmacWindow(d))
	}
}
