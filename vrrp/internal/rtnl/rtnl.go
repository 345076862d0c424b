// Package rtnl reads and changes links and addresses by rtnetlink (Linux).
package rtnl

import (
	"errors"
	"net"
	"net/netip"
)

// Link is a network interface.
type Link struct {
	Index    int
	Name     string
	Up       bool // IFF_UP
	Running  bool // IFF_RUNNING: up, and there is a carrier
	Loopback bool
	MTU      int
	MAC      net.HardwareAddr
}

// Addr is an address of a link.
type Addr struct {
	Index      int // of the link
	Prefix     netip.Prefix
	Label      string
	Protocol   uint8 // IFA_PROTO: who installed it; 0: unknown
	Secondary  bool
	Tentative  bool // duplicate address detection runs, or has failed
	Deprecated bool
}

// State is the links and addresses at one moment. It is not modified.
type State struct {
	Links []Link
	Addrs []Addr
}

// Link finds a link by its name.
func (s *State) Link(name string) (Link, bool) { return Link{}, false }

// Source is the address of a link that adverts come from: the primary IPv4
// address, or the link-local IPv6 one. It is never one for which skip returns
// true, nor one that is tentative or deprecated; invalid: there is none.
func (s *State) Source(index, family int, skip func(Addr) bool) netip.Addr { return netip.Addr{} }

// Watcher follows links and addresses. It is level-triggered: after a lost
// message it reads everything anew.
type Watcher struct{}

// Watch opens its sockets in the calling goroutine, and returns when it knows
// the state. changed is called on a goroutine of the watcher after every
// change of it. No privilege is needed.
func Watch(changed func(*State)) (*Watcher, error) { return nil, errors.ErrUnsupported }

// State returns the latest state.
func (w *Watcher) State() *State { return nil }

// Close ends the watcher and its goroutine; changed is not called afterwards.
func (w *Watcher) Close() error { return nil }
