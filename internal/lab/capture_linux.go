package lab

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// capture hears every frame that comes in through a cable, also those that
// Cut drops afterwards.
type capture struct {
	lab  *Lab
	file *os.File
	conn syscall.RawConn
	done chan struct{}

	mu       sync.Mutex    // guards everything below
	cables   map[int]cable // by the index of the port
	frames   []Frame
	buf, oob []byte
}

type cable struct{ host, lan int }

// Frames returns everything that was sent until now. The slice does not change;
// a later call returns a longer one.
func (l *Lab) Frames() []Frame {
	c := l.capture
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.Control(func(fd uintptr) { c.lockedDrain(int(fd)) }) // closed: what was heard before
	return c.frames[:len(c.frames):len(c.frames)]
}

// Mark returns how many frames were captured, for [Lab.Since].
func (l *Lab) Mark() int { return len(l.Frames()) }

// Since returns what was captured after a mark.
func (l *Lab) Since(mark int) []Frame { return l.Frames()[mark:] }

// WaitFrame waits for a frame after the mark, and returns the first one that
// matches.
func (l *Lab) WaitFrame(what string, mark int, match func(Frame) bool) Frame {
	l.t.Helper()
	var found Frame
	l.Wait(what, func() bool {
		for _, f := range l.Since(mark) {
			mark++
			if match(f) {
				found = f
				return true
			}
		}
		return false
	})
	return found
}

// listen opens the capture in the namespace of the bridges.
func (l *Lab) listen() *capture {
	l.t.Helper()
	c := &capture{lab: l, done: make(chan struct{}), buf: make([]byte, 1<<16), oob: make([]byte, 256)}
	l.sw.do(func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			l.t.Logf("lab: capture: %v", os.NewSyscallError("socket", err))
			return
		}
		c.file = os.NewFile(uintptr(fd), "capture")
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)      // as much as the kernel gives
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) // refused in a user namespace
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			l.t.Logf("lab: capture: %v", os.NewSyscallError("setsockopt SO_TIMESTAMPNS", err))
		}
	})
	if c.file == nil {
		l.t.Fatalf("lab: no capture")
	}
	conn, err := c.file.SyscallConn()
	if err != nil {
		l.t.Fatalf("lab: capture: %v", err)
	}
	c.conn = conn
	c.filter(nil)
	c.ports()
	err = c.control(func(fd int) error {
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network byte order
		return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all}))
	})
	if err != nil {
		l.t.Fatalf("lab: capture: %v", err)
	}
	go c.read() // joined by close
	return c
}

// Deafen makes the capture leave out a host's frames, for floods.
func (l *Lab) Deafen(hosts ...*Host) {
	l.t.Helper()
	l.capture.filter(hosts)
}

// filter lets the kernel pass what came in through a cable and is VRRP, ARP or
// a neighbour advertisement.
func (c *capture) filter(without []*Host) {
	c.lab.t.Helper()
	const reject, accept = 0, 1 << 16
	prog := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: reject},
		bpf.LoadExtension{Num: bpf.ExtInterfaceIndex},
	}
	for _, h := range without {
		for lan := range c.lab.config.LANs {
			prog = append(prog,
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(c.lab.index(h.port(lan))), SkipTrue: 1},
				bpf.RetConstant{Val: reject})
		}
	}
	prog = append(prog,
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 10},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 112, SkipTrue: 7},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_AH, SkipTrue: 6, SkipFalse: 5},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IPV6, SkipTrue: 4},
		bpf.LoadAbsolute{Off: 20, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 112, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 54, Size: 1}, // an ICMPv6 type, or chance: Decode looks again
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 136, SkipTrue: 1},
		bpf.RetConstant{Val: reject},
		bpf.RetConstant{Val: accept},
	)
	raw, err := bpf.Assemble(prog)
	if err != nil {
		c.lab.t.Fatalf("lab: capture: filter: %v", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	err = c.control(func(fd int) error {
		return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET,
			unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}))
	})
	if err != nil {
		c.lab.t.Fatalf("lab: capture: %v", err)
	}
}

// ports learns which port is whose.
func (c *capture) ports() {
	c.lab.t.Helper()
	cables := map[int]cable{}
	for _, h := range c.lab.hosts {
		for lan := range c.lab.config.LANs {
			cables[c.lab.index(h.port(lan))] = cable{h.N, lan}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cables = cables
}

// Lost returns how many frames the capture had no room for.
func (l *Lab) Lost() int {
	l.t.Helper()
	var stats *unix.TpacketStats
	err := l.capture.control(func(fd int) (err error) {
		stats, err = unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		return err
	})
	if err != nil {
		l.t.Fatalf("lab: capture: %v", err)
	}
	return int(stats.Drops)
}

// read keeps frames until close.
func (c *capture) read() {
	defer close(c.done)
	for {
		err := c.conn.Read(func(fd uintptr) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.lockedDrain(int(fd))
		})
		if err != nil {
			return // closed
		}
		c.lab.notify()
	}
}

// lockedDrain keeps what has come in, and reports whether anything has. c.mu is
// held.
func (c *capture) lockedDrain(fd int) (any bool) {
	for {
		n, cn, _, from, err := unix.Recvmsg(fd, c.buf, c.oob, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return any
		case err != nil: // ENETDOWN, when a port goes
			continue
		}
		if f, ok := c.lockedTake(c.buf[:n], c.oob[:cn], from); ok {
			c.frames = append(c.frames, f)
			any = true
		}
	}
}

// lockedTake decodes what was received. c.mu is held.
func (c *capture) lockedTake(b, control []byte, from unix.Sockaddr) (Frame, bool) {
	link, ok := from.(*unix.SockaddrLinklayer)
	if !ok {
		return Frame{}, false
	}
	cable, ok := c.cables[link.Ifindex]
	if !ok {
		return Frame{}, false // a bridge, which has it from a port
	}
	f := Decode(b)
	f.At, f.Host, f.LAN = received(control), cable.host, cable.lan
	f.Raw = append([]byte(nil), f.Raw...)
	return f, f.Kind != Other
}

// control calls f with the descriptor.
func (c *capture) control(f func(fd int) error) error {
	var failed error
	if err := c.conn.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

func (c *capture) close() {
	_ = c.file.Close()
	<-c.done
}

// index is that of an interface beside the bridges.
func (l *Lab) index(name string) int {
	l.t.Helper()
	var index int
	var err error
	l.sw.do(func() { index, err = indexOf(name) })
	if err != nil {
		l.t.Fatalf("lab: %v", err)
	}
	return index
}

// indexOf looks an interface up in the namespace of the calling thread.
func indexOf(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return int(ifr.Uint32()), nil
}
