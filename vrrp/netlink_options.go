package vrrp

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// NetlinkOption configures a [Netlink]; see [NetlinkAddresses].
type NetlinkOption func(*netlinkConfig)

type netlinkConfig struct {
	policy        LossPolicy
	lifetime      time.Duration
	label         string
	protocol      uint8
	noPrefixRoute bool
	sweep         bool
}

// LossPolicy tells what happens when somebody else on this host removes a
// virtual address that is held.
type LossPolicy uint8

const (
	Reinstall LossPolicy = iota // put it back, and tell the neighbours again
	Resign                      // give all addresses up, and let another speaker take over, as keepalived does
	Ignore                      // leave it away, as keepalived's no_track
)

var lossPolicyNames = [...]string{Reinstall: "reinstall", Resign: "resign", Ignore: "ignore"}

// String returns the policy in lower case.
func (p LossPolicy) String() string { return name(lossPolicyNames[:], uint8(p), "LossPolicy") }

// OnLoss sets what happens when a virtual address is removed by somebody else,
// default [Reinstall]. An address that is removed again and again is put back
// at intervals that grow to one second. A failure of duplicate address
// detection counts as a loss, since the kernel does not use such an address.
//
// It is no loss that the kernel drops IPv6 addresses when the interface goes
// down: they come back with it under every policy. If the interface is deleted
// or renamed, the router resigns, unless the policy is [Ignore].
func OnLoss(p LossPolicy) NetlinkOption { return func(c *netlinkConfig) { c.policy = p } }

// AddressLifetime installs addresses with a lifetime, and renews it every third of it,
// so that the kernel removes them when this process dies or is stopped without
// being able to. d is 3s or more, in whole seconds; 0: none, which is the
// default. A process that was held up for longer resigns: somebody else has
// the addresses by then.
func AddressLifetime(d time.Duration) NetlinkOption { return func(c *netlinkConfig) { c.lifetime = d } }

// AddressLabel names IPv4 addresses: AddressLabel("vip") makes the label "eth0:vip" on eth0
// (IFA_LABEL), by which tools list them. Interface and label have at most 15
// bytes together, the colon included. Default: the name of the interface.
func AddressLabel(suffix string) NetlinkOption { return func(c *netlinkConfig) { c.label = suffix } }

// defaultAddressProtocol is the protocol number of VRRP.
const defaultAddressProtocol = 112

// AddressProtocol sets the number by which addresses are known as ours
// (IFA_PROTO, Linux 5.18; "proto" in the output of ip address), 4 to 255, default
// 112. Programs that share an interface need different ones if they sweep. An older
// kernel keeps no number: there, whatever has one of the router's own addresses is
// taken for a leftover at the start, unless the router is the owner (priority 255).
func AddressProtocol(n uint8) NetlinkOption { return func(c *netlinkConfig) { c.protocol = n } }

// AddressNoPrefixRoute installs addresses without a route to their subnet
// (IFA_F_NOPREFIXROUTE), for addresses whose prefix is shorter than /32 or /128.
func AddressNoPrefixRoute() NetlinkOption { return func(c *netlinkConfig) { c.noPrefixRoute = true } }

// SweepLeftovers makes Open remove every address of the interface that carries
// our protocol number and belongs to no router of this Netlink, and every virtual
// MAC interface likewise, not only what belongs to the router that opens. It
// is for a host whose configuration changed after a crash. No other program may
// use the same protocol number on that interface.
func SweepLeftovers() NetlinkOption { return func(c *netlinkConfig) { c.sweep = true } }

// maxInterfaceName is IFNAMSIZ without its NUL; labels have the same limit.
const maxInterfaceName = 15

// netlinkConfigFor applies and validates the options.
func netlinkConfigFor(iface string, opts []NetlinkOption) (netlinkConfig, error) {
	c := netlinkConfig{protocol: defaultAddressProtocol}
	if err := option.Apply(&c, opts); err != nil {
		return c, fmt.Errorf("vrrp: netlink addresses on %q: %w", iface, err)
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("vrrp: netlink addresses on %q: "+format, append([]any{iface}, args...)...))
	}
	if iface == "" || len(iface) > maxInterfaceName || iface == "." || iface == ".." || strings.ContainsAny(iface, "/: \t\n\v\f\r\x00") {
		bad("that is no name of an interface")
	}
	if c.policy > Ignore {
		bad("%v is no policy", c.policy)
	}
	if c.lifetime != 0 && (c.lifetime < 3*time.Second || c.lifetime%time.Second != 0) {
		bad("lifetime %v is not 3s or more in whole seconds", c.lifetime)
	}
	if c.label != "" && (len(iface)+1+len(c.label) > maxInterfaceName || strings.ContainsAny(c.label, ": \t\n\x00")) {
		bad("label %q: with the interface and a colon it has more than %d bytes, or it has a space or a colon", c.label, maxInterfaceName)
	}
	if c.protocol < 4 {
		bad("address protocol %d is outside 4..255", c.protocol)
	}
	return c, errors.Join(errs...)
}
