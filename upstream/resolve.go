package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Resolver answers one question about one name. A pool asks it for the servers
// that were given with [Resolve] or [Service], while [Pool.Run] runs. [DNS] and
// [NetResolver] are the two that come with the package.
//
// Lookup returns the records of that kind and for how long they hold. A name that
// does not exist, or has no records of that kind, is an error that wraps
// [ErrNoRecords], and ttl is then how long that holds; no records and no error
// mean the same. Every other error is a failure: the pool keeps what it had. The
// name is in lower case, and ends in a dot if that of the server or the target of
// the SRV record did: no search list applies then. Lookup is called from several
// goroutines and must return soon after ctx is done.
type Resolver interface {
	Lookup(ctx context.Context, name string, kind RecordKind) (records []Record, ttl time.Duration, err error)
}

// RecordKind is what a [Resolver] is asked for.
type RecordKind uint8

// The kinds of records that a pool asks for.
const (
	RecordA    RecordKind = iota + 1 // IPv4 addresses
	RecordAAAA                       // IPv6 addresses
	RecordSRV                        // services: RFC 2782
)

// String returns the kind as DNS spells it.
func (k RecordKind) String() string {
	switch k {
	case RecordA:
		return "A"
	case RecordAAAA:
		return "AAAA"
	case RecordSRV:
		return "SRV"
	}
	return "unknown"
}

// Record is one record of an answer.
type Record struct {
	// Addr is the address, for [RecordA] and [RecordAAAA].
	Addr netip.Addr
	// Target, Port, Priority and Weight are those of an SRV record. The target's
	// addresses are asked for by name.
	Target                 string
	Port, Priority, Weight uint16
}

// ErrNoRecords: the name does not exist, or has no records of the kind asked
// for. A [Resolver] wraps it; [Pool.Resolved] and the snapshot show it.
var ErrNoRecords = errors.New("upstream: no such name, or no records of that kind")

// ResolveOption configures how names are resolved; see [WithResolver].
type ResolveOption func(*resolveConfig)

// resolveConfig is what WithResolver was given.
type resolveConfig struct {
	resolver Resolver
	valid    time.Duration
	ttlMin   time.Duration
	ttlMax   time.Duration
	hold     time.Duration
	timeout  time.Duration
	families [2]bool // IPv4, IPv6
	nils     int
}

func defaultResolve() resolveConfig {
	return resolveConfig{
		resolver: new(DNS),
		ttlMin:   time.Second,
		ttlMax:   time.Hour,
		hold:     30 * time.Second,
		timeout:  30 * time.Second,
		families: [2]bool{true, true},
	}
}

// WithResolver sets who resolves the names of servers given with [Resolve] or
// [Service] (nginx: resolver), and how. Default: a [DNS] that asks the system's
// name servers, with the defaults of the options.
//
// An answer holds for its time to live, and is asked for again up to a tenth of
// that later, at random. A lookup that fails is repeated after one second, then
// after twice as long each time, up to 30 s; the last good answer stays, for as
// long as it takes. That there are no records holds for 5 s to 30 s, within the
// bounds of [ResolveTTL], and is believed when it has stood for [ResolveHold].
// The first 256 addresses and the first 64 SRV records of an answer are used.
func WithResolver(r Resolver, opts ...ResolveOption) Option {
	return func(c *config) {
		rc := defaultResolve()
		rc.resolver = r
		for _, o := range opts {
			if o == nil {
				rc.nils++
				continue
			}
			o(&rc)
		}
		c.resolve = rc
	}
}

// ResolveValid overrides the time to live of every answer (nginx: valid); 0 or
// more. Default 0, the answer's own.
func ResolveValid(d time.Duration) ResolveOption { return func(c *resolveConfig) { c.valid = d } }

// ResolveTTL sets the bounds of the answers' times to live; 1 ms <= least <=
// most. Default 1s and 1h. [ResolveValid] is not bounded by it.
func ResolveTTL(least, most time.Duration) ResolveOption {
	return func(c *resolveConfig) { c.ttlMin, c.ttlMax = least, most }
}

// ResolveHold sets for how long the last addresses are kept when the name's
// servers say that there are none (HAProxy: hold nx); 0 or more, 0 drops them at
// once as nginx does. Default 30s. A lookup that fails never drops an address.
func ResolveHold(d time.Duration) ResolveOption { return func(c *resolveConfig) { c.hold = d } }

// ResolveTimeout limits one lookup (nginx: resolver_timeout); more than 0.
// Default 30s.
func ResolveTimeout(d time.Duration) ResolveOption { return func(c *resolveConfig) { c.timeout = d } }

// ResolveIPv4 says whether IPv4 addresses are asked for (nginx: ipv4=off).
// Default true.
func ResolveIPv4(on bool) ResolveOption { return func(c *resolveConfig) { c.families[0] = on } }

// ResolveIPv6 says whether IPv6 addresses are asked for (nginx: ipv6=off).
// Default true.
func ResolveIPv6(on bool) ResolveOption { return func(c *resolveConfig) { c.families[1] = on } }

// validate returns every problem of c.
func (c *resolveConfig) validate(group string) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("upstream: group %q: resolver: %w", group, fmt.Errorf(format, args...)))
	}
	if c.resolver == nil {
		bad("the resolver is nil")
	}
	if c.valid < 0 {
		bad("valid %v is negative", c.valid)
	}
	if c.ttlMin < time.Millisecond || c.ttlMin > c.ttlMax {
		bad("the bounds of the ttl, %v and %v, are not 1ms <= least <= most", c.ttlMin, c.ttlMax)
	}
	if c.hold < 0 {
		bad("hold %v is negative", c.hold)
	}
	if c.timeout <= 0 {
		bad("timeout %v is not positive", c.timeout)
	}
	if c.families == [2]bool{} {
		bad("neither IPv4 nor IPv6 is asked for")
	}
	if c.nils > 0 {
		bad("%d of the options are nil", c.nils)
	}
	return errors.Join(errs...)
}
