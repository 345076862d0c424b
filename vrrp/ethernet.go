package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/mainstay-ha/mainstay/internal/option"
	"github.com/mainstay-ha/mainstay/vrrp/internal/ethernet"
)

// Ethernet is an [Announcer] that sends gratuitous ARP and unsolicited neighbour
// advertisements on one interface, and reports other hosts that hold an address
// too. Any number of routers may share it. Linux only; it needs CAP_NET_RAW.
//
// Frames come from the MAC that the interface has at that moment, or with
// [WithVirtualMAC] from the virtual one. An interface that is deleted and made
// again is found by its name; the transport's [AddressManager] and link watch
// see to the rest.
//
// # Conflicts
//
// While a router announces, an ARP packet or a neighbour advertisement by
// another MAC for one of its addresses is reported as [AddressConflict], with
// the MAC in its Err: after a second, unless the router has given the addresses
// up by then; not in the first three seconds, in which the old owner may still
// hold them; and once a minute for each address. With an announcement that comes
// later than these three seconds, and at most every 30 s, goes a question who
// else has the address: an ARP probe, or a neighbour solicitation. A conflict is
// news, not a fault: the router stays Active.
//
// A socket filter passes nothing but such claims, so that no flood of them
// wakes the process, and nothing at all wakes that of a Backup. For more than
// 256 addresses of one family, every ARP packet or neighbour advertisement does.
//
// # Cost
//
// One AF_PACKET socket; for IPv4 one more with a goroutine, which sees nothing
// but ARP; for IPv6 an ICMPv6 socket with a goroutine, which sees nothing but
// neighbour advertisements. They exist while a router runs.
type Ethernet struct {
	config ethernet.Config

	mu    sync.Mutex // guards port and users
	port  *ethernet.Port
	users int
}

var _ Announcer = (*Ethernet)(nil)

// EthernetOption configures an [Ethernet].
type EthernetOption func(*ethernet.Config)

// EthernetAnnouncer returns an announcer for an interface. Nothing is opened
// before [Router.Run]. That fails where the interface does not exist (its error
// wraps ENODEV) or has no Ethernet neighbours, as lo (errors.ErrUnsupported), and
// without privilege (EPERM; it names the capability).
func EthernetAnnouncer(iface string, opts ...EthernetOption) (*Ethernet, error) {
	c := ethernet.Config{Interface: iface, Pace: ethernet.Patient}
	err := option.Apply(&c, opts)
	if iface == "" {
		err = errors.Join(err, errors.New("an interface is needed"))
	}
	if err != nil {
		return nil, fmt.Errorf("vrrp: Ethernet announcer: %w", err)
	}
	return &Ethernet{config: c}, nil
}

// GratuitousReply makes each gratuitous ARP request be followed by one in the
// form of a reply, for neighbours that learn from replies only. Default: not sent.
func GratuitousReply() EthernetOption {
	return func(c *ethernet.Config) { c.Replies = true }
}

// RouterFlag sets the router flag of neighbour advertisements. Default: whether
// the interface forwards IPv6 when the first router opens the announcer, which is
// what the kernel answers too, and what keepalived sends. RFC 9568 section 6.4.1
// sets it always.
func RouterFlag(on bool) EthernetOption {
	return func(c *ethernet.Config) {
		c.Router = ethernet.RouterNo
		if on {
			c.Router = ethernet.RouterYes
		}
	}
}

// Open joins one router; see [Announcer].
func (e *Ethernet) Open(_ context.Context, vr VirtualRouter, vips []netip.Prefix, events func(AddressEvent)) (Announcements, error) {
	var mac ethernet.MAC
	if vr.VirtualMAC {
		mac = ethernet.MAC(vr.MAC())
	}
	addrs := addrsOf(vips)
	families := ethernet.Families{
		IPv4: vr.Family == IPv4 || slices.ContainsFunc(addrs, netip.Addr.Is4),
		IPv6: vr.Family == IPv6 || slices.ContainsFunc(addrs, netip.Addr.Is6),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.port == nil {
		c := e.config
		c.Absent = vr.Dynamic
		port, err := ethernet.Open(c)
		if err != nil {
			return nil, fmt.Errorf("Ethernet announcer: %w", err)
		}
		e.port = port
	}
	member, err := e.port.Join(mac, families, func(c ethernet.Conflict) {
		by := "a neighbour that does not tell its MAC"
		if c.MAC != (ethernet.MAC{}) {
			by = c.MAC.String()
		}
		events(AddressEvent{Kind: AddressConflict, Addr: c.Addr, Err: fmt.Errorf("%v is also claimed by %s on %s", c.Addr, by, e.config.Interface)})
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("Ethernet announcer: %w", err), e.lockedClose())
	}
	e.users++
	return &ethernetMember{Member: member, of: e}, nil
}

// lockedClose closes the port if nobody uses it; e.mu is held.
func (e *Ethernet) lockedClose() error {
	if e.users > 0 {
		return nil
	}
	port := e.port
	e.port = nil
	return port.Close()
}

// ethernetMember is one router's share of an Ethernet.
type ethernetMember struct {
	*ethernet.Member
	of      *Ethernet
	closing sync.Once
}

// Close leaves, and closes the sockets with the last router. Idempotent.
func (m *ethernetMember) Close() (err error) {
	m.closing.Do(func() {
		m.Member.Close()
		m.of.mu.Lock()
		defer m.of.mu.Unlock()
		m.of.users--
		err = m.of.lockedClose()
	})
	return err
}
