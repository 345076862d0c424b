package vrrp

import "errors"

// What the codec's rebuild brings; this file goes when it is merged.

func (c *config) checkDialect(Family) error {
	if c.named&namedHMAC != 0 && c.key.id == 0 {
		return errNoKey
	}
	if _, ok := c.transport.(bound); ok && c.named&namedHMAC != 0 {
		return errOwnKey
	}
	return nil
}

func (k *codec) setPeers([]Peer) {}

func (in *inspector) strangers() bool { return false }

var (
	errNoKey  = errors.New("vrrp: WithHMAC without a key")
	errOwnKey = errors.New("vrrp: WithHMAC: the transport signs with its own key already")
)

// MarshalText returns [Checksum.String].
func (c Checksum) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
