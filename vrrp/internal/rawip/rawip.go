// Package rawip sends and receives VRRP messages as IP protocol 112 on one
// interface (Linux).
package rawip

import (
	"errors"
	"net"
	"net/netip"
)

// Config is what a socket is for.
type Config struct {
	Interface string     // name
	Family    int        // 4 or 6
	Group     netip.Addr // multicast group to join; invalid: none
	AH        bool       // IPv4: receive what comes behind an authentication header too, to count it
}

// Datagram is one message with its envelope.
type Datagram struct {
	Data     []byte           // the VRRP message, without IP header
	Src, Dst netip.Addr       // Send: an invalid Src leaves the choice to the kernel
	TTL      uint8            // TTL or hop limit, as received; sent is always 255
	AH       bool             // received behind an authentication header, which was not verified; Data is what follows it
	MAC      net.HardwareAddr // Send: the source MAC, to a group only; nil: that of the interface
}

// Socket is what all routers of one family on one interface share. Its methods
// never wait. Send and SetVRIDs may be called by any goroutine, Receive by one
// at a time.
type Socket struct{}

// Open opens and binds the socket to the interface. The error wraps EPERM, and
// names CAP_NET_RAW, without the privilege. Nothing is received before SetVRIDs.
func Open(Config) (*Socket, error) { return nil, errors.ErrUnsupported }

// FD returns the descriptor, which becomes readable when Receive finds something.
func (s *Socket) FD() int { return -1 }

// Receive fills d with what has arrived, and returns 0 when there is nothing.
// Data is valid until the next call.
func (s *Socket) Receive(d []Datagram) (int, error) { return 0, errors.ErrUnsupported }

// Send sends every datagram, and returns the first error after it tried all.
func (s *Socket) Send(d []Datagram) error { return errors.ErrUnsupported }

// SetVRIDs sets the kernel's filter: only messages for these VRIDs are received,
// bit v%64 of word v/64 for VRID v.
func (s *Socket) SetVRIDs(vrids [4]uint64) error { return errors.ErrUnsupported }

// Overflows counts packets that the kernel dropped since the receive buffer was full.
func (s *Socket) Overflows() uint64 { return 0 }

// Close closes the socket.
func (s *Socket) Close() error { return nil }
