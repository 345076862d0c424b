package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
	afpacket "github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// allProtocols is ETH_P_ALL: with it a socket sees what this host sends too.
const allProtocols = 0x0003

// lookAgain is how long after an interface has gone down to see whether it still exists.
const lookAgain = time.Second

// listen is Listen for messages that are not read yet. They are copies.
func listen(ctx context.Context, iface string, f func(msg []byte, src, dst netip.Addr, ttl uint8, ah bool)) error {
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return errors.Join(err, unix.ENODEV)
	}
	filter, err := bpf.Assemble(rawip.FilterPackets())
	if err != nil {
		return err
	}
	// Without link header, and so of every kind of link.
	conn, err := afpacket.Listen(ifi, afpacket.Datagram, allProtocols, &afpacket.Config{Filter: filter})
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("CAP_NET_RAW is needed: %w", err)
	} else if err != nil {
		return err
	}
	defer conn.Close()
	leave, err := join(ifi.Index)
	if err != nil {
		return err
	}
	defer leave()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	buf := make([]byte, 1<<16)
	for {
		n, _, err := conn.ReadFrom(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			if d, ok := rawip.ParsePacket(buf[:n]); ok {
				f(slices.Clone(d.Data), d.Src, d.Dst, d.TTL, d.AH)
			}
			continue
		case errors.Is(err, unix.ENETDOWN), errors.Is(err, os.ErrDeadlineExceeded):
		default:
			return err
		}
		// The interface has gone down, which is told once, and is perhaps on its
		// way out.
		now, err := net.InterfaceByIndex(ifi.Index)
		if err != nil {
			return errors.Join(err, unix.ENODEV)
		}
		var next time.Time
		if now.Flags&net.FlagUp == 0 {
			next = time.Now().Add(lookAgain)
		}
		_ = conn.SetReadDeadline(next)
		if ctx.Err() != nil {
			return nil // its deadline may have been overwritten
		}
	}
}

// join joins the groups of both families on an interface. It is enough to manage
// one of them: the other may be switched off there.
func join(index int) (leave func(), err error) {
	var fds []int
	leave = func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}
	var errs []error
	for _, group := range groups {
		// A socket without an address receives nothing.
		fd, err := unix.Socket(domain(group), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			fds = append(fds, fd)
			if group.Is4() {
				err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
					&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
			} else {
				err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
					&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)})
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("joining %v: %w", group, err))
		}
	}
	if len(errs) == len(groups) {
		leave()
		return nil, errors.Join(errs...)
	}
	return leave, nil
}

func domain(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
