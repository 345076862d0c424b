package vrrp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// netlinkWorld is a host on which everything happens that may happen to an interface.
type netlinkWorld struct {
	*fakeKernel
	random *rand.Rand
	vr     VirtualRouter
	vips   []netip.Prefix // all there are
	addrs  Addresses
	now    []netip.Prefix // to be held; nil: none
	told   *addressLog
	trace  []string
}

// on is the link that addresses belong on.
func (w *netlinkWorld) on() (rtnl.Link, bool) {
	if !w.vr.VirtualMAC {
		return w.State().Link("eth0")
	}
	parent, ok := w.State().Link("eth0")
	for _, l := range w.State().Links {
		if ok && l.Parent == parent.Index {
			return l, true
		}
	}
	return rtnl.Link{}, false
}

func (w *netlinkWorld) step(t *testing.T) {
	vip := w.vips[w.random.IntN(len(w.vips))]
	link, there := w.on()
	eth0, home := w.State().Link("eth0")
	var what string
	switch op := w.random.IntN(12); {
	case op == 0:
		what = "install"
		w.now = slices.Clone(w.vips)
		w.random.Shuffle(len(w.now), func(i, j int) { w.now[i], w.now[j] = w.now[j], w.now[i] })
		w.now = w.now[:1+w.random.IntN(len(w.now))]
		if w.addrs.Install(t.Context(), w.now) != nil {
			_ = w.addrs.Remove(t.Context(), w.now)
			w.now = nil
		}
	case op == 1:
		what = "remove"
		_ = w.addrs.Remove(t.Context(), w.now)
		w.now = nil
	case op <= 4 && there:
		what = fmt.Sprint("somebody removes ", vip)
		w.quietly(func() { _ = w.DelAddr(link.Index, vip) })
	case op == 5 && home:
		what = fmt.Sprint("eth0 up: ", !eth0.Up)
		mustDo(t, w.SetUp(eth0.Index, !eth0.Up))
	case op == 6 && home:
		what = "eth0 is deleted"
		mustDo(t, w.DelLink(eth0.Index))
	case op == 6 || op == 7 && !home:
		what = "eth0 is made"
		w.plug("eth0")
	case op == 7:
		what = "eth0 is renamed"
		w.mu.Lock()
		w.link(eth0.Index).Name = fmt.Sprint("eth0-", eth0.Index)
		w.tell()
		w.mu.Unlock()
	case op == 8 && there:
		what = fmt.Sprint("somebody configures ", vip)
		_ = w.AddAddr(rtnl.NewAddr{Index: link.Index, Prefix: vip})
	case op == 9 && there && w.vr.VirtualMAC:
		what = "somebody deletes the macvlan"
		_ = w.DelLink(link.Index) // the manager may have been quicker
	case op == 10 && there && w.vr.VirtualMAC:
		what = "somebody sets the macvlan down"
		_ = w.SetUp(link.Index, false)
	default:
		what = "time passes"
		time.Sleep(time.Duration(w.random.IntN(50)) * time.Millisecond)
	}
	if w.random.IntN(2) == 0 {
		what += ", and settles"
		synctest.Wait()
	}
	w.trace = append(w.trace, what)
}

// flaky makes a tenth of the calls fail that are tried again.
func (w *netlinkWorld) flaky(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = nil
	if on {
		random := rand.New(rand.NewPCG(w.random.Uint64(), 2)) // mu guards it
		w.fail = func(call string) error {
			if (strings.HasPrefix(call, "del ") || call == "links" || call == "addrs") && random.IntN(10) == 0 {
				return syscall.ENOBUFS
			}
			return nil
		}
	}
}

// quietly does what somebody else does, who has no trouble.
func (w *netlinkWorld) quietly(f func()) {
	w.mu.Lock()
	fail := w.fail
	w.fail = nil
	w.mu.Unlock()
	f()
	w.mu.Lock()
	w.fail = fail
	w.mu.Unlock()
}

// check tells what is wrong once nothing happens any more.
func (w *netlinkWorld) check() error {
	link, there := w.on()
	_, home := w.State().Link("eth0")
	var wrong []string
	for _, a := range w.State().Addrs {
		held := slices.Contains(w.now, a.Prefix)
		if a.Protocol == defaultAddressProtocol && (!held || !there || a.Index != link.Index) {
			wrong = append(wrong, fmt.Sprintf("%v of ours is on link %d", a.Prefix, a.Index))
		}
	}
	for _, p := range w.now {
		waits := !home || p.Addr().Is6() && !link.Up
		if !waits && (!there || w.find(addrPlace{link.Index, p}) < 0) {
			wrong = append(wrong, fmt.Sprintf("%v is missing", p))
		}
	}
	if w.vr.VirtualMAC && there && home && link.Up != (w.now != nil) {
		wrong = append(wrong, fmt.Sprintf("the macvlan is up: %v", link.Up))
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%s; held: %v; links %+v; after:\n%s", strings.Join(wrong, ", "), w.now, w.links, strings.Join(w.trace, "\n"))
}

// TestNetlinkModel: whatever happened, once it is quiet the kernel has what the
// router was last asked for, and nothing else of ours.
func TestNetlinkModel(t *testing.T) {
	for _, tt := range []struct {
		name string
		vr   VirtualRouter
		vips []netip.Prefix
	}{
		{"IPv4", nlRouter4, append(slices.Clone(nlPair4), netip.MustParsePrefix("192.0.2.102/32"))},
		{"IPv6", nlRouter6, nlPair6},
		{"virtual MAC", nlVirtual4, nlPair4},
		{"virtual MAC, IPv6", nlVirtual6, nlPair6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(300) {
				synctest.Test(t, func(t *testing.T) {
					w := &netlinkWorld{fakeKernel: newFakeKernel("eth0"), random: rand.New(rand.NewPCG(seed, 1)), vr: tt.vr, vips: tt.vips}
					var lifetime time.Duration
					if seed%3 == 0 {
						lifetime = 30 * time.Second
					}
					w.addrs, w.told = openNetlink(t, w.netlink(AddressLifetime(lifetime)), tt.vr, tt.vips)
					for range 5 {
						w.flaky(seed%2 == 1)
						for range 1 + w.random.IntN(12) {
							w.step(t)
						}
						w.flaky(false)
						time.Sleep(5 * time.Second)
						if err := w.check(); err != nil {
							t.Fatalf("seed %d: %v", seed, err)
						}
					}
					mustDo(t, w.addrs.Remove(t.Context(), w.now))
					w.now = nil
					if err := w.check(); err != nil {
						t.Fatalf("seed %d, at the end: %v", seed, err)
					}
					mustDo(t, w.addrs.Close())
				})
			}
		})
	}
}
