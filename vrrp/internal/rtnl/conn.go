package rtnl

import (
	"net"
	"net/netip"
	"time"
)

// NewAddr is an address to install. An IPv6 address is installed without
// duplicate address detection (IFA_F_NODAD), an IPv4 one without a broadcast
// address of its own: the kernel derives that of the subnet from the prefix.
type NewAddr struct {
	Index         int // of the link
	Prefix        netip.Prefix
	Label         string        // IPv4: IFA_LABEL; empty: the name of the link
	Protocol      uint8         // IFA_PROTO
	NoPrefixRoute bool          // IFA_F_NOPREFIXROUTE: no route to the subnet
	Metric        uint32        // IFA_RT_PRIORITY: of the route to the subnet; 0: the kernel's choice
	Lifetime      time.Duration // in whole seconds, after which the kernel removes it; 0: never
	Deprecated    bool          // no source for connections that do not ask for it
}

// Macvlan is a link to create on another one.
type Macvlan struct {
	Name   string
	Parent int // index
	MAC    net.HardwareAddr
	Alias  string
}

// Conf is an IPv4 setting of a link, as in /proc/sys/net/ipv4/conf/LINK.
type Conf int

// The numbers are those of the kernel, IPV4_DEVCONF_*.
const (
	RPFilter           Conf = 8
	ARPAnnounce        Conf = 18
	ARPIgnore          Conf = 19
	PromoteSecondaries Conf = 20
)
