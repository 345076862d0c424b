package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// problems lists what is wrong with one virtual router, each naming flags and values.
func (in *instance) problems() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if in.iface == "" {
		bad("-interface is missing")
	}
	if in.vrid == 0 {
		bad("-vrid is missing")
	}
	if len(in.vips) == 0 {
		bad("-vip is missing: want at least one address")
	}
	for _, p := range in.vips {
		if p.Addr().Is4() != in.vips[0].Addr().Is4() {
			bad("-vip %v beside -vip %v: a virtual router has addresses of one family; make two, in one -group", p, in.vips[0])
			break
		}
	}
	if twice, ok := repeated(in.vips, netip.Prefix.Addr); ok {
		bad("-vip %v is given twice", twice)
	}
	if in.lifetime != 0 && (in.lifetime < 3*time.Second || in.lifetime%time.Second != 0) {
		bad("-lifetime %v: want 3s or more, in whole seconds", in.lifetime)
	}
	for _, t := range in.tracked() {
		if in.priority == 255 && t.weight != 0 {
			bad("-%s %q with -priority 255: an owner's priority never changes; want weight 0", t.flag, t)
		}
	}
	errs = append(errs, in.versionProblems()...)
	return append(errs, in.unicastProblems()...)
}

// versionProblems are those of what one version has and the other has not.
func (in *instance) versionProblems() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if in.version == 2 {
		if in.family() == vrrp.IPv6 {
			bad("-version 2 with -vip %v: version 2 has no IPv6", in.vips[0])
		}
		if in.interval%time.Second != 0 || in.interval > 255*time.Second {
			bad("-interval %v: version 2 wants 1 to 255 whole seconds", in.interval)
		}
	} else {
		if in.interval%(10*time.Millisecond) != 0 || in.interval > 40950*time.Millisecond {
			bad("-interval %v: version 3 wants 10ms to 40.95s in steps of 10ms", in.interval)
		}
		if in.password != "" {
			bad("-password needs -version 2: version 3 has no authentication but -hmac-key")
		}
	}
	if in.family() == vrrp.IPv6 && !in.vips[0].Addr().IsLinkLocalUnicast() {
		bad("-vip %v: the first IPv6 address must be link-local, from fe80::/10", in.vips[0])
	}
	if in.password != "" && len(in.keys) > 0 {
		bad("-password with -hmac-key: want one of them")
	}
	if in.hmacMode != "enforce" && len(in.keys) == 0 {
		bad("-hmac-mode %s without -hmac-key", in.hmacMode)
	}
	if in.checksum != "auto" && (in.version == 2 || in.family() == vrrp.IPv6) {
		bad("-checksum %s: only version 3 over IPv4 has two forms", in.checksum)
	}
	return errs
}

// unicastProblems are those of peers.
func (in *instance) unicastProblems() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if in.source.IsValid() && len(in.peers) == 0 {
		bad("-unicast-src %v without -unicast-peer", in.source)
	}
	if twice, ok := repeated(in.peers, func(p vrrp.Peer) netip.Addr { return p.Addr }); ok {
		bad("-unicast-peer %v is given twice", twice)
	}
	own := func(a netip.Addr) bool {
		return slices.ContainsFunc(in.vips, func(p netip.Prefix) bool { return p.Addr() == a })
	}
	check := func(flag string, a netip.Addr) {
		switch {
		case len(in.vips) > 0 && a.Is4() != in.vips[0].Addr().Is4():
			bad("-%s %v with -vip %v: want one family", flag, a, in.vips[0])
		case own(a):
			bad("-%s %v is a -vip: it moves between the routers", flag, a)
		}
	}
	if in.source.IsValid() {
		check("unicast-src", in.source)
	}
	for _, p := range in.peers {
		check("unicast-peer", p.Addr)
		if p.Addr == in.source {
			bad("-unicast-peer %v is the -unicast-src: want the other routers", p.Addr)
		}
	}
	return errs
}

// together lists what is wrong between the virtual routers of one host.
func together(instances []instance) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	byKey, byName, byVIP := map[key]bool{}, map[string]bool{}, map[any]string{}
	lifetimes := map[string]time.Duration{}
	for i := range instances {
		in := &instances[i]
		if byKey[in.key()] {
			bad("-vrid %d is given twice for %v on -interface %s", in.vrid, in.family(), in.iface)
		} else if byName[in.name] {
			bad("-name %s is given twice", in.name)
		}
		byKey[in.key()], byName[in.name] = true, true
		if other, ok := lifetimes[in.iface]; ok && other != in.lifetime {
			bad("-lifetime %v and %v on -interface %s: want one for all its addresses", other, in.lifetime, in.iface)
		}
		lifetimes[in.iface] = in.lifetime
		for _, p := range in.vips {
			at := struct {
				iface string
				addr  netip.Addr
			}{in.iface, p.Addr()}
			if other, ok := byVIP[at]; ok && other != in.name {
				bad("-vip %v is given to %s and %s", p, other, in.name)
			}
			byVIP[at] = in.name
		}
	}
	return errors.Join(errs...)
}

// repeated finds the first value that stands in a list twice.
func repeated[T any, K comparable](list []T, by func(T) K) (k K, found bool) {
	seen := make(map[K]bool, len(list))
	for _, v := range list {
		if k = by(v); seen[k] {
			return k, true
		}
		seen[k] = true
	}
	return k, false
}
