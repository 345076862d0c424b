package ethernet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Port sends and hears announcements on one interface. Every socket is opened by
// the goroutine that calls Open or Join, since network namespaces belong to
// threads; a recreated interface is bound anew, never opened anew.
type Port struct {
	config  Config
	router  bool
	conn    *packet.Conn
	raw     syscall.RawConn
	running sync.WaitGroup // the watches

	mu     sync.Mutex // guards everything below
	watch4 *watch     // nil: no member announces IPv4
	watch6 *watch
	index  int // of the interface, as last seen
	mac    MAC // likewise
	frame  []byte
	dst    unix.SockaddrLinklayer
}

// Open opens the port of an interface. A missing one is an error that wraps
// ENODEV, unless c.Absent; one without Ethernet neighbours wraps
// errors.ErrUnsupported; a lack of privilege wraps EPERM, and names CAP_NET_RAW.
func Open(c Config) (*Port, error) {
	// Protocol 0 receives nothing. Index 0 is no interface yet.
	conn, err := packet.Listen(&net.Interface{}, packet.Raw, 0, nil)
	if err != nil {
		return nil, openError("packet socket", err)
	}
	p := &Port{config: c, conn: conn}
	if p.raw, err = conn.SyscallConn(); err == nil {
		err = p.lockedRefresh()
	}
	if err != nil && (!c.Absent || !errors.Is(err, unix.ENODEV)) {
		_ = conn.Close()
		return nil, err
	}
	p.router = c.Router == RouterYes || c.Router == RouterAuto && forwards(c.Interface)
	return p, nil
}

// openError says which privilege is missing, if it is that.
func openError(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%s: CAP_NET_RAW is needed: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// forwards reports whether the interface forwards IPv6: net.ipv6.conf.*.forwarding.
func forwards(name string) bool {
	for _, dir := range []string{name, "all"} {
		if b, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + dir + "/forwarding"); err == nil {
			return strings.TrimSpace(string(b)) != "0"
		}
	}
	return false
}

// Close ends the port and waits for its goroutines. Its members are closed already.
func (p *Port) Close() error {
	p.mu.Lock()
	for _, w := range []*watch{p.watch4, p.watch6} {
		if w != nil {
			w.close()
		}
	}
	p.mu.Unlock()
	p.running.Wait()
	if err := p.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// lockedRefresh learns the index and the MAC of the interface; p.mu is held.
func (p *Port) lockedRefresh() (err error) {
	if e := p.raw.Control(func(fd uintptr) { err = p.lockedLook(int(fd)) }); e != nil {
		return e
	}
	return err
}

func (p *Port) lockedLook(fd int) error {
	// The socket is bound: the kernel tells what it is bound to, and nothing
	// once that is gone. The name may belong to another interface by now.
	at, err := boundTo(fd)
	if err != nil {
		return err
	}
	if at.Halen == 0 || !p.named(fd, at.Ifindex) {
		if at, err = p.rebind(fd); err != nil {
			return err
		}
	}
	p.index, p.mac = at.Ifindex, MAC(at.Addr[:6])
	return nil
}

// named reports whether the interface of an index has the name.
func (p *Port) named(fd, index int) bool {
	ifr, err := unix.NewIfreq(p.config.Interface)
	if err != nil {
		return false
	}
	ifr.SetUint32(uint32(index))
	return unix.IoctlIfreq(fd, unix.SIOCGIFNAME, ifr) == nil && ifr.Name() == p.config.Interface
}

// rebind finds the interface by its name.
func (p *Port) rebind(fd int) (*unix.SockaddrLinklayer, error) {
	name := p.config.Interface
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, unix.ENODEV) // no name of an interface is that long
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, os.NewSyscallError("ioctl SIOCGIFINDEX", err))
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: int(ifr.Uint32())}); err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, os.NewSyscallError("bind", err))
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, os.NewSyscallError("ioctl SIOCGIFFLAGS", err))
	}
	at, err := boundTo(fd)
	if err != nil {
		return nil, err
	}
	if flags := ifr.Uint16(); at.Hatype != unix.ARPHRD_ETHER || at.Halen != 6 || flags&(unix.IFF_LOOPBACK|unix.IFF_NOARP) != 0 {
		_ = unix.Bind(fd, &unix.SockaddrLinklayer{})
		return nil, fmt.Errorf("interface %q has no Ethernet neighbours: %w", name, errors.ErrUnsupported)
	}
	return at, nil
}

func boundTo(fd int) (*unix.SockaddrLinklayer, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	return sa.(*unix.SockaddrLinklayer), nil
}

// networkOrder is htons.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}
