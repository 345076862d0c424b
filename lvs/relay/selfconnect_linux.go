package relay

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// TCP lets a socket be its own peer. That happens to one that connects to a port of its own host on which nobody listens,
// when the kernel chooses just that port for it: a dead destination then looks like one that echoes.

// localPorts is the range from which the kernel chooses, read once.
var localPorts = sync.OnceValue(func() (r [2]uint64) {
	r = [2]uint64{0, 65535}
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return r
	}
	if f := strings.Fields(string(b)); len(f) == 2 {
		low, err1 := strconv.ParseUint(f[0], 10, 16)
		high, err2 := strconv.ParseUint(f[1], 10, 16)
		if err1 == nil && err2 == nil {
			r = [2]uint64{low, high}
		}
	}
	return r
})

// maySelfConnect reports whether a socket that connects to addr might become its own peer.
func maySelfConnect(addr netip.AddrPort) bool {
	r, port := localPorts(), uint64(addr.Port())
	return r[0] <= port && port <= r[1]
}

// selfConnected reports whether a socket that is connected to addr is its own peer.
func selfConnected(raw syscall.RawConn, addr netip.AddrPort) (self bool) {
	raw.Control(func(fd uintptr) {
		local, err := unix.Getsockname(int(fd))
		self = err == nil && sockaddr(local) == addr
	})
	return self
}
