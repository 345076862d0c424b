package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// side is one node of a pair in the election.
type side struct {
	name string
	in   *instance
}

// claim is the effective priority: that of the flags and what the trackers add, within 1 and 254. failed tells which
// ones add the less of the two values they have.
func (s side) claim(failed func(track) bool) int {
	if s.in.priority == 255 {
		return 255
	}
	sum := int(s.in.priority)
	for _, t := range s.in.tracked() {
		if well, ill := t.adds(true), t.adds(false); failed(t) {
			sum += min(well, ill)
		} else {
			sum += max(well, ill)
		}
	}
	return max(1, min(sum, 254))
}

// What has failed in two extreme cases.
func nothing(track) bool    { return false }
func everything(track) bool { return true }

// priorities tells who wins, and whether tracking can change that.
func (p *pair) priorities() {
	high, low := side{"A", p.a}, side{"B", p.b}
	if low.claim(nothing) > high.claim(nothing) {
		high, low = low, high
	}
	h, l := high.claim(nothing), low.claim(nothing)
	switch {
	case h == 255 && l == 255:
		p.add(mistake, "-priority", "A and B both have 255: only one can own the addresses")
		return
	case h == l:
		p.add(warning, "-priority", "A and B both claim %d: they may become Active together, and the higher address wins", h)
		return
	}
	p.gap(h, l)
	if !low.in.preempt && high.in.preempt && !weighted(high.in) {
		p.add(note, "-preempt", "%s never has the higher priority: -preempt=false changes nothing there", low.name)
	}
	p.weights(high, low)
	p.oneSided(high, low)
	p.oneSided(low, high)
}

// jitter is how late a timer may be on a busy host. Two claims that are nearer than that do not order the routers.
const jitter = 2 * time.Millisecond

// gap tells whether the skews of two claims are far enough apart: a step of priority is 1/256 of the interval, in version
// 2 of a second.
func (p *pair) gap(high, low int) {
	unit := min(p.a.interval, p.b.interval)
	if p.a.version == 2 {
		unit = time.Second
	}
	if time.Duration(high-low)*unit/256 < jitter {
		want := (256*jitter + unit - 1) / unit
		p.add(warning, "-priority", "%d and %d are %v apart at this interval, a late timer reorders them: want a gap of %d", high, low, time.Duration(high-low)*unit/256, want)
	}
}

// weights tells whether what high tracks can move the address to low.
func (p *pair) weights(high, low side) {
	if !weighted(high.in) {
		return
	}
	h, l := high.claim(nothing), low.claim(nothing)
	fallen := high.claim(everything)
	flags := "-priority " + strings.Join(trackFlags(high.in), " ")
	switch {
	case fallen >= l:
		p.add(warning, flags, "%s falls from %d to %d when all it tracks has failed, and %s has %d: the address never moves; want weights that bring it below %d",
			high.name, h, fallen, low.name, l, l)
		return
	case !low.in.preempt:
		p.add(warning, flags+" -preempt", "%s falls from %d to %d, and %s with -preempt=false leaves it the address: want weight 0, or preemption", high.name, h, fallen, low.name)
		return
	}
	for _, t := range high.in.tracked() {
		alone := high.claim(func(other track) bool { return other == t })
		if t.weight != 0 && alone >= l {
			p.add(note, "-"+t.flag, "%q alone does not move the address: it leaves %s at %d, and %s has %d", t, high.name, alone, low.name, l)
		}
	}
}

// oneSided tells what only one node looks after.
func (p *pair) oneSided(s, other side) {
	for _, t := range s.in.tracked() {
		same := func(o track) bool { return o.flag == t.flag && o.what == t.what }
		if !slices.ContainsFunc(other.in.tracked(), same) {
			p.add(note, "-"+t.flag, "only %s tracks %q: %s may hold the address without it", s.name, t.what, other.name)
		}
	}
}

// weighted reports whether anything changes the priority.
func weighted(in *instance) bool {
	return slices.ContainsFunc(in.tracked(), func(t track) bool { return t.weight != 0 })
}

// trackFlags are the flags of what changes the priority.
func trackFlags(in *instance) []string {
	var out []string
	for _, t := range in.tracked() {
		if t.weight != 0 && !slices.Contains(out, "-"+t.flag) {
			out = append(out, "-"+t.flag)
		}
	}
	return out
}

// groups tells where the nodes tie different routers together.
func groups(pairs []*pair) (out []finding) {
	for i, p := range pairs {
		for _, q := range pairs[i+1:] {
			a := p.a.group != "" && p.a.group == q.a.group
			b := p.b.group != "" && p.b.group == q.b.group
			if a != b {
				out = append(out, finding{warning, 0, "-group", fmt.Sprintf("only %s has %s and %s in one group: on the other node they can part",
					oneOf(a), p.a.name, q.a.name)})
			}
		}
	}
	return out
}
