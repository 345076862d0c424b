package rtnl

import (
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl/rtnltest"
	"golang.org/x/sys/unix"
)

func dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// find lists an address, or fails the test.
func find(t *testing.T, c *Conn, index int, p string) Addr {
	t.Helper()
	all, err := c.Addrs(index)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(a Addr) bool { return a.Prefix == prefix(p) })
	if i < 0 {
		t.Fatalf("%s is not among %+v", p, all)
	}
	return all[i]
}

func TestAddresses(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n, c := rtnltest.New(t), dial(t)
	n.Wire("eth0", "peer0")
	eth0 := n.Index("eth0")
	tags, err := c.Probe()
	if err != nil {
		t.Fatal(err)
	}
	tag := uint8(112)
	if !tags {
		t.Log("this kernel knows no IFA_PROTO")
		tag = 0
	}
	for _, tt := range []struct {
		name string
		add  NewAddr
		want Addr
	}{
		{"IPv4", NewAddr{Prefix: prefix("192.0.2.100/24"), Protocol: 112, Label: "eth0:vip"},
			Addr{Prefix: prefix("192.0.2.100/24"), Protocol: tag, Label: "eth0:vip", Permanent: true}},
		{"IPv4 /32", NewAddr{Prefix: prefix("192.0.2.101/32")},
			Addr{Prefix: prefix("192.0.2.101/32"), Label: "eth0", Permanent: true}},
		{"a second of the subnet", NewAddr{Prefix: prefix("192.0.2.102/24")},
			Addr{Prefix: prefix("192.0.2.102/24"), Label: "eth0", Permanent: true, Secondary: true}},
		{"IPv4 with a lifetime", NewAddr{Prefix: prefix("192.0.2.103/32"), Lifetime: time.Minute},
			Addr{Prefix: prefix("192.0.2.103/32"), Label: "eth0"}},
		{"IPv6 without detection of duplicates", NewAddr{Prefix: prefix("2001:db8::100/64"), Protocol: 112},
			Addr{Prefix: prefix("2001:db8::100/64"), Protocol: tag, Permanent: true}},
		{"IPv6 link-local", NewAddr{Prefix: prefix("fe80::100/64"), Protocol: 112},
			Addr{Prefix: prefix("fe80::100/64"), Protocol: tag, Permanent: true, Scope: unix.RT_SCOPE_LINK}},
		{"IPv6 deprecated", NewAddr{Prefix: prefix("2001:db8::101/128"), Deprecated: true},
			Addr{Prefix: prefix("2001:db8::101/128"), Permanent: true, Deprecated: true}},
		{"IPv6 with a lifetime", NewAddr{Prefix: prefix("2001:db8::102/128"), Lifetime: time.Minute},
			Addr{Prefix: prefix("2001:db8::102/128")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.add.Index, tt.want.Index = eth0, eth0
			if err := c.AddAddr(tt.add); err != nil {
				t.Fatal(err)
			}
			if got := find(t, c, eth0, tt.add.Prefix.String()); got != tt.want {
				t.Errorf("address %+v, want %+v", got, tt.want)
			}
			if err := c.AddAddr(tt.add); !errors.Is(err, unix.EEXIST) {
				t.Errorf("once more: %v, want EEXIST", err)
			}
			if err := c.ReplaceAddr(tt.add); err != nil {
				t.Errorf("replaced: %v", err)
			}
			if err := c.DelAddr(eth0, tt.add.Prefix); err != nil {
				t.Error(err)
			}
			if err := c.DelAddr(eth0, tt.add.Prefix); !errors.Is(err, unix.EADDRNOTAVAIL) || !strings.Contains(err.Error(), tt.add.Prefix.String()) {
				t.Errorf("deleted twice: %v, want EADDRNOTAVAIL and the address", err)
			}
			if err := c.AddAddr(tt.add); err != nil {
				t.Error(err)
			}
		})
	}
	if err := c.AddAddr(NewAddr{Index: 12345, Prefix: prefix("192.0.2.1/32")}); !errors.Is(err, unix.ENODEV) {
		t.Errorf("address of no link: %v, want ENODEV", err)
	}
}

func TestMacvlan(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	n, c := rtnltest.New(t), dial(t)
	n.Wire("eth0", "peer0")
	m := Macvlan{Name: "vrrp.51", Parent: n.Index("eth0"), MAC: net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}, Alias: "mainstay"}
	index, err := c.AddMacvlan(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddMacvlan(m); !errors.Is(err, unix.EEXIST) {
		t.Errorf("the name once more: %v, want EEXIST", err)
	}
	want := map[Conf]uint32{ARPIgnore: 1, ARPAnnounce: 2, RPFilter: 2, PromoteSecondaries: 1}
	if err := c.SetConf(index, want); err != nil {
		t.Fatal(err)
	}
	got, err := c.Conf(index, ARPIgnore, ARPAnnounce, RPFilter, PromoteSecondaries)
	if err != nil {
		t.Fatal(err)
	}
	for s, v := range want {
		if got[s] != v {
			t.Errorf("setting %d is %d, want %d", s, got[s], v)
		}
	}
	if b, err := os.ReadFile("/proc/sys/net/ipv4/conf/vrrp.51/arp_ignore"); err != nil || string(b) != "1\n" {
		t.Errorf("arp_ignore %q, %v, want 1", b, err)
	}
	if err := c.DelLink(index); err != nil {
		t.Error(err)
	}
	if err := c.DelLink(index); !errors.Is(err, unix.ENODEV) {
		t.Errorf("deleted twice: %v, want ENODEV", err)
	}
	if _, err := c.AddMacvlan(Macvlan{Name: "vrrp.51", Parent: 12345, MAC: m.MAC}); err == nil {
		t.Error("a macvlan on nothing")
	}
}

// TestUnprivileged drops the privilege of one thread.
func TestUnprivileged(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			t.Error(err)
			return
		}
		c, err := Dial()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, probe := c.Probe()
		_, macvlan := c.AddMacvlan(Macvlan{Name: "vrrp.51", Parent: 1, MAC: make(net.HardwareAddr, 6)})
		for what, err := range map[string]error{
			"probe": probe, "macvlan": macvlan,
			"add": c.AddAddr(NewAddr{Index: 1, Prefix: prefix("192.0.2.1/32")}),
			"del": c.DelAddr(1, prefix("192.0.2.1/32")),
			"up":  c.SetUp(1, true),
		} {
			if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
				t.Errorf("%s: %v, want EPERM and CAP_NET_ADMIN", what, err)
			}
		}
		if _, err := c.Addrs(1); err != nil {
			t.Errorf("a list: %v, want none: it needs no privilege", err)
		}
	}()
	<-done
}

func TestClosed(t *testing.T) {
	c := dial(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Addrs(1); err == nil {
		t.Error("a closed connection lists addresses")
	}
}
