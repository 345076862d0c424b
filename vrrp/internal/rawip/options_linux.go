package rawip

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// priority is that of network control, the highest that needs no privilege.
const priority = 6

// ReceiveBuffer is SO_RCVBUF in bytes, which the kernel doubles: room for about
// two thousand adverts, each of which it charges with the memory of its frame.
const ReceiveBuffer = 1 << 20

// option is a socket option.
type option struct {
	text        string
	level, name int
	value       int
	optional    bool // newer than the oldest kernel
}

// options lists what makes a socket carry VRRP. The kernel checks no checksum of
// a protocol that it does not know, so that wrong ones can be counted.
func (s *Socket) options() []option {
	shared := []option{
		{"SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1, false},
	}
	if s.config.Family == 6 {
		const level = unix.IPPROTO_IPV6
		return append(shared, []option{
			{"IPV6_UNICAST_HOPS", level, unix.IPV6_UNICAST_HOPS, hops, false},
			{"IPV6_MULTICAST_HOPS", level, unix.IPV6_MULTICAST_HOPS, hops, false},
			{"IPV6_MULTICAST_IF", level, unix.IPV6_MULTICAST_IF, s.index, false},
			{"IPV6_MULTICAST_LOOP", level, unix.IPV6_MULTICAST_LOOP, 0, false},
			{"IPV6_MULTICAST_ALL", level, unix.IPV6_MULTICAST_ALL, 0, true}, // Linux 4.20
			{"IPV6_TCLASS", level, unix.IPV6_TCLASS, class, false},
			{"IPV6_MTU_DISCOVER", level, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT, false},
			{"IPV6_RECVHOPLIMIT", level, unix.IPV6_RECVHOPLIMIT, 1, false},
			{"IPV6_RECVPKTINFO", level, unix.IPV6_RECVPKTINFO, 1, false},
			{"SO_PRIORITY", unix.SOL_SOCKET, unix.SO_PRIORITY, priority, false},
		}...)
	}
	const level = unix.IPPROTO_IP
	return append(shared, []option{
		{"IP_TTL", level, unix.IP_TTL, hops, false},
		{"IP_MULTICAST_TTL", level, unix.IP_MULTICAST_TTL, hops, false},
		{"IP_MULTICAST_LOOP", level, unix.IP_MULTICAST_LOOP, 0, false},
		{"IP_MULTICAST_ALL", level, unix.IP_MULTICAST_ALL, 0, false},
		{"IP_TOS", level, unix.IP_TOS, class, false},
		{"IP_MTU_DISCOVER", level, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT, false}, // no DF, as keepalived
		{"SO_PRIORITY", unix.SOL_SOCKET, unix.SO_PRIORITY, priority, false},            // after IP_TOS, which sets it too
	}...)
}

// bind binds the socket to the interface.
func (s *Socket) bind(fd int) error {
	name := s.config.Interface
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("interface %q: %w", name, unix.ENODEV) // no name of an interface is that long
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return fmt.Errorf("interface %q: %w", name, os.NewSyscallError("ioctl SIOCGIFINDEX", err))
	}
	s.index = int(ifr.Uint32())
	if err := unix.BindToDevice(fd, name); err != nil {
		return fmt.Errorf("interface %q: %w", name, os.NewSyscallError("setsockopt SO_BINDTODEVICE", err))
	}
	return nil
}

// hardwareType is the ARPHRD number of an interface.
func hardwareType(fd int, name string) (uint16, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return 0, fmt.Errorf("interface %q: %w", name, os.NewSyscallError("ioctl SIOCGIFHWADDR", err))
	}
	return ifr.Uint16(), nil
}

// enlarge makes the receive buffer as large as it may.
func enlarge(fd int) {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, ReceiveBuffer) // CAP_NET_ADMIN
	if errors.Is(err, unix.EPERM) {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, ReceiveBuffer) // up to net.core.rmem_max
	}
}

// join joins the group.
func (s *Socket) join(fd int) (err error) {
	group := s.config.Group
	switch {
	case !group.IsValid():
		return nil
	case group.Is4():
		out := &unix.IPMreqn{Ifindex: int32(s.index)}
		if err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, out); err == nil {
			err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
				&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(s.index)})
		}
	default:
		err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(s.index)})
	}
	if err != nil {
		return fmt.Errorf("joining %v on interface %q: %w", group, s.config.Interface, os.NewSyscallError("setsockopt", err))
	}
	return nil
}
