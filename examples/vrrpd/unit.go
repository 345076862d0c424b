package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// unit is a spec that runs.
type unit struct {
	spec    spec
	routers []*vrrp.Router // of the members
	follow  []followers    // likewise
	done    []func()       // likewise: after run

	run    func(context.Context) error
	cancel context.CancelFunc
	ended  chan struct{} // closed: run has returned
}

// followers are what a member tracks, by flag and value, with the functions that end that.
type followers map[string]func()

// build makes a unit; nothing runs yet.
func (d *daemon) build(s spec) (*unit, error) {
	u := &unit{spec: s}
	for i := range s.members {
		in := s.members[i] // a copy: transitions print the name that the router was made with
		r, done, err := newRouter(&in, d.edges, d.log, func(t vrrp.Transition) { d.out.line(transitionLine(&in, t)) })
		if err != nil {
			u.close()
			return nil, fmt.Errorf("%s: %w", in.name, err)
		}
		u.routers, u.follow, u.done = append(u.routers, r), append(u.follow, followers{}), append(u.done, done)
	}
	u.run = u.routers[0].Run
	if name := s.members[0].group; name != "" {
		g, err := newGroup(name, u.routers...)
		if err != nil {
			u.close()
			return nil, &failure{exitFlags, err}
		}
		u.run = g.Run
	}
	return u, nil
}

// start runs the unit; a Run that fails is told to failed.
func (d *daemon) start(u *unit) error {
	if err := d.track(u, false); err != nil {
		u.close()
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel, u.ended = cancel, make(chan struct{})
	go func() { // joined by whoever waits for ended
		defer close(u.ended)
		if err := u.run(ctx); err != nil {
			select {
			case d.failed <- refused(err):
			default: // one is enough to end
			}
		}
	}()
	return nil
}

// track makes every member follow what its flags say.
func (d *daemon) track(u *unit, running bool) error {
	for i := range u.spec.members {
		in, have := &u.spec.members[i], u.follow[i]
		for _, t := range in.tracked() {
			if have[t.name()] != nil {
				continue
			}
			end, err := d.follow(u.routers[i], t, running)
			have[t.name()] = end
			if err != nil {
				return fmt.Errorf("%s: %s: %w", in.name, t.name(), err)
			}
		}
	}
	return nil
}

// untrack ends what members do not track any more: an owner's priority, for one, goes with no weight.
func (u *unit) untrack(members []instance) {
	for i, have := range u.follow {
		for name, end := range have {
			if !slices.ContainsFunc(members[i].tracked(), func(t track) bool { return t.name() == name }) {
				end()
				delete(have, name)
			}
		}
	}
}

// close ends what the unit has begun, after its run.
func (u *unit) close() {
	for _, have := range u.follow {
		for name, end := range have {
			end()
			delete(have, name)
		}
	}
	for _, done := range u.done {
		done()
	}
	u.done = nil
}
