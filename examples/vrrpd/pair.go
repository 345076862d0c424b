package main

import (
	"fmt"
	"net/netip"
	"slices"
)

// pair is one virtual router on two nodes.
type pair struct {
	a, b  *instance
	found []finding
}

func (p *pair) add(s severity, flags, format string, args ...any) {
	p.found = append(p.found, finding{s, p.a.vrid, flags, fmt.Sprintf(format, args...)})
}

// match finds the pairs: by family and VRID, and by the interface's name where several have the same. What is left over is
// matched by a common address, which tells that a VRID is wrong.
func match(a, b []instance) (pairs []*pair, alone []finding) {
	used := make([]bool, len(b))
	find := func(fits func(*instance) bool) *instance {
		for i := range b {
			if !used[i] && fits(&b[i]) {
				used[i] = true
				return &b[i]
			}
		}
		return nil
	}
	var left []*instance
	for i := range a {
		x := &a[i]
		y := find(func(y *instance) bool { return y.key() == x.key() })
		if y == nil {
			y = find(func(y *instance) bool { return y.vrid == x.vrid && y.family() == x.family() })
		}
		if y == nil {
			left = append(left, x)
			continue
		}
		pairs = append(pairs, &pair{a: x, b: y})
	}
	for _, x := range left {
		y := find(func(y *instance) bool { return len(common(x.vips, y.vips)) > 0 })
		if y != nil {
			alone = append(alone, finding{mistake, x.vrid, "-vrid", fmt.Sprintf("A has %d and B has %d for -vip %v: both hold it", x.vrid, y.vrid, common(x.vips, y.vips)[0])})
		} else {
			alone = append(alone, lonely(x, "A", "B"))
		}
	}
	for i := range b {
		if !used[i] {
			alone = append(alone, lonely(&b[i], "B", "A"))
		}
	}
	return pairs, alone
}

func lonely(in *instance, here, there string) finding {
	return finding{warning, in.vrid, "-vrid", fmt.Sprintf("only %s has it for %v: %s takes nothing over", here, in.family(), there)}
}

// common lists the addresses of both.
func common(a, b []netip.Prefix) []netip.Addr {
	var out []netip.Addr
	for _, p := range a {
		if slices.ContainsFunc(b, func(q netip.Prefix) bool { return p.Addr() == q.Addr() }) {
			out = append(out, p.Addr())
		}
	}
	return out
}

// findings compares everything.
func (p *pair) findings() []finding {
	p.version()
	p.authentication()
	p.interval()
	p.addresses()
	p.unicast()
	p.manners()
	p.priorities()
	return p.found
}
