package vrrp

import (
	"errors"
	"net/netip"
	"slices"
)

// What the codec's rebuild brings; this file goes when it is merged.

func (c *config) checkDialect(Family) error {
	if c.named&namedHMAC != 0 && c.key.id == 0 {
		return errors.New("vrrp: WithHMAC without a key")
	}
	if _, ok := c.transport.(bound); ok && c.named&namedHMAC != 0 {
		return errors.New("vrrp: WithHMAC: the transport signs with its own key already")
	}
	return nil
}

func (k *codec) setPeers([]Peer) {}

func (k *codec) setDialect(c *config) {
	k.in.auth = nil
	if c.key.id != 0 {
		k.in.auth = newAuthenticator(c.key, k.in.family, k.in.vrid, hmacWindow(c.interval), len(k.out.link.Peers()))
	}
	k.out.auth = k.in.auth
}

func (k *codec) speakers() []Speaker { return nil }

type Speaker struct{}

func (in *inspector) strangers() bool {
	return len(in.sorted) > 0 && len(in.advert.Addrs) > 0 &&
		!slices.ContainsFunc(in.advert.Addrs, func(a netip.Addr) bool { return slices.Contains(in.sorted, a) })
}

// MarshalText returns [Checksum.String].
func (c Checksum) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
