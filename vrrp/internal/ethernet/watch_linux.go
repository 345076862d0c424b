package ethernet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// watch hears who claims addresses of one family. Its socket passes claims to
// addresses that are held, and only while they would be news: in between, and on
// a host that holds none, it sleeps whatever the network sends.
type watch struct {
	port *Port
	conn claims
	done chan struct{} // closed: the port closes

	// Guarded by port.mu.
	conflicts Conflicts
	next      time.Time    // the read deadline; zero: none
	listed    []netip.Addr // what the filter passes

	bound int // index of the interface that conn is bound to; of run
}

// claims is a socket that hears claims of one family.
type claims interface {
	// receive waits for a packet, and returns whether it is a claim.
	receive() (addr netip.Addr, mac MAC, ok bool, err error)
	filter(addrs []netip.Addr) error
	bind(name string, index int) error
	SetReadDeadline(time.Time) error
	Close() error
}

// lockedStart starts the watch of a family; p.mu is held.
func (p *Port) lockedStart(conn claims) *watch {
	w := &watch{port: p, conn: conn, done: make(chan struct{}), conflicts: Conflicts{Pace: p.config.Pace}}
	p.running.Go(w.run)
	return w
}

// close ends run.
func (w *watch) close() {
	close(w.done)
	_ = w.conn.Close()
}

// lockedAnnounce tells the watch what h holds of its family, and returns whether
// to ask who else does; port.mu is held.
func (w *watch) lockedAnnounce(now time.Time, h *Holder, addrs []netip.Addr, family func(netip.Addr) bool) (ask bool) {
	if h == nil {
		return false
	}
	other := func(a netip.Addr) bool { return !family(a) }
	if slices.ContainsFunc(addrs, other) {
		addrs = slices.DeleteFunc(slices.Clone(addrs), other)
	}
	look, ask := w.conflicts.Announce(now, h, addrs)
	w.lockedWake(look)
	return ask
}

// lockedWake makes run look no later than at; port.mu is held.
func (w *watch) lockedWake(at time.Time) {
	if w != nil && !at.IsZero() && (w.next.IsZero() || at.Before(w.next)) {
		w.next = at
		_ = w.conn.SetReadDeadline(at)
	}
}

// pause keeps an error that does not go away from spinning.
const pause = 100 * time.Millisecond

// run waits for claims, and for what time makes of them.
func (w *watch) run() {
	for {
		for _, f := range w.look() {
			f.Holder.Report(f.Conflict)
		}
		addr, mac, ok, err := w.conn.receive()
		switch {
		case err == nil && ok:
			w.port.mu.Lock()
			w.conflicts.Hear(time.Now(), addr, mac, w.port.mac)
			w.port.mu.Unlock()
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, net.ErrClosed):
			return
		default: // the interface went down, which reading has cleared
			select {
			case <-time.After(pause):
			case <-w.done:
				return
			}
		}
	}
}

// look brings the socket up to date, and returns what is certain by now.
func (w *watch) look() []Found {
	now := time.Now()
	w.port.mu.Lock()
	found := w.conflicts.Due(now)
	addrs, next := w.conflicts.Listen(now, nil)
	index, stale := w.port.index, !slices.Equal(addrs, w.listed)
	w.next = next
	_ = w.conn.SetReadDeadline(next)
	w.port.mu.Unlock()

	// The system calls hold up nobody who announces.
	if index != w.bound && w.conn.bind(w.port.config.Interface, index) == nil {
		w.bound = index // an interface that is gone again is another index later
	}
	if stale && w.conn.filter(addrs) == nil {
		w.port.mu.Lock()
		w.listed = addrs
		w.port.mu.Unlock()
	}
	return found
}

// arpConn hears ARP.
type arpConn struct {
	*packet.Conn
	buf [128]byte
}

// listenARP opens a socket that passes nothing yet, on no interface.
func listenARP() (claims, error) {
	none, err := bpf.Assemble(FilterARP(nil))
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(&net.Interface{}, packet.Raw, TypeARP, &packet.Config{Filter: none})
	if err != nil {
		return nil, err
	}
	return &arpConn{Conn: conn}, nil
}

func (c *arpConn) receive() (addr netip.Addr, mac MAC, ok bool, err error) {
	n, _, err := c.ReadFrom(c.buf[:])
	if err != nil || n < HeaderLen {
		return addr, mac, false, err
	}
	addr, mac, ok = ParseARP(c.buf[HeaderLen:n])
	return addr, mac, ok, nil
}

func (c *arpConn) filter(addrs []netip.Addr) error {
	p, err := bpf.Assemble(FilterARP(addrs))
	if err != nil {
		return err
	}
	return c.SetBPF(p)
}

func (c *arpConn) bind(_ string, index int) error {
	return control(c, func(fd int) error {
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(TypeARP), Ifindex: index})
	})
}

// naConn hears neighbour advertisements.
type naConn struct {
	*net.IPConn
	p   *ipv6.PacketConn
	buf [256]byte
}

// listenNA opens a socket that passes nothing yet, on no interface.
func listenNA() (claims, error) {
	var config net.ListenConfig
	conn, err := config.ListenPacket(context.Background(), "ip6:58", "::")
	if err != nil {
		return nil, err
	}
	c := &naConn{IPConn: conn.(*net.IPConn), p: ipv6.NewPacketConn(conn)}
	var kinds ipv6.ICMPFilter
	kinds.SetAll(true)
	kinds.Accept(ipv6.ICMPTypeNeighborAdvertisement)
	if err := errors.Join(
		c.filter(nil),
		c.p.SetICMPFilter(&kinds),
		c.p.SetControlMessage(ipv6.FlagHopLimit, true),
	); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *naConn) receive() (addr netip.Addr, mac MAC, ok bool, err error) {
	n, meta, _, err := c.p.ReadFrom(c.buf[:])
	if err != nil || meta == nil || meta.HopLimit != hops { // RFC 4861 section 7.1.2
		return addr, mac, false, err
	}
	addr, mac, ok = ParseNA(c.buf[:n])
	return addr, mac, ok, nil
}

func (c *naConn) filter(addrs []netip.Addr) error {
	p, err := bpf.Assemble(FilterNA(addrs))
	if err != nil {
		return err
	}
	return c.p.SetBPF(p)
}

func (c *naConn) bind(name string, _ int) error {
	return control(c, func(fd int) error { return unix.BindToDevice(fd, name) })
}

// control calls f with the descriptor of c.
func control(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}
