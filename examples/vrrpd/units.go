package main

import (
	"slices"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// put starts a unit and lists it.
func (d *daemon) put(u *unit) error {
	if err := d.start(u); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.units = append(slices.Clip(d.units), u)
	return nil
}

// take removes a unit from the list.
func (d *daemon) take(name string) *unit {
	u := d.find(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.units = slices.DeleteFunc(slices.Clone(d.units), func(other *unit) bool { return other == u })
	return u
}

// find returns the unit of a name, which is listed.
func (d *daemon) find(name string) *unit {
	i := slices.IndexFunc(d.units, func(u *unit) bool { return u.spec.name == name })
	return d.units[i]
}

// specs describes all units.
func (d *daemon) specs() []spec {
	var out []spec
	for _, u := range d.units {
		out = append(out, u.spec)
	}
	return out
}

// listed is one router for the pages.
type listed struct {
	iface, name string
	router      *vrrp.Router
}

// list returns all routers. It may be called by any goroutine.
func (d *daemon) list() []listed {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []listed
	for _, u := range d.units {
		for i, r := range u.routers {
			out = append(out, listed{u.spec.members[i].iface, u.spec.members[i].name, r})
		}
	}
	return out
}
