package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// bound is a Transport that brings a key and peers, and knows its family.
type bound interface {
	hmacKey() HMACKey
	family() Family
}

var _ bound = (*UDP)(nil)

// validate reports every problem of a new router at once.
func (c *config) validate(vrid uint8, vips []netip.Prefix) error {
	var errs []error
	if vrid == 0 {
		errs = append(errs, errors.New("vrrp: VRID 0 is outside 1..255"))
	}
	if c.named&namedVIPs != 0 {
		errs = append(errs, errors.New("vrrp: WithVIPs is for Router.Update; New takes the addresses itself"))
	}
	return errors.Join(append(errs, c.check(c.familyFor(vips), vips))...)
}

// check reports every problem of a configuration.
func (c *config) check(family Family, vips []netip.Prefix) error {
	errs := c.settings.validate()
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("vrrp: "+format, args...)) }
	if c.named&namedFamily != 0 && c.family != IPv4 && c.family != IPv6 {
		bad("family %v is neither IPv4 nor IPv6", c.family)
	}
	if c.transport == nil {
		bad("a transport is needed, see WithTransport")
	}
	if b, ok := c.transport.(bound); ok {
		if family != 0 && family != b.family() {
			bad("the virtual router is %v, the transport is %v", family, b.family())
		}
		if c.named&namedUnicast != 0 {
			bad("WithUnicast: the transport has its own peers already")
		}
		if c.virtualMAC {
			bad("WithVirtualMAC: the transport has no frames to send it in")
		}
	}
	if _, ok := c.transport.(*Raw); ok && family == 0 {
		bad("a router without addresses needs WithFamily on a raw transport")
	}
	errs = append(errs, checkVIPs(family, vips), c.checkUnicast(family, vips), c.plan.validate(), c.checkDialect(family))
	return errors.Join(errs...)
}

// checkUnicast refuses peers that cannot be spoken with.
func (c *config) checkUnicast(family Family, vips []netip.Prefix) error {
	if c.named&namedUnicast == 0 {
		return nil
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("vrrp: WithUnicast: "+format, args...))
	}
	host := func(what string, a netip.Addr) {
		switch {
		case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a == broadcast4:
			bad("%s %v is not the address of one host", what, a)
		case family != 0 && !family.has(a):
			bad("%s %v is not an %v address", what, a, family)
		}
	}
	if len(c.peers) == 0 {
		bad("at least one peer is needed: adverts are taken from peers only")
	}
	if c.virtualMAC {
		bad("the virtual MAC is for multicast")
	}
	if c.source != (netip.Addr{}) {
		host("source", c.source)
	}
	if c.priority != owner && slices.Contains(addrsOf(vips), c.source) {
		bad("source %v is a virtual address, which other hosts may have", c.source)
	}
	for i, p := range c.peers {
		host("peer", p.Addr)
		switch same := func(o Peer) bool { return o.Addr.WithZone("") == p.Addr.WithZone("") }; {
		case slices.ContainsFunc(c.peers[:i], same):
			bad("peer %v is listed twice", p.Addr)
		case p.Addr.WithZone("") == c.source.WithZone(""):
			bad("peer %v is the source", p.Addr)
		}
	}
	return errors.Join(errs...)
}

func (s *settings) validate() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("vrrp: "+format, args...)) }
	if s.priority == 0 {
		bad("priority 0 is outside 1..255")
	}
	if err := checkInterval(s.version, s.interval); err != nil {
		errs = append(errs, err)
	}
	if s.preemptDelay < 0 {
		bad("preempt delay %v is negative", s.preemptDelay)
	}
	if s.startupDelay < 0 {
		bad("startup delay %v is negative", s.startupDelay)
	}
	if s.adverts < 1 || s.adverts > 100 {
		bad("%d down timer adverts are outside 1..100", s.adverts)
	}
	return errs
}

// familyFor is the family of the router, or 0 if the transport will tell.
func (c *config) familyFor(vips []netip.Prefix) Family {
	if c.family == 0 && len(vips) > 0 {
		return familyOf(vips[0].Addr())
	}
	if b, ok := c.transport.(bound); ok && c.family == 0 {
		return b.family()
	}
	if c.family == 0 && c.version == version2 {
		return IPv4 // the only one it has
	}
	return c.family
}

// checkVIPs refuses addresses that cannot be advertised, and repeated ones.
func checkVIPs(f Family, vips []netip.Prefix) error {
	if len(vips) == 0 {
		return nil
	}
	for _, p := range vips {
		if !p.IsValid() {
			return fmt.Errorf("vrrp: virtual address %v is not an address with a prefix length", p)
		}
	}
	addrs := addrsOf(vips)
	errs := []error{checkAddrs(f, addrs)}
	for i, a := range addrs {
		if slices.Contains(addrs[:i], a) {
			errs = append(errs, fmt.Errorf("vrrp: virtual address %v is listed twice", a))
		}
	}
	return errors.Join(errs...)
}

// addrsOf returns the addresses of prefixes.
func addrsOf(vips []netip.Prefix) []netip.Addr {
	addrs := make([]netip.Addr, len(vips))
	for i, p := range vips {
		addrs[i] = p.Addr()
	}
	return addrs
}
