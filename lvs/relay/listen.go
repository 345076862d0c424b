package relay

import (
	"context"
	"net"
)

// Listen is [net.ListenConfig.Listen] for "tcp" as it costs a relay least: without TCP keep-alive, since the idle timeout ends
// dead connections, and without Multipath TCP, which splice(2) does not know. That is four system calls less for
// each connection.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, "tcp", address)
}
