package healthcheck

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestNoTimeWait: checks leave no connection in TIME_WAIT on this side, so they
// never use up the local ports.
func TestNoTimeWait(t *testing.T) {
	n := onLoopback()
	for _, c := range []struct {
		name  string
		check Checker
		serve func(net.Conn)
	}{
		{"tcp", TCP(), func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"http", HTTP(), answer(ok)},
		{"http, bad status", HTTP(), answer("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")},
		{"http, garbage", HTTP(), func(c net.Conn) { silence("nonsense\r\n")(c) }},
		{"http, endless", HTTP(), flood("HTTP/1.1 200 OK\r\n\r\n", "hello")},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := n.serve(t, c.serve)
			before := timeWait(t, s.Addr) // of whoever had the port a minute ago
			for range 20 {
				c.check.Check(t.Context(), s.Target)
			}
			s.close()
			for local := range timeWait(t, s.Addr) {
				if !before[local] {
					t.Errorf("the connection of a check, from %s, is in TIME_WAIT", local)
				}
			}
		})
	}
}

// timeWait returns the local addresses, as the kernel writes them, of the
// connections to the port of addr that this side keeps in TIME_WAIT over IPv4.
func timeWait(t *testing.T, addr string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skipf("no list of connections: %v", err)
	}
	found := map[string]bool{}
	port := fmt.Sprintf(":%04X", netip.MustParseAddrPort(addr).Port())
	for line := range strings.Lines(string(b)) {
		// sl local_address rem_address st ...; 06 is TIME_WAIT
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[2], port) && f[3] == "06" {
			found[f[1]] = true
		}
	}
	return found
}
