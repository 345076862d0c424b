// Package rawip sends and receives VRRP messages as IP protocol 112 on one
// interface (Linux).
//
// A [Socket] is a raw socket that is bound to the interface and filtered in the
// kernel, so that nothing but messages for its VRIDs wakes anybody; a second one
// of protocol 51 where authentication headers are to be counted; and an AF_PACKET
// socket that only sends, for messages from a virtual MAC.
//
// What is sent to a group is not looped back to this host. Two processes that
// speak for one virtual router on one interface of one host therefore do not
// hear each other, as two keepalived do not. That spares a wake-up for every
// advert of our own.
package rawip

import (
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
	Src, Dst netip.Addr       // without zone. Send: an invalid Src leaves the choice to the kernel
	TTL      uint8            // TTL or hop limit, as received; sent is always 255
	AH       bool             // received behind an authentication header, which was not verified; Data is what follows it
	MAC      net.HardwareAddr // Send: the source MAC, to a group only, of a message that fits into a frame; nil: that of the interface
}

// Protocol numbers.
const (
	protoVRRP = 112
	protoAH   = 51
)

// How messages travel (RFC 9568 section 5.1).
const (
	hops  = 255  // TTL and hop limit
	class = 0xc0 // TOS and traffic class: CS6, network control, as keepalived sends
)

// Lengths.
const (
	maxIPv4Header = 60
	minAH         = 12 // without the integrity check value
	maxMessage4   = 8 + 255*4 + 8 + 28
	maxMessage6   = 8 + 255*16 + 28
)
