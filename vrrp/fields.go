package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// The interval travels as 12 bits of centiseconds in version 3, as 8 bits of
// seconds in version 2.
const (
	centisecond  = 10 * time.Millisecond
	minInterval  = centisecond
	maxInterval  = 4095 * centisecond
	maxInterval2 = 255 * time.Second
)

// validate reports every field that cannot be sent.
func (a *Advert) validate(src, dst netip.Addr) error {
	f := familyOf(src)
	if !f.has(src) || !f.has(dst) {
		return fmt.Errorf("vrrp: advert from %v to %v: not two addresses of one family", src, dst)
	}
	version := int(a.version())
	return errors.Join(checkVersion(version, f), a.checkVRID(), checkInterval(version, a.Interval), checkAddrs(f, a.Addrs), a.checkAuth(), a.checkForm())
}

func (a *Advert) checkVRID() error {
	if a.VRID == 0 {
		return errors.New("vrrp: advert: VRID 0 is outside 1..255")
	}
	return nil
}

func (a *Advert) checkForm() error {
	if a.Checksum >= checksums {
		return fmt.Errorf("vrrp: advert: %v is no form of the checksum", a.Checksum)
	}
	return nil
}

// checkAuth refuses what cannot be sent as authentication.
func (a *Advert) checkAuth() error {
	switch {
	case a.Auth == AuthNone:
		return nil
	case a.version() != version2:
		return fmt.Errorf("vrrp: advert: version %d has no authentication type, this is %v", a.version(), a.Auth)
	case a.Auth != AuthPassword:
		return fmt.Errorf("vrrp: advert: authentication by %v is read, not sent", a.Auth)
	}
	return nil
}

// checkVersion refuses versions that do not exist, and version 2 over IPv6. A
// family of 0 is not known yet.
func checkVersion(version int, f Family) error {
	switch {
	case version != version2 && version != version3:
		return fmt.Errorf("vrrp: version %d is neither 2 nor 3", version)
	case version == version2 && f == IPv6:
		return errors.New("vrrp: version 2 is for IPv4 only")
	}
	return nil
}

// checkInterval refuses what the version cannot carry. A version that does not
// exist is somebody else's complaint.
func checkInterval(version int, d time.Duration) error {
	least, most, step, unit := minInterval, maxInterval, centisecond, "centiseconds (10ms)"
	if version == version2 {
		least, most, step, unit = time.Second, maxInterval2, time.Second, "seconds"
	} else {
		version = version3
	}
	switch {
	case d < least || d > most:
		return fmt.Errorf("vrrp: interval %v is outside %v..%v, which version %d can carry", d, least, most, version)
	case d%step != 0:
		return fmt.Errorf("vrrp: interval %v is not in whole %s, which version %d carries", d, unit, version)
	}
	return nil
}

// checkAddrs refuses lists that an advert of the family cannot carry.
func checkAddrs(f Family, addrs []netip.Addr) error {
	if len(addrs) > maxAddrs {
		return fmt.Errorf("vrrp: %d virtual addresses, an advert carries %d", len(addrs), maxAddrs)
	}
	var errs []error
	for _, a := range addrs {
		switch {
		case !f.has(a):
			errs = append(errs, fmt.Errorf("vrrp: virtual address %v is not an %v address", a, f))
		case a.Zone() != "":
			errs = append(errs, fmt.Errorf("vrrp: virtual address %v has a zone, an advert carries none", a))
		case a.IsUnspecified() || a.IsMulticast():
			errs = append(errs, fmt.Errorf("vrrp: virtual address %v is not the address of a host", a))
		}
	}
	if f == IPv6 && len(addrs) > 0 && f.has(addrs[0]) && !addrs[0].IsLinkLocalUnicast() {
		errs = append(errs, fmt.Errorf("vrrp: the first IPv6 virtual address is %v, RFC 9568 wants a link-local one there", addrs[0]))
	}
	return errors.Join(errs...)
}

// familyOf returns the family that an address has on the wire.
func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// has reports whether a can be written in the family's form.
func (f Family) has(a netip.Addr) bool {
	if f == IPv4 {
		return a.Is4()
	}
	return a.Is6() && !a.Is4In6()
}

// addrLen is the length of one address of the family.
func (f Family) addrLen() int {
	if f == IPv4 {
		return 4
	}
	return 16
}
