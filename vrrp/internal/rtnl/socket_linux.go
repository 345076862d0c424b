package rtnl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// bufferSize holds the longest datagram: the kernel fills 32 KB of a dump at
// most, and a notification is one link or address.
const bufferSize = 64 << 10

// errLost tells that the kernel dropped messages, or that they could not be read.
var errLost = errors.New("netlink messages were lost")

// socket is an rtnetlink socket that is read in whole datagrams, through the poller.
type socket struct {
	conn *netlink.Conn
	raw  syscall.RawConn
	buf  []byte
}

// open opens a socket in the network namespace of the calling thread.
func open(groups uint32) (*socket, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: groups})
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// Old kernels know less of these; the answers are understood without them.
	for _, o := range []netlink.ConnOption{netlink.ExtendedAcknowledge, netlink.CapAcknowledge, netlink.GetStrictCheck} {
		_ = conn.SetOption(o, true)
	}
	return &socket{conn: conn, raw: raw, buf: make([]byte, bufferSize)}, nil
}

func (s *socket) close() error { return s.conn.Close() }

// read takes one datagram that is there. ok is false when there is none.
func (s *socket) read(fd uintptr) (messages []syscall.NetlinkMessage, ok bool, err error) {
	for {
		n, from, err := unix.Recvfrom(int(fd), s.buf, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil, false, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			return nil, true, errLost
		case err != nil:
			return nil, true, os.NewSyscallError("recvfrom", err)
		case n > len(s.buf):
			return nil, true, errLost
		}
		if sender, isNetlink := from.(*unix.SockaddrNetlink); !isNetlink || sender.Pid != 0 {
			continue // not the kernel
		}
		messages, err := syscall.ParseNetlinkMessage(s.buf[:n])
		if err != nil {
			return nil, true, errLost
		}
		return messages, true, nil
	}
}

// wait reads the next datagram.
func (s *socket) wait() (messages []syscall.NetlinkMessage, err error) {
	if e := s.raw.Read(func(fd uintptr) (ok bool) {
		messages, ok, err = s.read(fd)
		return ok
	}); e != nil {
		return nil, closed(e)
	}
	return messages, err
}

// closed says of a socket that was closed what package net says.
func closed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

// errInterrupted tells that what a dump lists changed meanwhile, so that it may
// lack something that did not.
var errInterrupted = errors.New("the list changed while it was read")

// request sends one message and calls each for what comes back.
func (s *socket) request(typ uint16, flags netlink.HeaderFlags, body []byte, each func(syscall.NetlinkMessage)) error {
	if flags&netlink.Dump != netlink.Dump {
		flags |= netlink.Acknowledge
	}
	sent, err := s.conn.Send(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(typ), Flags: flags | netlink.Request},
		Data:   body,
	})
	if err != nil {
		return err
	}
	var interrupted bool
	for {
		messages, err := s.wait()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Header.Seq != sent.Header.Sequence {
				continue // of a request that was given up
			}
			interrupted = interrupted || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch m.Header.Type {
			case unix.NLMSG_ERROR:
				return answer(m)
			case unix.NLMSG_DONE:
				if interrupted {
					return errInterrupted
				}
				return answer(m)
			default:
				if each != nil {
					each(m)
				}
			}
		}
	}
}

// answer is the error that ends a request: an errno, with the kernel's words for it.
func answer(m syscall.NetlinkMessage) error {
	if len(m.Data) < 4 {
		return nil // the end of a dump by an old kernel
	}
	code := int32(binary.NativeEndian.Uint32(m.Data))
	if code >= 0 {
		return nil
	}
	errno := unix.Errno(-code)
	if words := explanation(m); words != "" {
		return fmt.Errorf("%w (%s)", errno, words)
	}
	return errno
}

// explanation reads NLMSGERR_ATTR_MSG.
func explanation(m syscall.NetlinkMessage) string {
	if m.Header.Type != unix.NLMSG_ERROR || m.Header.Flags&unix.NLM_F_ACK_TLVS == 0 || len(m.Data) < 4+unix.SizeofNlMsghdr {
		return ""
	}
	rest := m.Data[4:]
	skip := unix.SizeofNlMsghdr
	if m.Header.Flags&unix.NLM_F_CAPPED == 0 { // the whole request comes back, not its header alone
		skip = int(binary.NativeEndian.Uint32(rest))
	}
	if skip = (skip + 3) &^ 3; skip > len(rest) {
		return ""
	}
	attrs, err := netlink.NewAttributeDecoder(rest[skip:])
	if err != nil {
		return ""
	}
	for attrs.Next() {
		if attrs.Type() == unix.NLMSGERR_ATTR_MSG {
			return string(bytes.TrimRight(attrs.Bytes(), "\x00"))
		}
	}
	return ""
}
