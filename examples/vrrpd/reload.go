package main

import (
	"slices"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// spec describes what runs and ends together: one router, or the routers of a sync group.
type spec struct {
	name    string // unique: the group's, or the key of the router
	members []instance
}

// specsOf sorts instances into specs, in the order of their first members.
func specsOf(instances []instance) []spec {
	var out []spec
	for _, in := range instances {
		name := "router " + in.key().String()
		if in.group != "" {
			name = "group " + in.group
		}
		i := slices.IndexFunc(out, func(s spec) bool { return s.name == name })
		if i < 0 {
			i, out = len(out), append(out, spec{name: name})
		}
		out[i].members = append(out[i].members, in)
	}
	return out
}

// change is what a reload does to one unit.
type change struct {
	name    string
	stop    bool       // the one that runs
	start   *spec      // after that
	updates []updateOf // or change it while it runs
	flags   []string   // why
	keep    *spec      // what it is called from now on, where it goes on
}

// updateOf changes one member while it runs.
type updateOf struct {
	member  int // of the running unit
	options []vrrp.Option
}

// plan tells how to get from what runs to what is wanted. Units that stay untouched are in it too, for what they follow.
func plan(old, want []spec) []change {
	var out []change
	for _, o := range old {
		if !slices.ContainsFunc(want, func(w spec) bool { return w.name == o.name }) {
			out = append(out, change{name: o.name, stop: true})
		}
	}
	for _, w := range want {
		i := slices.IndexFunc(old, func(o spec) bool { return o.name == w.name })
		if i < 0 {
			out = append(out, change{name: w.name, start: &w})
			continue
		}
		out = append(out, compare(old[i], w))
	}
	return out
}

// compare is plan for one unit.
func compare(old, want spec) change {
	restart := func(flags ...string) change {
		return change{name: want.name, stop: true, start: &want, flags: flags}
	}
	if len(old.members) != len(want.members) {
		return restart("group")
	}
	c := change{name: want.name, keep: &spec{name: want.name}}
	var fixed []string
	for i := range old.members {
		key := old.members[i].key()
		j := slices.IndexFunc(want.members, func(in instance) bool { return in.key() == key })
		if j < 0 {
			return restart("group")
		}
		flags, live, cannot := differences(&old.members[i], &want.members[j])
		if len(live) > 0 {
			c.updates = append(c.updates, updateOf{i, live})
		}
		c.flags, fixed = append(c.flags, flags...), append(fixed, cannot...)
		c.keep.members = append(c.keep.members, want.members[j])
	}
	if len(fixed) > 0 {
		return restart(fixed...)
	}
	return c
}
