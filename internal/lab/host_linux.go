package lab

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// Host is a computer of the laboratory.
type Host struct {
	N int // from 1

	lab     *Lab
	ns      *namespace
	watcher *watcher
}

// MAC returns the address of the interface on a LAN.
func (h *Host) MAC(lan int) MAC { return MAC{0x02, 0x77, 0, byte(lan), 0, byte(h.N)} }

// IPv4 returns the host's own address on a LAN.
func (h *Host) IPv4(lan int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(77 + lan), 0, byte(h.N)})
}

// IPv6 returns the host's own global address on a LAN.
func (h *Host) IPv6(lan int) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 0x77, 2: 0, 3: byte(lan), 15: byte(h.N)})
}

// LinkLocal returns the address that the kernel makes of the MAC.
func (h *Host) LinkLocal(lan int) netip.Addr {
	m := h.MAC(lan)
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// Do runs f on a thread in the host's namespace: what it opens belongs to the
// host. Goroutines that f starts do not.
func (h *Host) Do(f func() error) {
	h.lab.t.Helper()
	var err error
	h.ns.do(func() { err = f() })
	if err != nil {
		h.lab.Fatalf("host %d: %v", h.N, err)
	}
}

// IP runs commands of ip(8), one a line, without the leading "ip".
func (h *Host) IP(format string, args ...any) {
	h.lab.t.Helper()
	h.lab.ip(h.ns, fmt.Sprintf(format, args...))
}

// Run runs a program in the host, waits for it, and returns what it printed.
func (h *Host) Run(name string, args ...string) string {
	h.lab.t.Helper()
	out, err := h.Try(name, args...)
	if err != nil {
		h.lab.Fatalf("host %d: %s %s: %v\n%s", h.N, name, strings.Join(args, " "), err, out)
	}
	return out
}

// Try is Run for a program that may fail.
func (h *Host) Try(name string, args ...string) (string, error) {
	return run(h.lab.t.Context(), h.ns, "", nil, name, args...)
}

// Sysctl writes a value below /proc/sys/net.
func (h *Host) Sysctl(path, value string) {
	h.lab.t.Helper()
	h.Do(func() error { return os.WriteFile("/proc/sys/net/"+path, []byte(value), 0) })
}

// Interface returns the index and flags of an interface, and whether there is one.
func (h *Host) Interface(name string) (net.Interface, bool) {
	var found *net.Interface
	h.ns.do(func() { found, _ = net.InterfaceByName(name) })
	if found == nil {
		return net.Interface{}, false
	}
	return *found, true
}

// configure sets the interfaces up.
func (h *Host) configure() {
	h.lab.t.Helper()
	batch := &strings.Builder{}
	batch.WriteString("link set lo up\n")
	for lan := range h.lab.config.LANs {
		batch.WriteString(h.addressing(lan))
	}
	h.IP("%s", batch.String())
}

func (h *Host) addressing(lan int) string {
	dev := fmt.Sprintf("eth%d", lan)
	return fmt.Sprintf("link set %s up\naddress add %v/24 brd + dev %s\naddress add %v/64 dev %s nodad\n",
		dev, h.IPv4(lan), dev, h.IPv6(lan), dev)
}

// cable is the command that joins the host to a LAN's bridge. room is the
// descriptor of the host's namespace in ip(8).
func (h *Host) cable(lan, room int) string {
	port := h.port(lan)
	return fmt.Sprintf("link add %s type veth peer name eth%d address %v netns /proc/self/fd/%d\nlink set %s master %s up\n",
		port, lan, h.MAC(lan), room, port, bridge(lan))
}

// port is the bridge's end of the cable.
func (h *Host) port(lan int) string { return fmt.Sprintf("p%d.%d", lan, h.N) }

// ip runs a batch of ip(8) commands in a namespace.
func (l *Lab) ip(n *namespace, batch string, files ...*os.File) {
	l.t.Helper()
	if out, err := run(l.t.Context(), n, batch, files, "ip", "-batch", "-"); err != nil {
		l.t.Fatalf("lab: ip: %v\n%s%s", err, out, batch)
	}
}

// run runs a program in a namespace. files become descriptors 3 and up.
func run(ctx context.Context, n *namespace, stdin string, files []*os.File, name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	cmd.ExtraFiles, cmd.SysProcAttr = files, attributes()
	var err error
	n.do(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	return out.String(), err
}
