package rtnl

import "slices"

// table is a State that follows notifications. Each of them says all about one
// link or address, so applying an old one again does no lasting harm once the
// later ones have been applied too.
type table struct {
	links []Link
	addrs []Addr // in the order of the kernel, new ones last
}

func (t *table) putLink(l Link) {
	if i := t.link(l.Index); i >= 0 {
		t.links[i] = l
		return
	}
	t.links = append(t.links, l)
}

// dropLink forgets a link and its addresses.
func (t *table) dropLink(index int) {
	t.links = slices.DeleteFunc(t.links, func(l Link) bool { return l.Index == index })
	t.addrs = slices.DeleteFunc(t.addrs, func(a Addr) bool { return a.Index == index })
}

// link returns where a link is, or -1.
func (t *table) link(index int) int {
	return slices.IndexFunc(t.links, func(l Link) bool { return l.Index == index })
}

func (t *table) putAddr(a Addr) {
	if i := slices.IndexFunc(t.addrs, a.same); i >= 0 {
		t.addrs[i] = a
		return
	}
	t.addrs = append(t.addrs, a)
}

func (t *table) dropAddr(a Addr) { t.addrs = slices.DeleteFunc(t.addrs, a.same) }

// snapshot copies the table.
func (t *table) snapshot() *State {
	return &State{Links: slices.Clone(t.links), Addrs: slices.Clone(t.addrs)}
}
