//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package proxy

import "net"

// peekConn reports false: there is no peek without waiting here.
func peekConn(net.Conn) (arrival, bool) { return quiet, false }
