//go:build !linux

package relay

import (
	"net"
	"net/netip"
	"syscall"
)

// Other systems copy through net.Conn and have no pipes.
const rawIO = false

type (
	rawPump struct{}
	pipes   struct{ max int }
)

func (*pump) pumpRaw()                                   {}
func (*pipes) close()                                    {}
func (*pipes) counts() (open, free int)                  { return 0, 0 }
func (*conn) rawReach(netip.AddrPort) (bool, error)      { return false, nil }
func rawCloseWrite(syscall.RawConn) error                { return errNoHalfClose }
func rawLinger0(syscall.RawConn)                         {}
func interrupt(ln net.Listener)                          { ln.Close() }
func sweep(ln net.Listener, _ func(end, netip.AddrPort)) {}
