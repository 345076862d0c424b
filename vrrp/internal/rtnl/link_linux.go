package rtnl

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	macvlanModeBridge     = 4 // MACVLAN_MODE_BRIDGE
	addrGenModeNone       = 1 // IN6_ADDR_GEN_MODE_NONE
	inet6AddrGenMode      = 8 // IFLA_INET6_ADDR_GEN_MODE
	ifAliasSize       int = 256
)

// Links lists the links.
func (c *Conn) Links() ([]Link, error) {
	t, err := c.load()
	if err != nil {
		return nil, err
	}
	return t.links, nil
}

// AddMacvlan creates a macvlan, which is down, has no address, and generates
// none for IPv6. The error wraps EEXIST if the name is taken.
func (c *Conn) AddMacvlan(m Macvlan) (index int, err error) {
	what := fmt.Sprintf("add macvlan %s", m.Name)
	attrs := netlink.NewAttributeEncoder()
	attrs.String(unix.IFLA_IFNAME, m.Name)
	attrs.Uint32(unix.IFLA_LINK, uint32(m.Parent))
	attrs.Bytes(unix.IFLA_ADDRESS, m.MAC)
	attrs.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
		info.String(unix.IFLA_INFO_KIND, "macvlan")
		info.Nested(unix.IFLA_INFO_DATA, func(data *netlink.AttributeEncoder) error {
			// In the modes private and passthru, a frame from another host
			// with the same MAC reaches the macvlan and not its parent: an
			// Active router would never hear a second one.
			data.Uint32(unix.IFLA_MACVLAN_MODE, macvlanModeBridge)
			return nil
		})
		return nil
	})
	if err := c.change(what, unix.RTM_NEWLINK, netlink.Create|netlink.Excl, linkHeader(0, 0, 0), attrs); err != nil {
		return 0, err
	}
	l, err := c.linkByName(m.Name)
	if err != nil {
		return 0, failure(what, err)
	}
	attrs = netlink.NewAttributeEncoder()
	attrs.String(unix.IFLA_IFALIAS, m.Alias[:min(len(m.Alias), ifAliasSize-1)])
	attrs.Nested(unix.IFLA_AF_SPEC, func(spec *netlink.AttributeEncoder) error {
		spec.Nested(unix.AF_INET6, func(inet6 *netlink.AttributeEncoder) error {
			inet6.Uint8(inet6AddrGenMode, addrGenModeNone)
			return nil
		})
		return nil
	})
	if err := c.change(what, unix.RTM_SETLINK, 0, linkHeader(l.Index, 0, 0), attrs); err != nil {
		_ = c.DelLink(l.Index)
		return 0, err
	}
	return l.Index, nil
}

func (c *Conn) linkByName(name string) (l Link, err error) {
	attrs := netlink.NewAttributeEncoder()
	attrs.String(unix.IFLA_IFNAME, name)
	encoded, err := attrs.Encode()
	if err != nil {
		return l, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = c.socket.request(unix.RTM_GETLINK, 0, append(linkHeader(0, 0, 0), encoded...), func(m syscall.NetlinkMessage) {
		l.parse(m.Data)
	})
	return l, err
}

// DelLink deletes a link. The error wraps ENODEV if there is none.
func (c *Conn) DelLink(index int) error {
	return c.change(fmt.Sprintf("delete link %d", index), unix.RTM_DELLINK, 0, linkHeader(index, 0, 0), netlink.NewAttributeEncoder())
}

// SetUp sets a link up or down.
func (c *Conn) SetUp(index int, up bool) error {
	flags, word := uint32(0), "down"
	if up {
		flags, word = unix.IFF_UP, "up"
	}
	return c.change(fmt.Sprintf("set link %d %s", index, word), unix.RTM_SETLINK, 0, linkHeader(index, flags, unix.IFF_UP), netlink.NewAttributeEncoder())
}

// Conf reads IPv4 settings of a link.
func (c *Conn) Conf(index int, settings ...Conf) (map[Conf]uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	values := make(map[Conf]uint32, len(settings))
	err := c.socket.request(unix.RTM_GETLINK, 0, linkHeader(index, 0, 0), func(m syscall.NetlinkMessage) {
		all := devconf(m.Data)
		for _, s := range settings {
			if at := 4 * (int(s) - 1); at+4 <= len(all) {
				values[s] = binary.NativeEndian.Uint32(all[at:])
			}
		}
	})
	return values, failure(fmt.Sprintf("read settings of link %d", index), err)
}

// devconf finds IFLA_INET_CONF, an array of the settings from number 1 on.
func devconf(data []byte) (all []byte) {
	if len(data) < unix.SizeofIfInfomsg {
		return nil
	}
	attrs, err := netlink.NewAttributeDecoder(data[unix.SizeofIfInfomsg:])
	if err != nil {
		return nil
	}
	for attrs.Next() {
		if attrs.Type() != unix.IFLA_AF_SPEC {
			continue
		}
		attrs.Nested(func(spec *netlink.AttributeDecoder) error {
			for spec.Next() {
				if spec.Type() != unix.AF_INET {
					continue
				}
				spec.Nested(func(inet *netlink.AttributeDecoder) error {
					for inet.Next() {
						if inet.Type() == unix.IFLA_INET_CONF {
							all = inet.Bytes()
						}
					}
					return nil
				})
			}
			return nil
		})
	}
	return all
}

// SetConf changes IPv4 settings of a link. Unlike the files under /proc/sys,
// which may be read-only, it belongs to the network namespace of the Conn.
func (c *Conn) SetConf(index int, values map[Conf]uint32) error {
	attrs := netlink.NewAttributeEncoder()
	attrs.Nested(unix.IFLA_AF_SPEC, func(spec *netlink.AttributeEncoder) error {
		spec.Nested(unix.AF_INET, func(inet *netlink.AttributeEncoder) error {
			inet.Nested(unix.IFLA_INET_CONF, func(conf *netlink.AttributeEncoder) error {
				for s, v := range values {
					conf.Uint32(uint16(s), v)
				}
				return nil
			})
			return nil
		})
		return nil
	})
	return c.change(fmt.Sprintf("change settings of link %d", index), unix.RTM_SETLINK, 0, linkHeader(index, 0, 0), attrs)
}
