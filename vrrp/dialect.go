package vrrp

import (
	"errors"
	"fmt"
)

// dialect is the part of the configuration that only the codec reads.
type dialect struct {
	password string
	checksum Checksum
	signing  *signing // nil: not at all
}

// WithVersion sets the version of the protocol, 3 (RFC 9568) or 2 (RFC 3768,
// IPv4 only, intervals of whole seconds up to 255), default 3. All speakers must
// agree, in version 2 on the interval too: another one is dropped.
func WithVersion(version int) Option {
	return func(c *config) { c.version, c.named = version, c.named|namedVersion }
}

// WithPassword sets the password of simple text authentication (keepalived's
// auth_type PASS), version 2 only, 1 to 8 bytes. It travels in clear: it protects
// from mistakes, not from attackers. Default: none, and adverts with one are
// dropped. keepalived cuts a longer password without a word; give its first 8
// bytes here.
func WithPassword(password string) Option {
	return func(c *config) { c.dialect.password, c.named = password, c.named|namedPassword }
}

// WithChecksum sets the form of the checksum that is sent, version 3 over IPv4
// only; elsewhere there is one form, and this changes nothing. Every form is
// accepted. Default: [ChecksumAuto], which follows the advert that was heard
// last, and begins with [PseudoHeader], the form that keepalived and FRR expect.
func WithChecksum(form Checksum) Option {
	return func(c *config) { c.dialect.checksum, c.named = form, c.named|namedChecksum }
}

// checkDialect reports every problem with what the codec reads. A family of 0
// is not known yet.
func (c *config) checkDialect(f Family) error {
	d, errs := &c.dialect, []error{checkVersion(c.version, f)}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("vrrp: "+format, args...)) }
	if c.named&namedPassword != 0 {
		if _, err := NewPassword(d.password); err != nil {
			errs = append(errs, err)
		}
		if c.version == version3 {
			bad("WithPassword: version 3 has no passwords, see WithHMAC")
		}
		if s := c.keys(); s != nil && s.active.id != 0 {
			bad("WithPassword cannot be combined with an HMAC key")
		}
	}
	for _, p := range c.peers {
		if l := newListed(identityOf(p), p); l.minTTL > l.maxTTL {
			bad("unicast peer %v: nothing is between a TTL of %d and one of %d", p.Addr, l.minTTL, l.maxTTL)
		}
	}
	if d.checksum >= checksums {
		bad("WithChecksum: %v is no form of the checksum", d.checksum)
	}
	if c.named&namedHMAC != 0 {
		errs = append(errs, d.signing.validate())
		if _, ok := c.transport.(bound); ok && d.signing.mode != enforce {
			bad("WithHMAC: the transport allows no unsigned advert")
		}
	}
	return errors.Join(errs...)
}

// keys is how adverts are signed: as WithHMAC says, or with the key that the
// transport brings; nil: not at all.
func (c *config) keys() *signing {
	if b, ok := c.transport.(bound); ok && c.dialect.signing == nil {
		return &signing{active: b.hmacKey()}
	}
	return c.dialect.signing
}
