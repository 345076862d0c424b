package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// daemon runs units and changes them. Its methods are called by one goroutine, but for those of the pages.
type daemon struct {
	out    *printer
	log    *slog.Logger
	edges  edges
	checks *checks
	failed chan error // from a unit whose Run failed

	patience time.Duration // how long after a signal to stop further ones are ignored

	stopping atomic.Bool
	mu       sync.Mutex // guards units
	units    []*unit
}

// newDaemon runs nothing yet.
func newDaemon(out *printer, log *slog.Logger, e edges) (*daemon, error) {
	checks, err := newChecks(log)
	return &daemon{out: out, log: log, edges: e, checks: checks, failed: make(chan error, 1), patience: time.Second}, err
}

// run runs the routers until a signal ends them, or one of them fails. reread gives the flags anew at SIGHUP.
func (d *daemon) run(instances []instance, signals <-chan os.Signal, reread func() ([]instance, error)) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	checked := make(chan error, 1)
	go func() { checked <- d.checks.Run(ctx) }() // joined below
	err := d.change(instances)
	if err == nil {
		err = d.serve(signals, reread)
	}
	if again := d.stop(signals); again != nil {
		return errors.Join(err, again) // at once: nothing is joined
	}
	cancel()
	return errors.Join(err, <-checked)
}

// settled is how long after the start a daemon has what it needs.
const settled = 5 * time.Second

// serve returns at a signal to stop, or with the error of a router.
func (d *daemon) serve(signals <-chan os.Signal, reread func() ([]instance, error)) error {
	begun := time.After(settled)
	for {
		select {
		case <-begun:
			debug.FreeOSMemory() // a start reads more of the kernel than what follows
		case err := <-d.failed:
			return err
		case s := <-signals:
			if s != syscall.SIGHUP {
				return nil
			}
			instances, err := reread()
			if err == nil {
				err = d.change(instances)
			}
			if err != nil {
				d.log.Error("reload", "err", err)
			}
		}
	}
}

// change makes what runs into what is wanted. What may refuse comes first, so that mistakes change nothing.
func (d *daemon) change(want []instance) error {
	if err := missing(want); err != nil {
		return err
	}
	changes := plan(d.specs(), specsOf(want))
	built := map[string]*unit{}
	for _, c := range changes {
		if c.start == nil {
			continue
		}
		u, err := d.build(*c.start)
		if err != nil {
			for _, u := range built {
				u.close()
			}
			return err
		}
		built[c.name] = u
	}
	var left []*unit
	for _, c := range changes {
		if c.stop {
			d.log.Info("stopping", "unit", c.name, "flags", c.flags)
			left = append(left, d.take(c.name))
		}
	}
	end(left)
	var errs []error
	for _, c := range changes {
		if u := built[c.name]; u != nil {
			errs = append(errs, d.put(u))
		} else if c.keep != nil {
			errs = append(errs, d.update(c))
		}
	}
	return errors.Join(errs...)
}

// update changes a unit that goes on.
func (d *daemon) update(c change) error {
	u := d.find(c.name)
	u.untrack(c.keep.members)
	for _, up := range c.updates {
		if err := u.routers[up.member].Update(up.options...); err != nil {
			return fmt.Errorf("%s: %w", u.spec.members[up.member].name, err)
		}
	}
	if len(c.flags) > 0 {
		d.log.Info("updated", "unit", c.name, "flags", c.flags)
	}
	d.mu.Lock()
	u.spec = *c.keep
	d.mu.Unlock()
	return d.track(u, true)
}

// stop ends every unit: Active routers resign, and addresses are removed. A second signal cuts that short, unless it comes
// at once: timeout(1) sends two, and so does a supervisor that signals a process and its group.
func (d *daemon) stop(signals <-chan os.Signal) error {
	d.stopping.Store(true)
	begun := time.Now()
	d.mu.Lock()
	units := d.units
	d.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); end(units) }() // joined below, or ends with the process
	for {
		select {
		case <-done:
			return nil
		case s := <-signals:
			if s != syscall.SIGHUP && time.Since(begun) >= d.patience {
				return errors.New("stopped by a second signal: addresses may be left, which the next start removes")
			}
		}
	}
}

// end stops units at the same time, and returns when all have ended.
func end(units []*unit) {
	for _, u := range units {
		u.cancel()
	}
	for _, u := range units {
		<-u.ended
		u.close()
	}
}
