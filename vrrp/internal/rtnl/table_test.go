package rtnl

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// model is what the table should know, without an order.
type model struct {
	links map[int]Link
	addrs map[string]Addr
}

func key(a Addr) string { return fmt.Sprint(a.Index, a.Prefix, a.Peer) }

// TestTableAgainstModel applies random messages to the table and to two maps.
func TestTableAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		var tab table
		m := model{map[int]Link{}, map[string]Addr{}}
		for step := range 500 {
			l := Link{Index: random.IntN(4), MTU: random.IntN(3)}
			a := Addr{Index: l.Index, Protocol: uint8(random.IntN(3)), Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(5))}), 24+random.IntN(2)*8)}
			switch random.IntN(6) {
			case 0, 1:
				tab.putAddr(a)
				m.addrs[key(a)] = a
			case 2:
				tab.dropAddr(a)
				delete(m.addrs, key(a))
			case 3, 4:
				tab.putLink(l)
				m.links[l.Index] = l
			case 5:
				tab.dropLink(l.Index)
				delete(m.links, l.Index)
				maps.DeleteFunc(m.addrs, func(_ string, a Addr) bool { return a.Index == l.Index })
			}
			s := tab.snapshot()
			if len(s.Links) != len(m.links) || len(s.Addrs) != len(m.addrs) ||
				slices.ContainsFunc(s.Links, func(l Link) bool { return !l.equal(m.links[l.Index]) }) ||
				slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a != m.addrs[key(a)] }) {
				t.Fatalf("seed %d, step %d: table %+v, model %+v", seed, step, s, m)
			}
		}
	}
}

func TestSnapshotIsNotModified(t *testing.T) {
	var tab table
	tab.putLink(Link{Index: 1, MTU: 1500})
	tab.putAddr(address("192.0.2.1/24"))
	s := tab.snapshot()
	tab.putLink(Link{Index: 1, MTU: 9000})
	tab.dropAddr(address("192.0.2.1/24"))
	if s.Links[0].MTU != 1500 || len(s.Addrs) != 1 || s.Addrs[0].Index != 1 {
		t.Errorf("the snapshot changed: %+v", s)
	}
}
