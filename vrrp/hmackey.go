package vrrp

import (
	"fmt"
	"log/slog"
	"strconv"
)

// HMACKey is a shared secret with a number, for [UDPTransport] and [WithHMAC].
// It prints as its number only.
type HMACKey struct {
	id     uint8
	secret string
}

// NewHMACKey returns a key. id is 1..255 and travels with every advert; secret
// is 32 to 64 bytes, must come from a random source, and is copied.
func NewHMACKey(id uint8, secret []byte) (HMACKey, error) {
	switch {
	case id == 0:
		return HMACKey{}, fmt.Errorf("vrrp: HMAC key id 0 is outside 1..255")
	case len(secret) < 32 || len(secret) > 64:
		return HMACKey{}, fmt.Errorf("vrrp: HMAC key %d has %d bytes, outside 32..64", id, len(secret))
	}
	return HMACKey{id, string(secret)}, nil
}

// ID returns the number of the key; 0 for the zero HMACKey, which is no key.
func (k HMACKey) ID() uint8 { return k.id }

// String returns the number, never the secret.
func (k HMACKey) String() string { return "hmac-key-" + strconv.Itoa(int(k.id)) }

// GoString keeps the secret out of %#v.
func (k HMACKey) GoString() string { return k.String() }

// Format keeps the secret out of every other verb.
func (k HMACKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue keeps the secret out of logs.
func (k HMACKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText keeps the secret out of documents.
func (k HMACKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
