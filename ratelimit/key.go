package ratelimit

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

// Key is what a zone can count by: an address, a text, its bytes, or a number.
//
// An empty text, empty bytes and the zero [netip.Addr] are no key: what has none is not limited, as in nginx. Every
// number is a key. An IPv4 address counts the same whether mapped into IPv6 or not; the zone of a scoped IPv6 address
// does not count. A text and the same bytes are the same key only within one zone type.
type Key interface {
	netip.Addr | string | []byte | uint64
}

// hasher makes 64-bit fingerprints of keys under a secret seed of its own, so that nobody outside can aim keys at one
// place of the table.
type hasher struct {
	a, b, c, d uint64
	seed       maphash.Seed
	mask4      uint64    // over an IPv4 address
	mask6      [2]uint64 // over both halves of an IPv6 address
}

func newHasher(prefix4, prefix6 int) hasher {
	return hasher{
		a: rand.Uint64(), b: rand.Uint64(), c: rand.Uint64(), d: rand.Uint64(),
		seed:  maphash.MakeSeed(),
		mask4: uint64(^uint32(0) << (32 - prefix4)),
		mask6: [2]uint64{^uint64(0) << (64 - min(prefix6, 64)), ^uint64(0) << (128 - max(prefix6, 64))},
	}
}

// mix spreads two words over one: the halves of a 128-bit product, added without carry.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// nonzero keeps the fingerprint 0 for an empty slot.
func nonzero(h uint64) uint64 { return max(h, 1) }

func (s *hasher) pair(hi, lo uint64) uint64 {
	return nonzero(mix(mix(hi^s.a, lo^s.b)^s.c, s.d^lo))
}

const (
	mapped    = 0xffff      // ::ffff:0:0/96, above the IPv4 address
	linkLocal = 0xfe80 >> 6 // fe80::/10, in the high ten bits
)

// addr returns the fingerprint of the address's prefix. A link-local address stands for itself: its prefix is the whole
// link's.
func (s *hasher) addr(a netip.Addr) (uint64, bool) {
	if a.Is4() {
		b := a.As4()
		return s.ipv4(uint64(binary.BigEndian.Uint32(b[:]))), true
	}
	b := a.As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	if hi == 0 && lo>>32 == mapped {
		return s.ipv4(lo), true
	}
	if hi>>(64-10) != linkLocal {
		hi, lo = hi&s.mask6[0], lo&s.mask6[1]
	}
	return s.pair(hi, lo), a.IsValid()
}

// ipv4 takes the address in the low 32 bits.
func (s *hasher) ipv4(a uint64) uint64 { return s.pair(0, mapped<<32|a&s.mask4) }

func (s *hasher) text(t string) (uint64, bool) { return nonzero(maphash.String(s.seed, t)), t != "" }
func (s *hasher) bytes(b []byte) (uint64, bool) {
	return nonzero(maphash.Bytes(s.seed, b)), len(b) != 0
}
func (s *hasher) number(n uint64) (uint64, bool) { return s.pair(n, ^n), true }

// fingerprint returns the key's fingerprint, and whether it is a key at all.
func fingerprint[K Key](s *hasher, key K) (uint64, bool) {
	switch key := any(key).(type) {
	case netip.Addr:
		return s.addr(key)
	case string:
		return s.text(key)
	case []byte:
		return s.bytes(key)
	case uint64:
		return s.number(key)
	}
	return 0, false
}

// bind joins a key function with the hash for its type, chosen once.
func bind[R any, K Key](s *hasher, key func(R) (K, bool)) func(R) (uint64, bool) {
	switch key := any(key).(type) {
	case func(R) (netip.Addr, bool):
		return func(r R) (uint64, bool) {
			k, ok := key(r)
			if !ok {
				return 0, false
			}
			return s.addr(k)
		}
	case func(R) (string, bool):
		return func(r R) (uint64, bool) {
			k, ok := key(r)
			if !ok {
				return 0, false
			}
			return s.text(k)
		}
	case func(R) ([]byte, bool):
		return func(r R) (uint64, bool) {
			k, ok := key(r)
			if !ok {
				return 0, false
			}
			return s.bytes(k)
		}
	case func(R) (uint64, bool):
		return func(r R) (uint64, bool) {
			k, ok := key(r)
			if !ok {
				return 0, false
			}
			return s.number(k)
		}
	}
	return nil
}
