package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

var (
	nlRouter4  = VirtualRouter{VRID: 51, Family: IPv4, Version: 3}
	nlRouter6  = VirtualRouter{VRID: 51, Family: IPv6, Version: 3}
	nlPair4    = []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("192.0.2.101/24")}
	nlPair6    = []netip.Prefix{netip.MustParsePrefix("fe80::100/64"), netip.MustParsePrefix("2001:db8::100/128")}
	background = context.Background()
)

// addressLog collects what a router is told.
type addressLog struct {
	mu     sync.Mutex
	events []AddressEvent
}

func (l *addressLog) add(e AddressEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// take returns "kind address" of each event until now, sorted, and forgets them.
func (l *addressLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []string{}
	for _, e := range l.events {
		kind := map[AddressEventKind]string{AddressRestored: "restored", AddressLost: "lost", AddressConflict: "conflict"}[e.Kind]
		out = append(out, kind+" "+e.Addr.String())
	}
	l.events = nil
	slices.Sort(out)
	return out
}

func openNetlink(t *testing.T, n *Netlink, vr VirtualRouter, vips []netip.Prefix) (Addresses, *addressLog) {
	t.Helper()
	log := &addressLog{}
	a, err := n.Open(t.Context(), vr, vips, log.add)
	if err != nil {
		t.Fatal(err)
	}
	return a, log
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantList compares lists.
func wantList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// put installs an address as somebody else would.
func (k *fakeKernel) put(t *testing.T, link, prefix string, protocol uint8) {
	t.Helper()
	l, ok := k.State().Link(link)
	if !ok {
		t.Fatalf("no link %s", link)
	}
	mustDo(t, k.AddAddr(rtnl.NewAddr{Index: l.Index, Prefix: netip.MustParsePrefix(prefix), Protocol: protocol}))
}

// take removes an address as somebody else would.
func (k *fakeKernel) take(t *testing.T, link, prefix string) {
	t.Helper()
	l, _ := k.State().Link(link)
	mustDo(t, k.DelAddr(l.Index, netip.MustParsePrefix(prefix)))
}

func (k *fakeKernel) index(name string) int {
	l, _ := k.State().Link(name)
	return l.Index
}

func TestNetlinkOptions(t *testing.T) {
	for _, tt := range []struct {
		name, iface string
		opts        []NetlinkOption
		want        string // empty: none
	}{
		{"defaults", "eth0", nil, ""},
		{"all", "eth0", []NetlinkOption{OnLoss(Resign), AddressLifetime(3 * time.Second), AddressLabel("vip"), AddressProtocol(4), AddressNoPrefixRoute(), SweepLeftovers()}, ""},
		{"no name", "", nil, "no name of an interface"},
		{"a long name", "sixteen-letters-", nil, "no name of an interface"},
		{"a path", "../eth0", nil, "no name of an interface"},
		{"the folder above", "..", nil, "no name of an interface"},
		{"a policy", "eth0", []NetlinkOption{OnLoss(7)}, "LossPolicy(7) is no policy"},
		{"a short lifetime", "eth0", []NetlinkOption{AddressLifetime(2 * time.Second)}, "lifetime 2s"},
		{"a broken lifetime", "eth0", []NetlinkOption{AddressLifetime(3500 * time.Millisecond)}, "lifetime 3.5s"},
		{"a negative lifetime", "eth0", []NetlinkOption{AddressLifetime(-time.Minute)}, "lifetime -1m0s"},
		{"a long label", "eth0", []NetlinkOption{AddressLabel("elevenbytes")}, "more than 15 bytes"},
		{"the longest label", "eth0", []NetlinkOption{AddressLabel("tenbytes..")}, ""},
		{"a kernel's protocol", "eth0", []NetlinkOption{AddressProtocol(3)}, "outside 4..255"},
		{"two problems", "eth0", []NetlinkOption{AddressProtocol(0), OnLoss(9)}, "outside 4..255"},
		{"nil", "eth0", []NetlinkOption{nil}, "option 1 is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := netlinkConfigFor(tt.iface, tt.opts)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "vrrp: ")) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNetlinkInstallAndRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		k.put(t, "eth0", "192.0.2.1/24", 0)
		n := k.netlink(AddressLabel("vip"), AddressNoPrefixRoute())
		a, log := openNetlink(t, n, nlRouter4, nlPair4)
		wantList(t, "after Open", k.list("eth0"), "192.0.2.1/24")
		mustDo(t, a.Install(background, nlPair4))
		wantList(t, "held", k.list("eth0"), "192.0.2.1/24", "192.0.2.100/24", "192.0.2.101/24")
		got := k.asked(addrPlace{k.index("eth0"), nlPair4[0]})
		if want := (rtnl.NewAddr{Index: 1, Prefix: nlPair4[0], Label: "eth0:vip", Protocol: 112, NoPrefixRoute: true}); got != want {
			t.Errorf("installed as %+v, want %+v", got, want)
		}
		if s := n.Snapshot(); s.Addresses != 2 || s.Routers != 1 || s.Interface != "eth0" {
			t.Errorf("snapshot %+v, want 2 addresses of 1 router on eth0", s)
		}
		mustDo(t, a.Install(background, nlPair4[1:])) // an Update
		synctest.Wait()
		wantList(t, "one less", k.list("eth0"), "192.0.2.1/24", "192.0.2.101/24")
		mustDo(t, a.Install(background, nlPair4))
		mustDo(t, a.Remove(background, nlPair4))
		wantList(t, "removed", k.list("eth0"), "192.0.2.1/24")
		mustDo(t, a.Remove(background, nlPair4))
		mustDo(t, a.Close())
		mustDo(t, a.Close())
		synctest.Wait()
		wantList(t, "events", log.take())
		if k.open() != 0 {
			t.Errorf("%d sessions are open, want none", k.open())
		}
		if err := a.Install(background, nlPair4); err == nil {
			t.Error("a closed router installs addresses")
		}
	})
}

func TestNetlinkIPv6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, _ := openNetlink(t, k.netlink(AddressLabel("vip")), nlRouter6, nlPair6)
		mustDo(t, a.Install(background, nlPair6))
		for _, tt := range []rtnl.NewAddr{
			{Index: 1, Prefix: nlPair6[0], Label: "eth0:vip", Protocol: 112},
			{Index: 1, Prefix: nlPair6[1], Label: "eth0:vip", Protocol: 112, Deprecated: true},
		} {
			if got := k.asked(addrPlace{1, tt.Prefix}); got != tt {
				t.Errorf("installed as %+v, want %+v", got, tt)
			}
		}
		mustDo(t, a.Remove(background, nlPair6))
		wantList(t, "removed", k.list("eth0"))
		mustDo(t, a.Close())
	})
}

// TestNetlinkLeftovers is a host where an earlier process was killed.
func TestNetlinkLeftovers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tags  bool
		owner bool
		opts  []NetlinkOption
		want  []string // what Open leaves
	}{
		{"ours with our number", true, false, nil, []string{"192.0.2.1/24", "192.0.2.101/24", "192.0.2.200/24", "192.0.2.201/24"}},
		{"all with our number", true, false, []NetlinkOption{SweepLeftovers()}, []string{"192.0.2.1/24", "192.0.2.101/24", "192.0.2.201/24"}},
		{"another number", true, false, []NetlinkOption{AddressProtocol(99)}, []string{"192.0.2.1/24", "192.0.2.100/24", "192.0.2.101/24", "192.0.2.200/24"}},
		{"no numbers at all", false, false, nil, []string{"192.0.2.1/24", "192.0.2.200/24", "192.0.2.201/24"}},
		{"no numbers, and the addresses are those of the host", false, true, nil,
			[]string{"192.0.2.1/24", "192.0.2.100/24", "192.0.2.101/24", "192.0.2.200/24", "192.0.2.201/24"}},
		{"nothing to sweep without numbers", false, false, []NetlinkOption{SweepLeftovers()}, []string{"192.0.2.1/24", "192.0.2.200/24", "192.0.2.201/24"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0")
				k.tags = tt.tags
				k.put(t, "eth0", "192.0.2.100/24", 112) // a leftover VIP, and the first address of its subnet
				k.put(t, "eth0", "192.0.2.1/24", 0)     // that of the host
				k.put(t, "eth0", "192.0.2.101/24", 0)   // a VIP that somebody else has configured
				k.put(t, "eth0", "192.0.2.200/24", 112) // a leftover of another router
				k.put(t, "eth0", "192.0.2.201/24", 99)
				vips := append(slices.Clone(nlPair4), netip.MustParsePrefix("192.0.2.201/32"))
				if tt.name != "another number" {
					vips = nlPair4
				}
				n := k.netlink(tt.opts...)
				vr := nlRouter4
				vr.Owner = tt.owner
				a, _ := openNetlink(t, n, vr, vips)
				wantList(t, "after Open", k.list("eth0"), tt.want...)
				if got, want := int(n.Snapshot().Leftovers), 5-len(tt.want); got != want {
					t.Errorf("%d leftovers counted, want %d", got, want)
				}
				if k.settings(1)[rtnl.PromoteSecondaries] != 0 {
					t.Error("promote_secondaries stays on")
				}
				mustDo(t, a.Close())
			})
		})
	}
}

// A crash between Install and Remove, then another process.
func TestNetlinkCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, _ := openNetlink(t, k.netlink(), nlRouter4, nlPair4)
		mustDo(t, a.Install(background, nlPair4))
		mustDo(t, a.Close()) // removes nothing
		wantList(t, "left over", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
		b, _ := openNetlink(t, k.netlink(), nlRouter4, nlPair4)
		wantList(t, "cleaned", k.list("eth0"))
		mustDo(t, b.Close())
	})
}

// TestNetlinkSweepSparesOthers: what an open router holds is no leftover.
func TestNetlinkSweepSparesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		n := k.netlink(SweepLeftovers())
		a, _ := openNetlink(t, n, nlRouter4, nlPair4)
		mustDo(t, a.Install(background, nlPair4))
		b, _ := openNetlink(t, n, VirtualRouter{VRID: 52, Family: IPv4}, vips4[:0])
		wantList(t, "after the second Open", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
		mustDo(t, b.Close())
		mustDo(t, a.Remove(background, nlPair4))
		mustDo(t, a.Close())
	})
}

// TestNetlinkForeign is an address owner: the host has the address anyway.
func TestNetlinkForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		k.put(t, "eth0", "192.0.2.100/24", 0)
		n := k.netlink()
		a, log := openNetlink(t, n, nlRouter4, nlPair4)
		for range 2 {
			mustDo(t, a.Install(background, nlPair4))
			mustDo(t, a.Remove(background, nlPair4))
			wantList(t, "left alone", k.list("eth0"), "192.0.2.100/24")
		}
		wantList(t, "reported once", log.take(), "conflict 192.0.2.100")
		if n.Snapshot().Foreign != 1 {
			t.Errorf("%d counted, want 1", n.Snapshot().Foreign)
		}
		mustDo(t, a.Install(background, nlPair4))
		k.take(t, "eth0", "192.0.2.100/24")
		synctest.Wait()
		wantList(t, "ours now", log.take(), "restored 192.0.2.100", "restored 192.0.2.101") // the sibling went along
		wantList(t, "both held", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
		mustDo(t, a.Remove(background, nlPair4))
		wantList(t, "removed", k.list("eth0"))
		mustDo(t, a.Close())
	})
}

// A kernel that keeps no numbers: the books alone tell what is ours.
func TestNetlinkWithoutNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		k.tags = false
		a, log := openNetlink(t, k.netlink(), nlRouter4, nlPair4)
		k.put(t, "eth0", "192.0.2.100/24", 0) // after Open
		mustDo(t, a.Install(background, nlPair4))
		wantList(t, "events", log.take(), "conflict 192.0.2.100")
		k.take(t, "eth0", "192.0.2.101/24")
		synctest.Wait()
		wantList(t, "events", log.take(), "restored 192.0.2.101")
		mustDo(t, a.Install(background, nlPair4))
		mustDo(t, a.Remove(background, nlPair4))
		wantList(t, "left alone", k.list("eth0"), "192.0.2.100/24")
		mustDo(t, a.Close())
	})
}

// Somebody removes ours and configures the same: it is theirs.
func TestNetlinkBecomesForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, log := openNetlink(t, k.netlink(), nlRouter4, vips4)
		mustDo(t, a.Install(background, vips4))
		k.edit(func(a *rtnl.Addr) { a.Protocol = 0 })
		synctest.Wait()
		wantList(t, "events", log.take(), "conflict 192.0.2.100")
		mustDo(t, a.Remove(background, vips4))
		wantList(t, "left alone", k.list("eth0"), "192.0.2.100/24")
		mustDo(t, a.Close())
	})
}

func TestNetlinkPolicies(t *testing.T) {
	for _, tt := range []struct {
		policy LossPolicy
		events []string
		held   []string
	}{
		{Reinstall, []string{"restored 192.0.2.101"}, []string{"192.0.2.100/24", "192.0.2.101/24"}},
		{Resign, []string{"lost 192.0.2.101"}, []string{"192.0.2.100/24"}},
		{Ignore, []string{}, []string{"192.0.2.100/24"}},
	} {
		t.Run(tt.policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0")
				n := k.netlink(OnLoss(tt.policy))
				a, log := openNetlink(t, n, nlRouter4, nlPair4)
				mustDo(t, a.Install(background, nlPair4))
				k.take(t, "eth0", "192.0.2.101/24")
				synctest.Wait()
				wantList(t, "events", log.take(), tt.events...)
				wantList(t, "held", k.list("eth0"), tt.held...)
				time.Sleep(time.Hour)
				wantList(t, "events later", log.take())
				s := n.Snapshot()
				if s.Restored != uint64(strings.Count(fmt.Sprint(tt.events), "restored")) || s.Lost != uint64(strings.Count(fmt.Sprint(tt.events), "lost")) {
					t.Errorf("snapshot %+v, want what was told", s)
				}
				mustDo(t, a.Remove(background, nlPair4))
				mustDo(t, a.Install(background, nlPair4)) // another term
				wantList(t, "held again", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
				mustDo(t, a.Remove(background, nlPair4))
				wantList(t, "removed", k.list("eth0"))
				mustDo(t, a.Close())
			})
		})
	}
}

// A failure of duplicate address detection makes an address useless.
func TestNetlinkDuplicateDetection(t *testing.T) {
	for _, tt := range []struct {
		policy LossPolicy
		events []string
		useful bool
	}{
		{Reinstall, []string{"restored 2001:db8::100", "restored fe80::100"}, true},
		{Resign, []string{"lost 2001:db8::100", "lost fe80::100"}, false},
		{Ignore, []string{}, false},
	} {
		t.Run(tt.policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0")
				a, log := openNetlink(t, k.netlink(OnLoss(tt.policy)), nlRouter6, nlPair6)
				mustDo(t, a.Install(background, nlPair6))
				k.edit(func(a *rtnl.Addr) { a.Tentative = true })
				synctest.Wait()
				wantList(t, "events", log.take(), tt.events...)
				if tt.useful {
					wantList(t, "held", k.list("eth0"), "2001:db8::100/128", "fe80::100/64")
					if slices.ContainsFunc(k.State().Addrs, func(a rtnl.Addr) bool { return a.Tentative }) {
						t.Errorf("still tentative: %+v", k.State().Addrs)
					}
				}
				mustDo(t, a.Remove(background, nlPair6))
				wantList(t, "removed", k.list("eth0"))
				mustDo(t, a.Close())
			})
		})
	}
}

// A watcher that is behind must not make a loss of what was installed just now.
func TestNetlinkOldNews(t *testing.T) {
	for _, policy := range []LossPolicy{Reinstall, Resign, Ignore} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel("eth0")
			a, log := openNetlink(t, k.netlink(OnLoss(policy)), nlRouter4, nlPair4)
			k.deafen(true)
			mustDo(t, a.Install(background, nlPair4))
			k.poke()
			synctest.Wait()
			wantList(t, policy.String(), log.take())
			k.deafen(false)
			synctest.Wait()
			wantList(t, policy.String(), log.take())
			wantList(t, "held", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
			mustDo(t, a.Remove(background, nlPair4))
			mustDo(t, a.Close())
		})
	}
}

// An address that is removed right after it was installed: the watcher reads of
// both at once, and has no news to tell.
func TestNetlinkUnnoticed(t *testing.T) {
	for _, tt := range []struct {
		policy LossPolicy
		want   []string
	}{
		{Reinstall, []string{"restored 192.0.2.101"}},
		{Resign, []string{"lost 192.0.2.101"}},
		{Ignore, []string{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel("eth0")
			a, log := openNetlink(t, k.netlink(OnLoss(tt.policy)), nlRouter4, nlPair4)
			synctest.Wait()
			k.deafen(true)
			mustDo(t, a.Install(background, nlPair4))
			k.mu.Lock()
			k.addrs = k.addrs[:1]
			k.mu.Unlock()
			time.Sleep(time.Second)
			wantList(t, tt.policy.String(), log.take(), tt.want...)
			time.Sleep(time.Minute)
			if got := k.called("addrs"); got > 120 { // the watcher still knows nothing
				t.Errorf("the kernel was asked %d times in a minute, want about once a second", got)
			}
			mustDo(t, a.Remove(background, nlPair4))
			mustDo(t, a.Close())
		})
	}
}

// A lifetime that cannot be renewed is no reason to spin.
func TestNetlinkRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, _ := openNetlink(t, k.netlink(AddressLifetime(time.Hour)), nlRouter4, vips4)
		mustDo(t, a.Install(background, vips4))
		k.failing(func(call string) error {
			if strings.HasPrefix(call, "replace") {
				return syscall.ENOBUFS
			}
			return nil
		})
		time.Sleep(20*time.Minute + 10*time.Second)
		if got := k.called("replace 192.0.2.100/24"); got < 50 || got > 150 {
			t.Errorf("tried %d times in 10 seconds, want about 100", got)
		}
		mustDo(t, a.Remove(background, vips4))
		mustDo(t, a.Close())
	})
}

func TestNetlinkLinkDownAndUp(t *testing.T) {
	for _, policy := range []LossPolicy{Reinstall, Resign, Ignore} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel("eth0")
				n := k.netlink(OnLoss(policy))
				a, log := openNetlink(t, n, nlRouter6, nlPair6)
				b, log4 := openNetlink(t, n, nlRouter4, nlPair4)
				mustDo(t, a.Install(background, nlPair6))
				mustDo(t, b.Install(background, nlPair4))
				mustDo(t, k.SetUp(1, false))
				synctest.Wait()
				wantList(t, "down", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
				wantList(t, "events", log.take())
				mustDo(t, k.SetUp(1, true))
				synctest.Wait()
				wantList(t, "up", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24", "2001:db8::100/128", "fe80::100/64")
				wantList(t, "events", log.take(), "restored 2001:db8::100", "restored fe80::100")
				wantList(t, "IPv4 events", log4.take())

				mustDo(t, a.Remove(background, nlPair6))
				mustDo(t, k.SetUp(1, false))
				time.Sleep(backoffCalm)
				mustDo(t, a.Install(background, nlPair6)) // what a link that is down would lose again
				mustDo(t, k.SetUp(1, true))
				synctest.Wait()
				synctest.Wait()
				wantList(t, "installed while down", log.take(), "restored 2001:db8::100", "restored fe80::100")
				mustDo(t, a.Remove(background, nlPair6))
				mustDo(t, b.Remove(background, nlPair4))
				wantList(t, "removed", k.list("eth0"))
				mustDo(t, a.Close())
				mustDo(t, b.Close())
			})
		})
	}
}

func TestNetlinkInterfaceGoesAndComes(t *testing.T) {
	for _, tt := range []struct {
		policy     LossPolicy
		gone, back []string
		held       []string
	}{
		{Reinstall, []string{"lost 192.0.2.100", "lost 192.0.2.101"}, []string{"restored 192.0.2.100", "restored 192.0.2.101"}, []string{"192.0.2.100/24", "192.0.2.101/24"}},
		{Resign, []string{"lost 192.0.2.100", "lost 192.0.2.101"}, []string{}, []string{}},
		{Ignore, []string{}, []string{"restored 192.0.2.100", "restored 192.0.2.101"}, []string{"192.0.2.100/24", "192.0.2.101/24"}},
	} {
		for _, how := range []string{"deleted", "renamed", "replaced at once"} {
			t.Run(tt.policy.String()+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newFakeKernel("eth0")
					a, log := openNetlink(t, k.netlink(OnLoss(tt.policy)), nlRouter4, nlPair4)
					mustDo(t, a.Install(background, nlPair4))
					if how == "replaced at once" {
						k.deafen(true)
					}
					if how == "renamed" {
						k.mu.Lock()
						k.links[0].Name = "eth1"
						k.tell()
						k.mu.Unlock()
					} else {
						mustDo(t, k.DelLink(1))
					}
					synctest.Wait()
					if how != "replaced at once" {
						wantList(t, "gone", log.take(), tt.gone...)
						wantList(t, "under the new name", k.list("eth1"))
						time.Sleep(time.Hour)
						wantList(t, "gone for long", log.take())
					}
					k.plug("eth0")
					if how == "replaced at once" {
						k.deafen(false)
						synctest.Wait()
						switch tt.policy {
						case Reinstall:
							wantList(t, "replaced", log.take(), tt.back...)
						case Resign:
							wantList(t, "replaced", log.take(), tt.gone...)
						case Ignore:
							wantList(t, "replaced", log.take())
						}
					} else {
						synctest.Wait()
						wantList(t, "back", log.take(), tt.back...)
						wantList(t, "held", k.list("eth0"), tt.held...)
					}
					mustDo(t, a.Remove(background, nlPair4))
					wantList(t, "removed", k.list("eth0"))
					mustDo(t, a.Close())
				})
			})
		}
	}
}

func TestNetlinkMissingInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth1")
		if _, err := k.netlink().Open(background, nlRouter4, nlPair4, nil); !errors.Is(err, syscall.ENODEV) || !strings.Contains(err.Error(), "eth0") {
			t.Errorf("Open on a missing interface: %v, want ENODEV and its name", err)
		}
		if k.open() != 0 {
			t.Errorf("%d sessions are open, want none", k.open())
		}
		vr := nlRouter4
		vr.Dynamic = true
		a, log := openNetlink(t, k.netlink(), vr, nlPair4)
		if err := a.Install(background, nlPair4); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("Install on a missing interface: %v, want ENODEV", err)
		}
		mustDo(t, a.Remove(background, nlPair4))
		k.plug("eth0")
		synctest.Wait()
		wantList(t, "not held", k.list("eth0"))
		mustDo(t, a.Install(background, nlPair4))
		wantList(t, "held", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
		wantList(t, "events", log.take())
		mustDo(t, a.Remove(background, nlPair4))
		mustDo(t, a.Close())
	})
}

// An interface that goes while it is looked at is missing, too.
func TestNetlinkInterfaceGoesDuringOpen(t *testing.T) {
	for _, c := range []struct {
		name, fails string
		vr          VirtualRouter
	}{
		{"its addresses", "addrs", nlRouter4},
		{"its virtual MAC", "macvlan", VirtualRouter{VRID: 51, Family: IPv4, VirtualMAC: true}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			k := newFakeKernel("eth0")
			k.failing(func(call string) error {
				if strings.HasPrefix(call, c.fails) {
					return syscall.ENODEV
				}
				return nil
			})
			if _, err := k.netlink().Open(background, c.vr, nlPair4, nil); !errors.Is(err, syscall.ENODEV) {
				t.Errorf("Open = %v, want ENODEV", err)
			}
			vr := c.vr
			vr.Dynamic = true
			a, _ := openNetlink(t, k.netlink(), vr, nlPair4)
			k.failing(nil)
			mustDo(t, a.Install(background, nlPair4))
			mustDo(t, a.Remove(background, nlPair4))
			mustDo(t, a.Close())
			wantList(t, "left", k.list("eth0"))
		})
	}
}

func TestNetlinkUnprivileged(t *testing.T) {
	k := newFakeKernel("eth0")
	k.probe = fmt.Errorf("probe: %w: CAP_NET_ADMIN is needed", syscall.EPERM)
	if _, err := k.netlink().Open(background, nlRouter4, nlPair4, nil); !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("Open: %v, want EPERM and CAP_NET_ADMIN", err)
	}
	if k.open() != 0 {
		t.Errorf("%d sessions are open, want none", k.open())
	}
}

func TestNetlinkTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		n := k.netlink()
		a, _ := openNetlink(t, n, nlRouter4, nlPair4)
		if _, err := n.Open(background, nlRouter4, nil, nil); err == nil || !strings.Contains(err.Error(), "51") {
			t.Errorf("the same VRID twice: %v, want an error that names it", err)
		}
		if _, err := n.Open(background, VirtualRouter{VRID: 52, Family: IPv4}, nlPair4[1:], nil); err == nil || !strings.Contains(err.Error(), "192.0.2.101") {
			t.Errorf("the same address twice: %v, want an error that names it", err)
		}
		b, _ := openNetlink(t, n, nlRouter6, nlPair6) // another family is another router
		if err := b.Install(background, append(slices.Clone(nlPair6), nlPair4...)); err == nil {
			t.Error("an address of another router was installed")
		}
		mustDo(t, b.Remove(background, nil))
		mustDo(t, b.Close())
		mustDo(t, a.Close())
		c, _ := openNetlink(t, n, nlRouter4, nlPair4) // free again
		mustDo(t, c.Close())
	})
}

// Whatever an adversary does, repairs are spaced.
func TestNetlinkAdversary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		n := k.netlink()
		a, log := openNetlink(t, n, nlRouter4, vips4)
		mustDo(t, a.Install(background, vips4))
		stop := make(chan struct{})
		var adversary sync.WaitGroup
		adversary.Go(func() { // removes it as soon as it is there
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					_ = k.DelAddr(1, vips4[0])
				}
			}
		})
		time.Sleep(time.Minute)
		added := k.called("add 192.0.2.100/24")
		if added < 50 || added > 75 { // 7 doublings, then once a second
			t.Errorf("put back %d times in a minute, want about 60", added)
		}
		if got := n.Snapshot().Restored; int(got) != added-1 {
			t.Errorf("%d restored, want %d", got, added-1)
		}
		close(stop)
		adversary.Wait()
		time.Sleep(2 * time.Second)
		wantList(t, "peace", k.list("eth0"), "192.0.2.100/24")
		if got := len(log.take()); got != k.called("add 192.0.2.100/24")-1 {
			t.Errorf("%d events, want one for each repair", got)
		}
		time.Sleep(time.Minute)
		before := time.Now()
		k.take(t, "eth0", "192.0.2.100/24")
		synctest.Wait()
		if k.list("eth0")[0] != "192.0.2.100/24" || !time.Now().Equal(before) {
			t.Error("after a calm, a repair waits")
		}
		mustDo(t, a.Remove(background, vips4))
		mustDo(t, a.Close())
	})
}

func TestBackoff(t *testing.T) {
	t0 := time.Now()
	var b repairBackoff
	now := t0
	var waits []time.Duration
	for range 10 {
		b.hit(now)
		waits = append(waits, b.wait(now))
		now = now.Add(b.wait(now))
	}
	ms := time.Millisecond
	if w := []time.Duration{10 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, time.Second, time.Second, time.Second}; !slices.Equal(waits, w) {
		t.Errorf("waits %v, want %v", waits, w)
	}
	now = now.Add(backoffCalm)
	if b.hit(now); b.wait(now) != firstBackoff {
		t.Errorf("wait %v after a calm, want %v", b.wait(now), firstBackoff)
	}
	if b.hit(t0); b.wait(t0) > lastBackoff { // time going backwards
		t.Errorf("wait %v, want at most %v", b.wait(t0), lastBackoff)
	}
}

func TestNetlinkLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, log := openNetlink(t, k.netlink(AddressLifetime(30*time.Second)), nlRouter4, nlPair4)
		mustDo(t, a.Install(background, nlPair4))
		if got := k.asked(addrPlace{1, nlPair4[0]}).Lifetime; got != 30*time.Second {
			t.Errorf("lifetime %v, want 30s", got)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if got := k.called("replace 192.0.2.100/24"); got != 6 {
			t.Errorf("renewed %d times in a minute, want 6", got)
		}
		k.take(t, "eth0", "192.0.2.101/24")
		synctest.Wait()
		wantList(t, "events", log.take(), "restored 192.0.2.101")
		mustDo(t, a.Remove(background, nlPair4))
		before := k.called("replace 192.0.2.100/24")
		time.Sleep(time.Hour)
		if got := k.called("replace 192.0.2.100/24"); got != before {
			t.Error("renewed after Remove")
		}
		mustDo(t, a.Close())
	})
}

// A process that was stopped for longer than the lifetime must not take the
// addresses back: somebody else has them.
func TestNetlinkExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, log := openNetlink(t, k.netlink(AddressLifetime(30*time.Second)), nlRouter4, nlPair4)
		mustDo(t, a.Install(background, nlPair4))
		stopped := make(chan struct{})
		k.mu.Lock()
		k.stopped = stopped // from the first renewal on
		k.mu.Unlock()
		time.Sleep(41 * time.Second)
		k.mu.Lock()
		k.addrs, k.stopped = nil, nil
		k.tell()
		k.mu.Unlock()
		close(stopped)
		synctest.Wait()
		wantList(t, "events", log.take(), "lost 192.0.2.100", "lost 192.0.2.101")
		wantList(t, "held", k.list("eth0"))
		time.Sleep(time.Hour)
		wantList(t, "later", log.take())
		mustDo(t, a.Remove(background, nlPair4))
		mustDo(t, a.Install(background, nlPair4))
		wantList(t, "another term", k.list("eth0"), "192.0.2.100/24", "192.0.2.101/24")
		mustDo(t, a.Remove(background, nlPair4))
		mustDo(t, a.Close())
	})
}

// An address that cannot be removed is removed later.
func TestNetlinkRemoveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, _ := openNetlink(t, k.netlink(), nlRouter4, nlPair4)
		mustDo(t, a.Install(background, nlPair4))
		k.failing(func(call string) error {
			if call == "del 192.0.2.100/24" {
				return syscall.ENOBUFS
			}
			return nil
		})
		if err := a.Remove(background, nlPair4); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("Remove: %v, want ENOBUFS", err)
		}
		wantList(t, "one is left", k.list("eth0"), "192.0.2.100/24")
		time.Sleep(time.Second)
		if got := k.called("del 192.0.2.100/24"); got < 5 || got > 15 {
			t.Errorf("tried %d times in a second, want about 10", got)
		}
		k.failing(nil)
		time.Sleep(time.Second)
		wantList(t, "gone", k.list("eth0"))
		mustDo(t, a.Close())
	})
}

func TestNetlinkInstallFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, _ := openNetlink(t, k.netlink(), nlRouter4, nlPair4)
		k.failing(func(call string) error {
			if call == "add 192.0.2.101/24" {
				return syscall.ENOMEM
			}
			return nil
		})
		if err := a.Install(background, nlPair4); !errors.Is(err, syscall.ENOMEM) || !strings.Contains(err.Error(), "eth0") {
			t.Errorf("Install: %v, want ENOMEM and the interface", err)
		}
		mustDo(t, a.Remove(background, nlPair4))
		wantList(t, "nothing is left", k.list("eth0"))

		k.failing(nil)
		ctx, cancel := context.WithCancel(background)
		cancel()
		if err := a.Install(ctx, nlPair4); !errors.Is(err, context.Canceled) {
			t.Errorf("Install: %v, want that it was cancelled", err)
		}
		mustDo(t, a.Remove(background, nlPair4))
		wantList(t, "nothing is left", k.list("eth0"))
		mustDo(t, a.Close())
	})
}

// An address that cannot be put back makes the router resign.
func TestNetlinkRepairFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, log := openNetlink(t, k.netlink(), nlRouter4, vips4)
		mustDo(t, a.Install(background, vips4))
		k.failing(func(call string) error {
			if strings.HasPrefix(call, "add ") {
				return syscall.EPERM
			}
			return nil
		})
		k.take(t, "eth0", "192.0.2.100/24")
		synctest.Wait()
		wantList(t, "events", log.take(), "lost 192.0.2.100")
		time.Sleep(time.Hour)
		if got := k.called("add 192.0.2.100/24"); got != 2 {
			t.Errorf("tried %d times, want the first and one more", got)
		}
		mustDo(t, a.Remove(background, vips4))
		mustDo(t, a.Close())
	})
}

// No event comes after Remove and Close, even one that was on its way.
func TestNetlinkNoLateEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel("eth0")
		a, log := openNetlink(t, k.netlink(OnLoss(Resign)), nlRouter4, vips4)
		mustDo(t, a.Install(background, vips4))
		r := a.(*netlinkRouter)
		r.n.mu.Lock()
		r.lockedTell(AddressLost, vips4[0].Addr(), nil)
		news := r.lockedNews()
		r.n.mu.Unlock()
		mustDo(t, a.Remove(background, vips4))
		news[0].deliver()
		wantList(t, "events", log.take())
		mustDo(t, a.Close())
	})
}

// When the first address of a subnet goes, those of others stay.
func TestNetlinkPromotes(t *testing.T) {
	for _, before := range []uint32{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel("eth0")
			k.set(1, rtnl.PromoteSecondaries, before)
			a, _ := openNetlink(t, k.netlink(), nlRouter4, nlPair4)
			mustDo(t, a.Install(background, nlPair4)) // the first is primary
			k.put(t, "eth0", "192.0.2.1/24", 0)       // so this is secondary
			mustDo(t, a.Install(background, nlPair4[1:]))
			wantList(t, "the first is gone", k.list("eth0"), "192.0.2.1/24", "192.0.2.101/24")
			mustDo(t, a.Remove(background, nlPair4))
			wantList(t, "removed", k.list("eth0"), "192.0.2.1/24")
			if got := k.settings(1)[rtnl.PromoteSecondaries]; got != before {
				t.Errorf("promote_secondaries %d, want %d as before", got, before)
			}
			mustDo(t, a.Close())
		})
	}
}
