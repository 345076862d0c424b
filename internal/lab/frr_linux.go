package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// FRRDir is where Debian puts the daemons of FRR.
const FRRDir = "/usr/lib/frr"

// FRR starts zebra and vrrpd of FRR. It knows neither unicast nor passwords,
// and always uses the virtual MAC.
type FRR struct{}

// macvlan is the name of the device that holds the addresses of a router.
func macvlan(r Router) string { return fmt.Sprintf("vrrp%d-%d-%d", r.Family(), r.LAN, r.VRID) }

// hush keeps an interface from answering and asking in the name of addresses
// that a macvlan above it has.
func (h *Host) hush(r Router) {
	h.lab.t.Helper()
	h.Sysctl("ipv4/conf/"+r.Interface()+"/arp_ignore", "1")
	h.Sysctl("ipv4/conf/"+r.Interface()+"/arp_announce", "2")
}

// Start starts one vrrpd for all routers. It makes the macvlan devices that FRR
// wants to find, with the virtual MACs and addresses.
func (FRR) Start(h *Host, routers ...Router) *Speaker {
	h.lab.t.Helper()
	// The addresses stay on a device that FRR takes down and up.
	s := &Speaker{Host: h, FRR: true, holds: func(r Router) bool {
		dev, there := h.Interface(macvlan(r))
		return there && dev.Flags&net.FlagRunning != 0
	}}
	devices, config := &strings.Builder{}, &strings.Builder{}
	for _, r := range routers {
		r = r.Defaults()
		s.Routers = append(s.Routers, r)
		name := macvlan(r)
		if _, there := h.Interface(name); !there { // of a speaker before
			fmt.Fprintf(devices, "link add %s link %s type macvlan mode bridge\n", name, r.Interface())
			fmt.Fprintf(devices, "link set %s address %v\n", name, r.MAC())
			for _, v := range r.VIPs {
				fmt.Fprintf(devices, "address add %v dev %s nodad\n", v, name)
			}
			fmt.Fprintf(devices, "link set %s up\n", name)
		}
		fmt.Fprintf(config, "interface %s\n vrrp %d version %d\n vrrp %d priority %d\n vrrp %d advertisement-interval %d\n",
			r.Interface(), r.VRID, r.Version, r.VRID, r.Priority, r.VRID, r.Interval.Milliseconds())
		if r.NoPreempt {
			fmt.Fprintf(config, " no vrrp %d preempt\n", r.VRID)
		}
		for _, v := range r.VIPs {
			ip := "ip"
			if v.Addr().Is6() {
				ip = "ipv6"
			}
			fmt.Fprintf(config, " vrrp %d %s %v\n", r.VRID, ip, v.Addr())
		}
	}
	for _, r := range s.Routers {
		h.hush(r)
	}
	if devices.Len() > 0 {
		h.IP("%s", devices.String())
	}
	dir := h.lab.t.TempDir()
	// The daemons insist that their user is a member of this group.
	groups := filepath.Join(dir, "group")
	if err := os.WriteFile(groups, []byte("root:x:0:\nfrr:x:1:\nfrrvty:x:0:root\n"), 0o600); err != nil {
		h.lab.t.Fatalf("lab: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		h.lab.t.Fatalf("lab: %v", err)
	}
	daemon := func(name, config string) *Process {
		conf := filepath.Join(dir, name+".conf")
		if err := os.WriteFile(conf, []byte(config), 0o600); err != nil {
			h.lab.t.Fatalf("lab: %v", err)
		}
		cmd := exec.Command(self, filepath.Join(FRRDir, name), "-u", "root", "-g", "root", "-P", "0", "--log", "stdout",
			"-f", conf, "-i", filepath.Join(dir, name+".pid"), "-z", filepath.Join(dir, "zebra.sock"), "--vty_socket", dir)
		cmd.Env = append(os.Environ(), wrapped+"="+groups)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		p := h.StartCmd(cmd)
		p.Name = name
		return p
	}
	zebra := daemon("zebra", "")
	s.helpers = append(s.helpers, zebra)
	zebra.WaitLine(`zebra \S+ starting`) // its socket is there
	s.main = daemon("vrrpd", "debug vrrp protocol\n"+config.String())
	s.main.WaitLine(`-> Backup|Initialize -> Master`)
	return s
}
