package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Conn changes and lists links and addresses. Its methods may be called by any
// goroutine; each waits for the kernel's answer, and its error wraps the errno.
// Without CAP_NET_ADMIN changes fail with EPERM.
type Conn struct {
	mu     sync.Mutex // guards socket
	socket *socket
}

// Dial opens a connection in the network namespace of the calling thread.
func Dial() (*Conn, error) {
	s, err := open(0)
	if err != nil {
		return nil, err
	}
	return &Conn{socket: s}, nil
}

// Close closes the connection; calls that wait return net.ErrClosed. Idempotent.
func (c *Conn) Close() error { return c.socket.close() }

// Probe finds out whether changes are allowed, and whether addresses carry a
// protocol (IFA_PROTO, Linux 5.18). It changes nothing: it asks for an address
// on no link, with an attribute that a kernel which knows it must refuse first.
func (c *Conn) Probe() (protocols bool, err error) {
	body := addrHeader(unix.AF_INET, 32, 0)
	attrs := netlink.NewAttributeEncoder()
	attrs.Bytes(unix.IFA_LOCAL, []byte{192, 0, 2, 1})
	attrs.Bytes(ifaProto, nil)
	err = c.change("probe rtnetlink", unix.RTM_NEWADDR, netlink.Create|netlink.Excl, body, attrs)
	switch {
	case errors.Is(err, unix.ENODEV):
		return false, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE):
		return true, nil
	}
	return false, err
}

// change makes one request that is acknowledged.
func (c *Conn) change(what string, typ uint16, flags netlink.HeaderFlags, header []byte, attrs *netlink.AttributeEncoder) error {
	encoded, err := attrs.Encode()
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		err = c.socket.request(typ, flags, append(header, encoded...), nil)
	}
	return failure(what, err)
}

// failure says what failed, and which privilege is missing.
func failure(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w: CAP_NET_ADMIN is needed", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// attempts bounds how often a dump starts again because the list changed.
const attempts = 8

// dump calls each for every message of a list. reset is called before each attempt.
func (c *Conn) dump(what string, typ uint16, body []byte, reset func(), each func(syscall.NetlinkMessage)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	for range attempts {
		reset()
		if err = c.socket.request(typ, netlink.Dump, body, each); !errors.Is(err, errInterrupted) {
			break
		}
	}
	return failure(what, err)
}

// load lists all links and addresses.
func (c *Conn) load() (*table, error) {
	var t table
	fill := func(m syscall.NetlinkMessage) {
		switch m.Header.Type { // nothing is listed twice, so nothing is looked for
		case unix.RTM_NEWLINK:
			var l Link
			if l.parse(m.Data) {
				t.links = append(t.links, l)
			}
		case unix.RTM_NEWADDR:
			if a, ok := parseAddr(m.Data); ok {
				t.addrs = append(t.addrs, a)
			}
		}
	}
	links := linkHeader(0, 0, 0)
	attrs := netlink.NewAttributeEncoder()
	attrs.Uint32(unix.IFLA_EXT_MASK, rtextFilterSkipStats)
	encoded, err := attrs.Encode()
	if err != nil {
		return nil, err
	}
	if err := c.dump("list links", unix.RTM_GETLINK, append(links, encoded...), func() { t.links = nil }, fill); err != nil {
		return nil, err
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		have := len(t.addrs)
		reset := func() { t.addrs = t.addrs[:have] }
		if err := c.dump("list addresses", unix.RTM_GETADDR, addrHeader(family, 0, 0), reset, fill); err != nil {
			return nil, err
		}
	}
	return &t, nil
}

// rtextFilterSkipStats is RTEXT_FILTER_SKIP_STATS, which makes a list of links shorter.
const rtextFilterSkipStats = 1 << 3

// linkHeader is a struct ifinfomsg.
func linkHeader(index int, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

// addrHeader is a struct ifaddrmsg.
func addrHeader(family uint8, bits, index int) []byte {
	b := make([]byte, unix.SizeofIfAddrmsg)
	b[0], b[1] = family, uint8(bits)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	return b
}
