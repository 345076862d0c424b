package ratelimit

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// Zone counts requests per key against one rate, as nginx's limit_req_zone does, in memory of fixed size: 32 bytes for
// each key of its capacity. It is used through rules: see [On] and [NewChain]. Rules of several chains may share a zone
// and then count together. All methods may be used by many goroutines at once.
//
// A zone never refuses a key for want of room. When a new key finds all its places taken, it takes the one whose key
// has nothing to lose, because it has been idle long enough to be as good as new; without one it displaces the key with
// the least excess, which starts afresh when it comes again. A spray of new keys so displaces itself, and a client far
// over its rate stays known.
type Zone[K Key] struct {
	leaky
}

// NginxZone returns a zone with nginx's integer arithmetic. The rate is nginx's text, such as "10r/s" or "30r/m": see
// [ParseRate]. Errors name the value that is wrong; all are reported.
func NginxZone[K Key](rate string, opts ...ZoneOption) (*Zone[K], error) {
	milli, errRate := parseRate(rate)
	c, err := newZoneConfig[K](opts)
	if err := errors.Join(errRate, err); err != nil {
		return nil, err
	}
	z := &Zone[K]{leaky{rate: milli, name: c.name, base: c.base, hasher: newHasher(c.prefix4, c.prefix6)}}
	z.table = newTable(c.slots(), z.weigh)
	z.aged.Store(never)
	return z, nil
}

// Name returns the zone's name.
func (z *Zone[K]) Name() string { return z.name }

// Limit returns the zone's rate in requests per second, as it is computed with.
func (z *Zone[K]) Limit() Limit { return Limit(z.rate) / 1000 }

// Now returns the zone's time: monotonic nanoseconds since its base.
func (z *Zone[K]) Now() int64 { return int64(time.Since(z.base)) }

// ZoneOption changes a [Zone] or a [ConnZone] at its creation.
type ZoneOption func(*zoneConfig)

type zoneConfig struct {
	name             string
	base             time.Time
	capacity, memory int
	prefix4, prefix6 int

	hasCapacity, hasMemory, hasBase, hasPrefix bool
}

const (
	defaultCapacity = 65_536
	minCapacity     = 32
	maxCapacity     = 1 << 28
	keyBytes        = 2 * slotBytes // at a load of a half
)

// WithName sets the name of the zone in snapshots, metrics and decisions, not empty: default "default".
func WithName(name string) ZoneOption { return func(c *zoneConfig) { c.name = name } }

// WithCapacity sets how many keys the zone is made for: default 65,536, from 32 to 268,435,456. It takes 32 bytes for
// each, at once and for good, and is then half full. It can hold up to twice as many, but past three quarters of that
// a few keys in a hundred displace others.
func WithCapacity(keys int) ZoneOption {
	return func(c *zoneConfig) { c.capacity, c.hasCapacity = keys, true }
}

// WithMemory sets the capacity by the bytes that the zone's table takes, from 1 KiB: one key for each 32.
func WithMemory(bytes int) ZoneOption {
	return func(c *zoneConfig) { c.memory, c.hasMemory = bytes, true }
}

// WithPrefix makes [netip.Addr] keys of one network count together: bits of the prefix for IPv4 (0 to 32, default 32)
// and for IPv6 (0 to 128, default 64, since a /64 is what one client usually owns). Link-local IPv6 addresses always
// count alone. nginx's $binary_remote_addr is WithPrefix(32, 128).
func WithPrefix(ipv4, ipv6 int) ZoneOption {
	return func(c *zoneConfig) { c.prefix4, c.prefix6, c.hasPrefix = ipv4, ipv6, true }
}

// WithBase sets the instant from which the zone counts its time: default the moment of its creation. The rules of one
// chain agree on the time whatever their bases. It matters only to a program that gives decisions a clock of its own:
// then all its zones should have the same base.
func WithBase(t time.Time) ZoneOption { return func(c *zoneConfig) { c.base, c.hasBase = t, true } }

func newZoneConfig[K Key](opts []ZoneOption) (*zoneConfig, error) {
	c := &zoneConfig{name: "default", base: time.Now(), capacity: defaultCapacity, prefix4: 32, prefix6: 64}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("ratelimit: "+format, args...)) }
	if err := option.Apply(c, opts); err != nil {
		bad("zone: %w", err)
	}
	if c.name == "" {
		bad("zone name is empty")
	}
	switch {
	case c.hasCapacity && c.hasMemory:
		bad("zone %q: WithCapacity and WithMemory exclude each other", c.name)
	case c.hasMemory && (c.memory < minCapacity*keyBytes || c.memory/keyBytes > maxCapacity):
		bad("zone %q: memory of %d bytes: must be from %d to %d", c.name, c.memory, minCapacity*keyBytes, int64(maxCapacity)*keyBytes)
	case c.hasMemory:
		c.capacity = c.memory / keyBytes
	case c.capacity < minCapacity || c.capacity > maxCapacity:
		bad("zone %q: capacity of %d keys: must be from %d to %d", c.name, c.capacity, minCapacity, maxCapacity)
	}
	if _, addr := any(*new(K)).(netip.Addr); c.hasPrefix && !addr {
		bad("zone %q: WithPrefix is for zones of netip.Addr", c.name)
	}
	if c.prefix4 < 0 || c.prefix4 > 32 {
		bad("zone %q: IPv4 prefix of %d bits: must be from 0 to 32", c.name, c.prefix4)
	}
	if c.prefix6 < 0 || c.prefix6 > 128 {
		bad("zone %q: IPv6 prefix of %d bits: must be from 0 to 128", c.name, c.prefix6)
	}
	return c, errors.Join(errs...)
}

func (c *zoneConfig) slots() int { return 2 * c.capacity }
