package vrrp

// dialect is the part of the configuration that only the codec reads.
type dialect struct {
	password string
	checksum Checksum
}

// WithVersion sets the version of the protocol, 2 (RFC 3768, IPv4) or 3 (RFC
// 9568), default 3. All speakers must agree.
func WithVersion(version int) Option {
	return func(c *config) { c.version, c.named = version, c.named|namedVersion }
}

// WithPassword sets the password of simple text authentication, version 2 only,
// 1 to 8 bytes. It travels in clear: it protects from mistakes, not from
// attackers. Default: none.
func WithPassword(password string) Option {
	return func(c *config) { c.dialect.password, c.named = password, c.named|namedPassword }
}

// WithChecksum sets the form of the IPv4 checksum of version 3 that is sent.
// Both are accepted.
func WithChecksum(form Checksum) Option {
	return func(c *config) { c.dialect.checksum, c.named = form, c.named|namedChecksum }
}
