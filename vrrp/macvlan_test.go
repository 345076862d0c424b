package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

var (
	nlVirtual4 = VirtualRouter{VRID: 51, Family: IPv4, Version: 3, VirtualMAC: true}
	nlVirtual6 = VirtualRouter{VRID: 51, Family: IPv6, Version: 3, VirtualMAC: true}
)

// names lists the links.
func (k *fakeKernel) names() []string {
	var out []string
	for _, l := range k.State().Links {
		out = append(out, l.Name)
	}
	slices.Sort(out)
	return out
}

func (k *fakeKernel) up(name string) bool {
	l, _ := k.State().Link(name)
	return l.Up
}

func TestVirtualLinkNames(t *testing.T) {
	for _, tt := range []struct {
		family Family
		vrid   uint8
		parent int
		want   []string
	}{
		{IPv4, 51, 2, []string{"vrrp.51", "vrrp.51.2"}},
		{IPv6, 51, 2, []string{"vrrp6.51", "vrrp6.51.2"}},
		{IPv6, 255, 60466175, []string{"vrrp6.255", "vrrp6.255.zzzzz"}},
		{IPv6, 255, 60466176, []string{"vrrp6.255"}},
		{IPv4, 255, 1<<31 - 1, []string{"vrrp.255", "vrrp.255.zik0zj"}},
	} {
		got := virtualLinkNames(VirtualRouter{Family: tt.family, VRID: tt.vrid}, tt.parent)
		wantList(t, fmt.Sprint(tt), got, tt.want...)
		for _, name := range got {
			if len(name) > maxInterfaceName {
				t.Errorf("%s is too long", name)
			}
		}
	}
}

func TestVirtualMAC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		k.put(t, "eth0", "192.0.2.1/24", 0)
		n := k.netlink(AddressLabel("vip"))
		a, log := openNetlink(t, n, nlVirtual4, nlPair4)
		b, _ := openNetlink(t, n, nlVirtual6, nlPair6)
		wantList(t, "links", k.names(), "eth0", "vrrp.51", "vrrp6.51")
		for _, name := range []string{"vrrp.51", "vrrp6.51"} {
			l, _ := k.State().Link(name)
			if l.Up || l.Kind != "macvlan" || l.Parent != 1 || l.Alias != "mainstay" {
				t.Errorf("%s is %+v, want it down, above eth0", name, l)
			}
			c := k.settings(l.Index)
			if c[rtnl.ARPIgnore] != 1 || c[rtnl.ARPAnnounce] != 2 || c[rtnl.RPFilter] != 2 || c[rtnl.PromoteSecondaries] != 1 {
				t.Errorf("settings of %s: %v", name, c)
			}
			if k.ipv6[name+"/accept_ra"] != "0" {
				t.Errorf("%s takes router advertisements", name)
			}
		}
		if l, _ := k.State().Link("vrrp6.51"); l.MAC.String() != "00:00:5e:00:02:33" {
			t.Errorf("MAC %v, want 00:00:5e:00:02:33", l.MAC)
		}
		parent := k.settings(1)
		if parent[rtnl.ARPIgnore] != 0 || parent[rtnl.ARPAnnounce] != 0 {
			t.Errorf("eth0 changed before anything is held: %v", parent)
		}
		mustDo(t, a.Install(background, nlPair4))
		mustDo(t, b.Install(background, nlPair6))
		wantList(t, "eth0", k.list("eth0"), "192.0.2.1/24")
		wantList(t, "vrrp.51", k.list("vrrp.51"), "192.0.2.100/24", "192.0.2.101/24")
		wantList(t, "vrrp6.51", k.list("vrrp6.51"), "2001:db8::100/128", "fe80::100/64")
		got := k.asked(addrPlace{k.index("vrrp.51"), nlPair4[0]})
		if want := (rtnl.NewAddr{Index: k.index("vrrp.51"), Prefix: nlPair4[0], Label: "vrrp.51:vip", Protocol: 112, Metric: 65535}); got != want {
			t.Errorf("installed as %+v, want %+v", got, want)
		}
		if parent = k.settings(1); parent[rtnl.ARPIgnore] != 1 || parent[rtnl.ARPAnnounce] != 2 {
			t.Errorf("eth0 answers for the virtual addresses: %v", parent)
		}
		mustDo(t, a.Remove(background, nlPair4))
		mustDo(t, b.Remove(background, nlPair6))
		if k.up("vrrp.51") || k.up("vrrp6.51") {
			t.Error("an interface without addresses is up")
		}
		if parent = k.settings(1); parent[rtnl.ARPIgnore] != 0 || parent[rtnl.ARPAnnounce] != 0 {
			t.Errorf("eth0 is not as before: %v", parent)
		}
		mustDo(t, a.Close())
		mustDo(t, b.Close())
		wantList(t, "links", k.names(), "eth0")
		wantList(t, "events", log.take())
	})
}

// What the interface below has already is neither lowered nor put back, and what
// somebody else changes meanwhile is theirs.
func TestVirtualMACParentSettings(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		before, held, change uint32 // of arp_ignore
		after                uint32
	}{
		{"none", 0, 1, 1, 0},
		{"stricter", 2, 2, 2, 2},
		{"the same", 1, 1, 1, 1},
		{"changed meanwhile", 0, 1, 8, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0")
				n := k.netlink()
				k.set(1, rtnl.ARPIgnore, tt.before)
				a, _ := openNetlink(t, n, nlVirtual4, nlPair4)
				b, _ := openNetlink(t, n, VirtualRouter{VRID: 52, Family: IPv4, VirtualMAC: true}, nil)
				mustDo(t, a.Install(background, nlPair4))
				mustDo(t, b.Install(background, nil))
				mustDo(t, a.Remove(background, nlPair4))
				if got := k.settings(1)[rtnl.ARPIgnore]; got != tt.held {
					t.Errorf("arp_ignore %d while another router is there, want %d", got, tt.held)
				}
				k.set(1, rtnl.ARPIgnore, tt.change)
				mustDo(t, b.Remove(background, nil))
				if got := k.settings(1)[rtnl.ARPIgnore]; got != tt.after {
					t.Errorf("arp_ignore %d at the end, want %d", got, tt.after)
				}
				mustDo(t, a.Close())
				mustDo(t, b.Close())
			})
		})
	}
}

// Two interfaces with one VRID need two names.
func TestVirtualMACTwoInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0", "eth1")
		c, err := netlinkConfigFor("eth1", nil)
		mustDo(t, err)
		a, _ := openNetlink(t, k.netlink(), nlVirtual4, nlPair4)
		b, _ := openNetlink(t, newNetlink("eth1", c, k.dial), nlVirtual4, nlPair4)
		wantList(t, "links", k.names(), "eth0", "eth1", "vrrp.51", "vrrp.51.2")
		mustDo(t, a.Close())
		mustDo(t, b.Close())
		wantList(t, "links", k.names(), "eth0", "eth1")
	})
}

func TestVirtualMACNoName(t *testing.T) {
	k := newFakeKernel("eth0", "vrrp.51", "vrrp.51.1")
	if _, err := k.netlink().Open(background, nlVirtual4, nlPair4, nil); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("Open: %v, want EEXIST", err)
	}
	if k.open() != 0 {
		t.Error("a session is open")
	}
}

// The files under /proc/sys are read-only in many containers.
func TestVirtualMACReadOnly(t *testing.T) {
	k := newFakeKernel("eth0")
	k.failing(func(call string) error {
		if strings.HasPrefix(call, "ipv6") {
			return syscall.EROFS
		}
		return nil
	})
	if _, err := k.netlink().Open(background, nlVirtual4, nlPair4, nil); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Open: %v, want EROFS", err)
	}
	wantList(t, "links", k.names(), "eth0")
}

func TestVirtualMACLeftovers(t *testing.T) {
	for _, tt := range []struct {
		name string
		vr   VirtualRouter
		opts []NetlinkOption
		want []string
	}{
		{"ours", nlVirtual4, nil, []string{"eth0", "eth1", "other", "private", "vrrp.51", "vrrp.52"}},
		{"without a virtual MAC now", nlRouter4, nil, []string{"eth0", "eth1", "other", "private", "vrrp.52"}},
		{"swept", nlRouter4, []NetlinkOption{SweepLeftovers()}, []string{"eth0", "eth1", "other", "private"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0", "eth1")
				macvlan := func(name string, parent int, vr VirtualRouter, alias string) {
					_, err := k.AddMacvlan(rtnl.Macvlan{Name: name, Parent: parent, MAC: vr.MAC(), Alias: alias})
					mustDo(t, err)
				}
				macvlan("vrrp.51", 1, nlVirtual4, "mainstay")
				k.put(t, "vrrp.51", "192.0.2.100/24", 112)
				macvlan("vrrp.52", 1, VirtualRouter{VRID: 52, Family: IPv4}, "mainstay")
				macvlan("other", 2, nlVirtual4, "mainstay") // above another interface
				macvlan("private", 1, VirtualRouter{VRID: 53, Family: IPv4}, "")
				a, _ := openNetlink(t, k.netlink(tt.opts...), tt.vr, nlPair4)
				wantList(t, "links", k.names(), tt.want...)
				wantList(t, "addresses", k.list("vrrp.51"))
				mustDo(t, a.Close())
			})
		})
	}
}

func TestVirtualMACCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, _ := openNetlink(t, k.netlink(), nlVirtual4, nlPair4)
		mustDo(t, a.Install(background, nlPair4))
		mustDo(t, a.Close())
		wantList(t, "left over", k.list("vrrp.51"), "192.0.2.100/24", "192.0.2.101/24")
		b, _ := openNetlink(t, k.netlink(), nlVirtual4, nlPair4)
		wantList(t, "cleaned", k.list("vrrp.51"))
		mustDo(t, b.Close())
		wantList(t, "links", k.names(), "eth0")
	})
}

func TestVirtualMACLosses(t *testing.T) {
	lose := map[string]func(*testing.T, *fakeKernel){
		"interface deleted":  func(t *testing.T, k *fakeKernel) { mustDo(t, k.DelLink(k.index("vrrp.51"))) },
		"address removed":    func(t *testing.T, k *fakeKernel) { k.take(t, "vrrp.51", "192.0.2.100/24") },
		"interface set down": func(t *testing.T, k *fakeKernel) { mustDo(t, k.SetUp(k.index("vrrp.51"), false)) },
	}
	for _, tt := range []struct {
		how    string
		policy LossPolicy
		events []string
		ready  bool
	}{
		{"interface deleted", Reinstall, []string{"restored 192.0.2.100", "restored 192.0.2.101"}, true},
		{"interface deleted", Resign, []string{"lost 192.0.2.100", "lost 192.0.2.101"}, false},
		{"interface deleted", Ignore, []string{}, false},
		{"address removed", Reinstall, []string{"restored 192.0.2.100"}, true},
		{"address removed", Resign, []string{"lost 192.0.2.100"}, false},
		{"address removed", Ignore, []string{}, false},
		{"interface set down", Reinstall, []string{}, true},
		{"interface set down", Resign, []string{"lost 192.0.2.100", "lost 192.0.2.101"}, false},
		{"interface set down", Ignore, []string{}, false},
	} {
		t.Run(tt.how+" "+tt.policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0")
				a, log := openNetlink(t, k.netlink(OnLoss(tt.policy)), nlVirtual4, nlPair4)
				mustDo(t, a.Install(background, nlPair4))
				lose[tt.how](t, k)
				synctest.Wait()
				wantList(t, "events", log.take(), tt.events...)
				ready := k.up("vrrp.51") && len(k.list("vrrp.51")) == 2
				if ready != tt.ready {
					t.Errorf("ready: %v, want %v", ready, tt.ready)
				}
				time.Sleep(time.Hour)
				wantList(t, "later", log.take())
				mustDo(t, a.Remove(background, nlPair4))
				wantList(t, "removed", k.list("vrrp.51"))
				mustDo(t, a.Install(background, nlPair4))
				wantList(t, "held again", k.list("vrrp.51"), "192.0.2.100/24", "192.0.2.101/24")
				if !k.up("vrrp.51") || k.settings(1)[rtnl.ARPIgnore] != 1 {
					t.Error("the second time, the interface is not ready")
				}
				mustDo(t, a.Remove(background, nlPair4))
				mustDo(t, a.Close())
				wantList(t, "links", k.names(), "eth0")
			})
		})
	}
}

// The interface below goes, and comes back with another index or name.
func TestVirtualMACParentGoesAndComes(t *testing.T) {
	for _, how := range []string{"deleted", "renamed", "deleted while idle", "renamed while idle"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0")
				a, log := openNetlink(t, k.netlink(), nlVirtual4, nlPair4)
				idle := strings.HasSuffix(how, "idle")
				if !idle {
					mustDo(t, a.Install(background, nlPair4))
				}
				if strings.HasPrefix(how, "renamed") {
					k.mu.Lock()
					k.links[0].Name = "eth1"
					k.tell()
					k.mu.Unlock()
				} else {
					mustDo(t, k.DelLink(1))
				}
				synctest.Wait()
				if !idle {
					wantList(t, "gone", log.take(), "lost 192.0.2.100", "lost 192.0.2.101")
					wantList(t, "addresses", k.list("vrrp.51"))
				}
				second := k.plug("eth0")
				synctest.Wait()
				if idle {
					mustDo(t, a.Install(background, nlPair4))
				} else {
					wantList(t, "back", log.take(), "restored 192.0.2.100", "restored 192.0.2.101")
				}
				l, _ := k.State().Link("vrrp.51")
				if !l.Up || l.Parent != second || len(k.list("vrrp.51")) != 2 {
					t.Errorf("vrrp.51 is %+v with %q, want it up above the new eth0", l, k.list("vrrp.51"))
				}
				if k.settings(second)[rtnl.ARPIgnore] != 1 || strings.HasPrefix(how, "renamed") && k.settings(1)[rtnl.ARPIgnore] != 0 {
					t.Errorf("arp_ignore of the new and the old interface: %v, %v", k.settings(second), k.settings(1))
				}
				mustDo(t, a.Remove(background, nlPair4))
				mustDo(t, a.Close())
				if slices.Contains(k.names(), "vrrp.51") {
					t.Errorf("links %q, want no macvlan", k.names())
				}
			})
		})
	}
}

func TestVirtualMACDynamicInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		vr := nlVirtual4
		vr.Dynamic = true
		a, _ := openNetlink(t, k.netlink(), vr, nlPair4)
		k.plug("eth0")
		synctest.Wait()
		mustDo(t, a.Install(background, nlPair4))
		wantList(t, "held", k.list("vrrp.51"), "192.0.2.100/24", "192.0.2.101/24")
		mustDo(t, a.Remove(background, nlPair4))
		mustDo(t, a.Close())
		wantList(t, "links", k.names(), "eth0")
	})
}

// A host with net.ipv6 switched off has no such settings.
func TestVirtualMACWithoutIPv6(t *testing.T) {
	k := newFakeKernel("eth0")
	k.failing(func(call string) error {
		if strings.HasPrefix(call, "ipv6") {
			return syscall.ENOENT
		}
		return nil
	})
	a, _ := openNetlink(t, k.netlink(), nlVirtual4, []netip.Prefix{netip.MustParsePrefix("192.0.2.100/32")})
	mustDo(t, a.Close())
}
