package lvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/pprof"
	"sync"
	"time"
)

// A Director keeps a plane in step with services: it applies the whole wanted state when it starts and after every change.
type Director struct {
	plane    Plane
	name     string
	services []*Service

	mu      sync.Mutex // guards running and status
	running bool
	status  DirectorSnapshot
}

// retryAfter is how long a Director waits after a plane failed to apply what is wanted.
const retryAfter = time.Second

// NewDirector checks each service against the plane's capabilities. It returns a [RefusedError] for every one that the plane
// cannot carry, and [ErrDuplicate] for two services of one protocol and address, all of them joined.
func NewDirector(plane Plane, services ...*Service) (*Director, error) {
	if plane == nil {
		return nil, errors.New("lvs: director: no plane")
	}
	type key struct {
		proto Protocol
		vip   netip.AddrPort
	}
	c, taken, errs := plane.Capabilities(), make(map[key]string), []error(nil)
	for _, s := range services {
		if s == nil {
			errs = append(errs, errors.New("lvs: director: nil service"))
			continue
		}
		k := key{s.proto, s.vip}
		if other, ok := taken[k]; ok {
			errs = append(errs, fmt.Errorf("lvs: director: %s and %s are both %v %v: %w", other, s.name, s.proto, s.vip, ErrDuplicate))
		}
		taken[k] = s.name
		errs = append(errs, c.refuse(s))
	}
	if len(services) == 0 {
		errs = append(errs, errors.New("lvs: director: no service"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	d := &Director{plane: plane, name: c.Name, services: append([]*Service(nil), services...)}
	d.status.Plane = c.Name
	for _, s := range services {
		d.status.Services = append(d.status.Services, s.name)
	}
	return d, nil
}

// Run applies the wanted state until ctx ends, and returns nil then; the plane is left as it is, for whoever owns it to
// shut down. Changes that come while the plane is busy are applied together, in one go.
//
// Where the very first Apply fails, Run returns its error: a director that never carried anything must not look alive.
// A later failure is logged through the logger of the first service, counted, and tried again after a second or at the next change.
//
// Run may be called again after it has returned; while it runs, another call returns an error.
func (d *Director) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.running {
		d.mu.Unlock()
		return errors.New("lvs: director: runs already")
	}
	d.running = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.running = false
	}()
	var err error
	pprof.Do(ctx, pprof.Labels("mainstay", "lvs"), func(ctx context.Context) { err = d.run(ctx) })
	return err
}

func (d *Director) run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	for _, s := range d.services {
		s.watch(wake)
		defer s.unwatch(wake)
	}
	for first := true; ctx.Err() == nil; first = false {
		err := d.apply(ctx)
		var retry <-chan time.Time
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case first:
			return err
		default:
			d.services[0].plain.Warn("plane not applied", "plane", d.name, "err", err)
			retry = time.After(retryAfter)
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-retry:
		}
	}
	return nil
}

// apply reads what is wanted now, so that a change missed by one round is in the next.
func (d *Director) apply(ctx context.Context) error {
	want := make([]ServiceSpec, len(d.services))
	for i, s := range d.services {
		want[i] = s.spec()
	}
	err := d.plane.Apply(ctx, want)
	if err != nil {
		err = fmt.Errorf("lvs: apply to %s: %w", d.name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status.Applied++
	d.status.Err = ""
	if err != nil {
		d.status.Failed++
		d.status.Err = err.Error()
	}
	return err
}

// A DirectorSnapshot is the state of a director, for JSON.
type DirectorSnapshot struct {
	Plane    string   `json:"plane"`         // its name
	Services []string `json:"services"`      // their names, which are the groups
	Applied  uint64   `json:"applied"`       // calls of Apply
	Failed   uint64   `json:"failed"`        // of those, the ones that returned an error
	Err      string   `json:"err,omitempty"` // that of the latest call, if it failed
}

// Snapshot returns what the director did so far.
func (d *Director) Snapshot() DirectorSnapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.Services = append([]string(nil), s.Services...)
	return s
}

// Collect emits the director's metrics, both counters with the label plane: mainstay_lvs_director_applies_total and
// mainstay_lvs_director_failures_total.
func (d *Director) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	s := d.Snapshot()
	emit("mainstay_lvs_director_applies_total", 'c', float64(s.Applied), "plane", s.Plane)
	emit("mainstay_lvs_director_failures_total", 'c', float64(s.Failed), "plane", s.Plane)
}
