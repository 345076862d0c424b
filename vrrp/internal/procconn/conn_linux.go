package procconn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Conn is a subscription to the events of all processes. Receive is for one
// goroutine; Close is for any.
type Conn struct {
	nl  *netlink.Conn
	raw syscall.RawConn
	buf [512]byte // the kernel's messages have about 80 bytes

	closed atomic.Bool
}

// room is what is asked for as receive buffer: a few thousand events.
const room = 4 << 20

// Dial subscribes.
func Dial() (*Conn, error) {
	nl, err := netlink.Dial(unix.NETLINK_CONNECTOR, &netlink.Config{Groups: 1 << (idxProc - 1)})
	if err != nil {
		return nil, fmt.Errorf("procconn: %w", err)
	}
	c := &Conn{nl: nl}
	if err := c.subscribe(); err != nil {
		_ = nl.Close()
		return nil, fmt.Errorf("procconn: subscribe: %w", err)
	}
	return c, nil
}

func (c *Conn) subscribe() (err error) {
	if c.raw, err = c.nl.SyscallConn(); err != nil {
		return err
	}
	_ = c.nl.SetReadBuffer(room) // only root may pass the system's limit; less will do
	id := uint32(os.Getpid())
	if err := c.send(mcastListen, id); err != nil {
		return err
	}
	return c.await(id + 1)
}

func (c *Conn) send(op, ack uint32) error {
	_, err := c.nl.Send(netlink.Message{Header: netlink.Header{Type: netlink.Done}, Data: request(op, ack)})
	return err
}

// await looks for the answer to a request. The kernel has sent it before send
// returned, if it answers at all. What comes before it is of no interest.
func (c *Conn) await(ack uint32) error {
	for {
		var m message
		var err error
		if e := c.raw.Read(func(fd uintptr) bool { m, err = c.read(int(fd)); return true }); e != nil {
			return e
		}
		switch {
		case err == errNone:
			return ErrRefused
		case err == ErrLost:
		case err != nil:
			return err
		case m.kind == answer && m.ack == ack && m.errno != 0:
			return syscall.Errno(m.errno)
		case m.kind == answer && m.ack == ack:
			return nil
		}
	}
}

// Receive waits for events and stores them in ev, in order. It returns
// [ErrLost], beside those before it, when some are missing, an error that wraps
// [os.ErrDeadlineExceeded] when there was none before until, and one that
// wraps [net.ErrClosed] after Close.
func (c *Conn) Receive(ev []Event, until time.Time) (n int, err error) {
	if err := c.nl.SetReadDeadline(until); err != nil {
		return 0, c.failed(err)
	}
	waited := c.raw.Read(func(fd uintptr) bool {
		for err = nil; n < len(ev) && err == nil; {
			var m message
			if m, err = c.read(int(fd)); m.kind == change {
				ev[n] = m.event
				n++
			}
		}
		return n > 0 || err != errNone
	})
	switch {
	case waited != nil:
		return 0, c.failed(waited)
	case err == errNone:
		return n, nil
	}
	return n, err
}

// failed wraps what the socket says.
func (c *Conn) failed(err error) error {
	if c.closed.Load() {
		err = net.ErrClosed
	}
	return fmt.Errorf("procconn: receive: %w", err)
}

// errNone: no message is there.
var errNone = errors.New("procconn: no message")

// read reads one message, and does not wait for it.
func (c *Conn) read(fd int) (message, error) {
	n, from, err := unix.Recvfrom(fd, c.buf[:], unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN:
		return message{}, errNone
	case err == unix.EINTR:
		return message{}, nil
	case err == unix.ENOBUFS:
		return message{}, ErrLost
	case err != nil:
		return message{}, c.failed(os.NewSyscallError("recvfrom", err))
	}
	if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
		return message{}, nil // not the kernel's
	}
	return parse(c.buf[:n]), nil
}

// Close unsubscribes, and ends a Receive that waits. Idempotent.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	// Kernels before 6.6 count listeners, and do not notice when one goes.
	_ = c.send(mcastIgnore, 0)
	return c.nl.Close()
}
