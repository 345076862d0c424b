//go:build !linux

package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

var errUnsupported = fmt.Errorf("rtnetlink on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Watcher is not there on this system.
type Watcher struct{}

// Watch returns an error that wraps errors.ErrUnsupported.
func Watch(func(*State)) (*Watcher, error) { return nil, errUnsupported }

func (w *Watcher) State() *State   { return &State{} }
func (w *Watcher) Resyncs() uint64 { return 0 }
func (w *Watcher) Close() error    { return nil }

// Conn is not there on this system.
type Conn struct{}

// Dial returns an error that wraps errors.ErrUnsupported.
func Dial() (*Conn, error) { return nil, errUnsupported }

func (c *Conn) Close() error                               { return nil }
func (c *Conn) Watch(func(*State)) (*Watcher, error)       { return nil, errUnsupported }
func (c *Conn) Probe() (bool, error)                       { return false, errUnsupported }
func (c *Conn) Addrs(int) ([]Addr, error)                  { return nil, errUnsupported }
func (c *Conn) AddAddr(NewAddr) error                      { return errUnsupported }
func (c *Conn) ReplaceAddr(NewAddr) error                  { return errUnsupported }
func (c *Conn) DelAddr(int, netip.Prefix) error            { return errUnsupported }
func (c *Conn) Links() ([]Link, error)                     { return nil, errUnsupported }
func (c *Conn) AddMacvlan(Macvlan) (int, error)            { return 0, errUnsupported }
func (c *Conn) DelLink(int) error                          { return errUnsupported }
func (c *Conn) SetUp(int, bool) error                      { return errUnsupported }
func (c *Conn) Conf(int, ...Conf) (map[Conf]uint32, error) { return nil, errUnsupported }
func (c *Conn) SetConf(int, map[Conf]uint32) error         { return errUnsupported }

// IPv6Conf is not there on this system.
type IPv6Conf struct{}

// OpenIPv6Conf returns an error that wraps errors.ErrUnsupported.
func OpenIPv6Conf() (*IPv6Conf, error) { return nil, errUnsupported }

func (c *IPv6Conf) Set(string, string, string) error { return errUnsupported }
func (c *IPv6Conf) Close() error                     { return nil }
