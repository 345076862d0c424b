package vrrp_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

// variant is a way to speak VRRP.
type variant struct {
	name    string
	router  lab.Router
	unicast bool
	frr     bool // FRR can speak it, too
}

var variants = []variant{
	{name: "v2", router: lab.Router{Version: 2}, frr: true},
	{name: "v2 PASS", router: lab.Router{Version: 2, Password: "secret12"}},
	{name: "v2 unicast", router: lab.Router{Version: 2}, unicast: true},
	{name: "v3 IPv4", frr: true},
	{name: "v3 IPv4 10ms", router: lab.Router{Interval: 10 * time.Millisecond}},
	{name: "v3 IPv4 unicast", unicast: true},
	{name: "v3 IPv4 virtual MAC", router: lab.Router{VMAC: true}},
	{name: "v3 IPv6", router: lab.Router{VIPs: lab.IPv6VIPs()}, frr: true},
	{name: "v3 IPv6 unicast", router: lab.Router{VIPs: lab.IPv6VIPs()}, unicast: true},
	{name: "v3 IPv6 virtual MAC", router: lab.Router{VIPs: lab.IPv6VIPs(), VMAC: true}},
}

// lifeCases play a whole life of a pair in every variant, with ours as the
// better one and as the other.
func lifeCases() []interopCase {
	var out []interopCase
	add := func(v variant, peer string, program lab.Program) {
		out = append(out,
			interopCase{v.name + ", ours above " + peer, 3, 1, func(r *rig) { r.life(v, ours(), program) }},
			interopCase{v.name + ", ours below " + peer, 3, 1, func(r *rig) { r.life(v, program, ours()) }})
	}
	for _, v := range variants {
		add(v, "keepalived", lab.Keepalived{})
		if v.frr {
			add(v, "FRR", lab.FRR{})
		}
	}
	// The long ones first.
	slices.SortStableFunc(out, func(a, b interopCase) int {
		return map[bool]int{true: 0, false: 1}[a.name[:2] == "v2"] - map[bool]int{true: 0, false: 1}[b.name[:2] == "v2"]
	})
	return out
}

// of is the variant's router for a host.
func (v variant) of(r *rig, host int, priority uint8) lab.Router {
	out := v.router
	out.Priority = priority
	if v.unicast {
		six := out.VIPs != nil
		own := func(h *lab.Host) netip.Addr {
			if six {
				return h.IPv6(0)
			}
			return h.IPv4(0)
		}
		out.Source, out.Peers = own(r.Host(host)), []netip.Addr{own(r.Host(3 - host))}
		if six {
			out.MinTTL = 64 // keepalived 2.2.7 sends IPv6 unicast with the system's hop limit
		}
	}
	return out
}

// life lets a start above b, resign, come back, be killed, come back, and end.
func (r *rig) life(v variant, above, below lab.Program) {
	client := r.Host(3)
	a := func() *lab.Speaker { return r.start(above, 1, v.of(r, 1, 200)) }

	mark := r.Mark()
	low := r.start(below, 2, v.of(r, 2, 100))
	vip := low.Routers[0].VIPs[len(low.Routers[0].VIPs)-1].Addr()
	r.active(low)
	r.announced(low, mark)
	r.reach(client, vip)
	r.follows(client, low, vip)

	// takes plays one change of the Active router: all learn of it.
	takes := func(s *lab.Speaker, mark int) {
		r.t.Helper()
		r.active(s)
		r.announced(s, mark)
		r.follows(client, s, vip)
		r.reach(client, vip)
		r.reach(client, s.Host.IPv4(0))
		r.steady(s, few(s.Routers[0]))
	}
	mark = r.Mark()
	high := a()
	takes(high, mark) // preempts

	mark = r.Mark()
	r.resign(high)
	takes(low, mark)
	r.stopped(high)

	mark = r.Mark()
	high = a()
	takes(high, mark)

	mark = r.Mark()
	r.kill(high)
	takes(low, mark)

	mark = r.Mark()
	high = a() // finds what the killed one left
	takes(high, mark)

	r.stop(low) // a Backup leaves without a word
	r.steady(high, few(high.Routers[0]))
	r.stop(high)
	for _, s := range []*lab.Speaker{low, high} {
		r.Wait("no address to be left", func() bool { return s.Free(s.Routers[0]) })
	}
	r.wellFormed(v)
	r.clean()
}

// stopped waits for the end of a speaker that was asked to.
func (r *rig) stopped(s *lab.Speaker) {
	r.t.Helper()
	if err := s.Process().Join(); err != nil {
		r.Fatalf("host %d: asked to end: %v", s.Host.N, err)
	}
	s.Stop() // what belongs to it
	r.Wait("no address to be left", func() bool { return s.Free(s.Routers[0]) })
}

// reach fails unless the client gets an answer from an address: that a port is
// closed is one.
func (r *rig) reach(client *lab.Host, addr netip.Addr) {
	r.t.Helper()
	if addr.IsLinkLocalUnicast() {
		return
	}
	client.Do(func() error {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, 9).String(), 10*time.Second)
		if err == nil {
			return c.Close()
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("client: %w", err)
		}
		return nil
	})
}

// wellFormed looks at everything that ours ever sent.
func (r *rig) wellFormed(v variant) {
	r.t.Helper()
	for _, s := range r.all {
		if !r.isOurs(s) {
			continue
		}
		router := s.Routers[0]
		mac := s.Host.MAC(0)
		if router.VMAC {
			mac = router.MAC()
		}
		source, checksum := s.Host.IPv4(0), lab.Pseudo
		if router.Family() == 6 {
			source = s.Host.LinkLocal(0)
		}
		if v.unicast {
			source = router.Source
			mac = s.Host.MAC(0)
		}
		if router.Version == 2 {
			checksum = lab.MessageAlone
		}
		for _, f := range r.Frames() {
			if f.Host != s.Host.N {
				continue
			}
			switch f.Kind {
			case lab.Advert:
				ok := f.TTL == 255 && f.TOS == 0xc0 && f.From == source && f.Src == mac && f.Checksum == checksum &&
					f.Version == router.Version && f.VRID == router.VRID && f.Interval == router.Interval && f.Type == 1
				if !ok {
					r.t.Errorf("ours sent: %v (TOS %#x), want from %v at %v, checksum %v", f, f.TOS, source, mac, checksum)
					return
				}
			case lab.Announce:
				own := s.Host.MAC(0)
				if router.VMAC {
					own = router.MAC()
				}
				isVIP := slices.ContainsFunc(router.VIPs, func(p netip.Prefix) bool { return p.Addr() == f.Addr })
				if isVIP && (f.Owner != own || f.Src != own || f.Addr.Is4() && f.Op != 1 || f.Addr.Is6() && f.Flags&0x20 == 0) {
					r.t.Errorf("ours announced: %v (op %d, flags %#x), want %v", f, f.Op, f.Flags, own)
					return
				}
			}
		}
	}
}
