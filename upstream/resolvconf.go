package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
)

// resolvConf is where the name servers of a system are listed: resolv.conf(5).
const resolvConf = "/etc/resolv.conf"

// maxResolvConf and maxServers are how much of the file is read and used; three
// are the C library's limit too.
const (
	maxResolvConf = 64 << 10
	maxServers    = 3
)

// systemServers returns the name servers of the system.
func systemServers() ([]netip.AddrPort, error) {
	f, err := os.Open(resolvConf)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	servers, err := readServers(io.LimitReader(f, maxResolvConf))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", resolvConf, err)
	}
	return servers, nil
}

// readServers returns the name servers that a resolv.conf lists: the first
// three, or the local host if there are none.
func readServers(r io.Reader) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(out) < maxServers {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			out = append(out, netip.AddrPortFrom(a, 53))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		out = append(out, netip.MustParseAddrPort("127.0.0.1:53"))
	}
	return out, nil
}
