package vrrp

import (
	"errors"
	"net/netip"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// addressHost is what a Netlink asks of the system. The errors of changes wrap
// the errno.
type addressHost interface {
	Probe() (protocols bool, err error)
	State() *rtnl.State
	Resyncs() uint64
	Links() ([]rtnl.Link, error)
	Addrs(index int) ([]rtnl.Addr, error)
	AddAddr(rtnl.NewAddr) error
	ReplaceAddr(rtnl.NewAddr) error
	DelAddr(index int, p netip.Prefix) error
	AddMacvlan(rtnl.Macvlan) (index int, err error)
	DelLink(index int) error
	SetUp(index int, up bool) error
	Conf(index int, settings ...rtnl.Conf) (map[rtnl.Conf]uint32, error)
	SetConf(index int, values map[rtnl.Conf]uint32) error
	SetIPv6Conf(link, setting, value string) error
	Close() error
}

// rtnlHost is the addressHost of the kernel: two sockets, a directory, and a
// goroutine.
type rtnlHost struct {
	*rtnl.Conn
	watcher *rtnl.Watcher
	ipv6    *rtnl.IPv6Conf
	noIPv6  error // why ipv6 is nil
}

// dialHost opens the kernel's side in the calling goroutine. changed is called
// by a goroutine of its own, after every change of a link or address.
func dialHost(changed func()) (addressHost, error) {
	conn, err := rtnl.Dial()
	if err != nil {
		return nil, err
	}
	watcher, err := conn.Watch(func(*rtnl.State) { changed() })
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	h := &rtnlHost{Conn: conn, watcher: watcher}
	h.ipv6, h.noIPv6 = rtnl.OpenIPv6Conf()
	return h, nil
}

func (h *rtnlHost) State() *rtnl.State { return h.watcher.State() }
func (h *rtnlHost) Resyncs() uint64    { return h.watcher.Resyncs() }

func (h *rtnlHost) SetIPv6Conf(link, setting, value string) error {
	if h.ipv6 == nil {
		return h.noIPv6
	}
	return h.ipv6.Set(link, setting, value)
}

func (h *rtnlHost) Close() error {
	err := errors.Join(h.watcher.Close(), h.Conn.Close())
	if h.ipv6 != nil {
		err = errors.Join(err, h.ipv6.Close())
	}
	return err
}
