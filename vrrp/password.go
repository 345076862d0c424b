package vrrp

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// AuthType is the authentication type of a version 2 advert. RFC 3768 took
// authentication out of the protocol, and kept the field; keepalived still has
// it.
type AuthType uint8

const (
	AuthNone     AuthType = 0 // the authentication data is sent as zero, and ignored
	AuthPassword AuthType = 1 // simple text, keepalived's PASS
	AuthHeader   AuthType = 2 // an IP authentication header, keepalived's AH: read, never sent
)

// String returns "none", "password" or "header".
func (t AuthType) String() string {
	return name([]string{AuthNone: "none", AuthPassword: "password", AuthHeader: "header"}, uint8(t), "AuthType")
}

// Password is the secret of [AuthPassword]: what a version 2 advert carries, in
// clear. It keeps others' routers from joining by mistake, and no attacker out.
// It prints as "password".
type Password [8]byte

// NewPassword returns a password of 1 to 8 bytes, padded with zeros. keepalived
// uses the first 8 bytes of a longer one without a word; here that is an error.
func NewPassword(password string) (Password, error) {
	var p Password
	if len(password) < 1 || len(password) > len(p) {
		return p, fmt.Errorf("vrrp: the password has %d bytes, outside 1..%d", len(password), len(p))
	}
	copy(p[:], password)
	return p, nil
}

// is compares in constant time with the authentication data of an advert.
func (p *Password) is(data []byte) bool { return subtle.ConstantTimeCompare(p[:], data) == 1 }

// String returns "password", never the secret.
func (p Password) String() string { return "password" }

// GoString keeps the secret out of %#v.
func (p Password) GoString() string { return p.String() }

// Format keeps the secret out of every other verb.
func (p Password) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// LogValue keeps the secret out of logs.
func (p Password) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText keeps the secret out of documents.
func (p Password) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
