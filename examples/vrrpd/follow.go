package main

import (
	"context"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// tracker is what a verdict is told to.
type tracker interface {
	Set(up bool)
	Remove()
}

// follow brings the verdicts on t to a tracker of the router, until end is called.
//
// A tracker of weight 0 keeps its router out until the first verdict. At the start that is as it should be; a router that
// runs gets its tracker with the first verdict, or it would resign while the command runs for the first time.
func (d *daemon) follow(r *vrrp.Router, t track, running bool) (end func(), err error) {
	var tr tracker
	if !running {
		if tr, err = newTracker(r, t.name(), t); err != nil {
			return func() {}, err
		}
	}
	set := func(up bool) { // one call at a time
		if tr == nil {
			late, err := newTracker(r, t.name(), t)
			if err != nil {
				d.log.Error("not tracked", "tracker", t.name(), "err", err)
				return
			}
			tr = late
		}
		tr.Set(up)
	}
	unfollow, err := d.source(t, set)
	return func() {
		if unfollow != nil {
			unfollow()
		}
		if tr != nil {
			tr.Remove()
		}
	}, err
}

// source begins what t says. No call of set comes after the function it returns.
func (d *daemon) source(t track, set func(up bool)) (end func(), err error) {
	if t.flag == "track" {
		return d.checks.follow(t, set)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { // joined by end
		defer close(ended)
		if err := watch(ctx, t, set); err != nil && ctx.Err() == nil {
			d.log.Error("tracking ended", "tracker", t.name(), "err", err)
		}
	}()
	return func() { cancel(); <-ended }, nil
}
