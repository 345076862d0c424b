package vrrp_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

// faultCases are about what happens around a router.
func faultCases() []interopCase {
	return []interopCase{
		{"carrier of the Active lost", 3, 1, (*rig).carrier},
		{"carrier of a Backup lost", 3, 1, (*rig).carrierOfBackup},
		{"interface deleted and made anew", 3, 1, (*rig).recreated},
		{"source address removed", 2, 1, (*rig).sourceless},
		{"virtual address removed by hand", 3, 1, (*rig).byHand},
		{"frozen for five seconds", 3, 1, (*rig).frozen},
		{"duplicate address detection", 3, 1, (*rig).dad},
		{"netlink overrun", 2, 1, (*rig).overrun},
		{"a thousand routers, links flap", 2, 4, (*rig).thousand},
		{"without privilege", 2, 1, (*rig).unprivileged},
	}
}

// carrier unplugs an Active router of ours. It must neither resign nor speak.
func (r *rig) carrier() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(a)
	r.reach(r.Host(3), lab.VIP4.Addr())
	a.Host.Unplug()
	a.Process().WaitLine(`from=active to=fault`)
	r.active(b)
	r.Wait("the address to be given up", func() bool { return a.Free(a.Routers[0]) })
	mark := r.Mark()
	a.Host.Plug()
	r.active(a)
	r.announced(a, mark)
	r.follows(r.Host(3), a, lab.VIP4.Addr())
	r.steady(a, 5)
	r.clean()
}

// carrierOfBackup unplugs a Backup of ours, which must not become Active alone.
func (r *rig) carrierOfBackup() {
	a := r.start(lab.Keepalived{}, 1, lab.Router{Priority: 200})
	b := r.start(ours(), 2, lab.Router{})
	r.active(a)
	b.Host.Unplug()
	b.Process().WaitLine(`from=backup to=fault`)
	r.steady(a, 10)
	b.Host.Plug()
	b.Process().WaitLine(`from=fault to=backup`)
	r.steady(a, 10)
	r.kill(a)
	r.active(b)
	if strings.Contains(b.Output(), "from=fault to=active") {
		r.t.Errorf("a Backup became Active out of a fault:\n%s", b.Output())
	}
	r.clean()
}

// recreated deletes the interface under an Active router of ours.
func (r *rig) recreated() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(a)
	a.Host.IP("link del eth0")
	r.active(b)
	mark := r.Mark()
	a.Host.Recreate(0)
	r.active(a)
	r.announced(a, mark)
	r.reach(r.Host(3), lab.VIP4.Addr())
	r.kill(a)
	r.active(b)
	r.clean()
}

// sourceless takes the address away that adverts come from. The kernel takes
// the virtual address of the same prefix with it.
func (r *rig) sourceless() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(a)
	mark := r.Mark()
	a.Host.IP("address del %v/24 dev eth0", a.Host.IPv4(0))
	a.Process().WaitLine(`from=active to=fault`)
	r.active(b)
	for _, f := range r.Since(mark) {
		if f.Kind == lab.Advert && f.From == lab.VIP4.Addr() {
			r.t.Errorf("a virtual address became the source: %v", f)
		}
	}
	a.Host.IP("address add %v/24 dev eth0", a.Host.IPv4(0))
	r.active(a)
	r.clean()
}

// byHand removes the virtual address of an Active router of ours: it comes
// back, and neighbours are told again.
func (r *rig) byHand() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(a)
	r.announced(a, 0)
	mark := r.Mark()
	a.Host.IP("address del %v dev eth0", lab.VIP4)
	r.announced(a, mark)
	r.Wait("the address to be back", func() bool { return a.Holds(a.Routers[0]) })
	r.reach(r.Host(3), lab.VIP4.Addr())
	r.steady(a, 5)
	r.clean()
}

// frozen stops an Active router of ours for five seconds of the other's adverts.
func (r *rig) frozen() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(a)
	r.reach(r.Host(3), lab.VIP4.Addr())
	mark := r.Mark()
	a.Freeze()
	r.Wait("the other to take over", func() bool { return r.speaksAlone(b, b.Routers[0], mark, 25) })
	mark = r.Mark()
	a.Thaw()
	r.active(a)
	r.announced(a, mark)
	r.follows(r.Host(3), a, lab.VIP4.Addr())
	r.steady(a, 10)
	r.clean()
}

// dad turns duplicate address detection on, and has both hosts hold the IPv6
// addresses for a while.
func (r *rig) dad() {
	for _, h := range r.Hosts()[:2] {
		h.Sysctl("ipv6/conf/eth0/accept_dad", "1")
		h.Sysctl("ipv6/conf/eth0/dad_transmits", "1")
	}
	a := r.start(ours(), 1, lab.Router{Priority: 200, VIPs: lab.IPv6VIPs()})
	b := r.start(ours(), 2, lab.Router{VIPs: lab.IPv6VIPs()})
	r.active(a)
	a.Host.Cut(lab.Both, b.Host)
	r.Wait("both to be Active", func() bool { return a.Holds(a.Routers[0]) && b.Holds(b.Routers[0]) })
	mark := r.Mark()
	a.Host.Heal()
	r.active(a)
	r.announced(a, mark)
	for range 3 { // back and forth, with no pause between
		r.kill(a)
		r.active(b)
		a = r.start(ours(), 1, a.Routers[0])
		r.active(a)
	}
	for _, s := range []*lab.Speaker{a, b} {
		for _, addr := range s.Host.Addrs() {
			if addr.Flags&(unix.IFA_F_DADFAILED|unix.IFA_F_TENTATIVE) != 0 {
				r.t.Errorf("host %d: %v has the flags %#x", s.Host.N, addr, addr.Flags)
			}
		}
	}
	r.reach(r.Host(3), lab.VIP6.Addr())
	r.clean()
}

// overrun makes the kernel drop rtnetlink messages, among them that the carrier
// is gone, while ours does not read.
func (r *rig) overrun() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(a)
	churn := &strings.Builder{}
	for i := range 4000 {
		fmt.Fprintf(churn, "address add 198.51.%d.%d/32 dev lo\n", 100+i/200, 1+i%200)
	}
	// overrun has the kernel say more than it has room for.
	overrun := func() {
		r.t.Helper()
		for before := a.Host.Overruns(); a.Host.Overruns() == before; {
			a.Host.IP("%s", churn.String())
			a.Host.IP("%s", strings.ReplaceAll(churn.String(), "address add", "address del"))
		}
	}
	a.Freeze()
	overrun()
	a.Host.Unplug() // the word of it is lost
	mark := r.Mark()
	r.Wait("the other to take over", func() bool { return r.speaksAlone(b, b.Routers[0], mark, 3) })
	a.Thaw()
	a.Process().WaitLine(`to=fault`)
	a.Freeze()
	overrun()
	a.Host.Plug()
	a.Thaw()
	r.active(a)
	r.clean()
}

// thousand has 250 routers on each of four networks, whose links flap.
func (r *rig) thousand() {
	const each = 250
	crowd := func(priority uint8) []lab.Router {
		var out []lab.Router
		for lan := range 4 {
			for n := range each {
				vip := netip.AddrFrom4([4]byte{10, byte(77 + lan), 1, byte(1 + n)})
				out = append(out, lab.Router{
					VRID: byte(1 + n), LAN: lan, Priority: priority, Interval: time.Second,
					VIPs: []netip.Prefix{netip.PrefixFrom(vip, 32)},
				})
			}
		}
		return out
	}
	a := r.start(ours(), 1, crowd(200)...)
	b := r.start(ours(), 2, crowd(100)...)
	all := func(s *lab.Speaker) func() bool {
		return func() bool { return virtual(s.Host) == 4*each && virtual(r.Host(3-s.Host.N)) == 0 }
	}
	r.Wait("the better host to have all", all(a))
	a.Host.Unplug()
	r.Wait("the other host to have all", func() bool { return virtual(b.Host) == 4*each })
	a.Host.Plug()
	r.Wait("the better host to have all again", all(a))
	r.stop(a)
	r.Wait("the other host to have all again", all(b))
	r.stop(b)
	if virtual(a.Host)+virtual(b.Host) != 0 {
		r.t.Errorf("addresses are left: %v %v", a.Host.Addrs(), b.Host.Addrs())
	}
	r.clean()
}

// virtual counts the addresses of thousand that a host has.
func virtual(h *lab.Host) int {
	return h.Count(func(a lab.Addr) bool { return a.Prefix.Addr().Is4() && a.Prefix.Addr().As4()[2] == 1 })
}

// unprivileged runs ours as nobody: it must end at once, and name what it lacks.
func (r *rig) unprivileged() {
	cmd := exec.Command(os.Getenv(interopProgram), "-interface=eth0", "-vrid=51", "-vip=10.77.0.100/24")
	// In a user namespace of its own the network is not its to rule.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	p := r.Host(1).StartCmd(cmd)
	err := p.Join()
	if out := p.Output(); err == nil || !strings.Contains(out, "CAP_NET_RAW") {
		r.t.Errorf("ended with %v, and said:\n%s\nwant a failure that names CAP_NET_RAW", err, out)
	}
}
