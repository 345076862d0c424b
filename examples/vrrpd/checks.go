package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/mainstay-ha/mainstay/healthcheck"
)

// checks runs the commands of -track. What several routers track with the same options runs once.
type checks struct {
	manager *healthcheck.Manager

	mu      sync.Mutex // guards watched; held while followers are told, so that none misses a verdict
	watched map[string]*watched
}

// watched is one command, and who wants to know.
type watched struct {
	handle    *healthcheck.Handle
	followers map[*func(up bool)]bool
}

func newChecks(log *slog.Logger) (*checks, error) {
	c := &checks{watched: make(map[string]*watched)}
	var err error
	c.manager, err = healthcheck.New(
		healthcheck.WithOnChange(c.changed),
		healthcheck.WithMaxSpread(0), // a weight of 0 keeps a router out until the first verdict
		healthcheck.WithJitter(0),
		healthcheck.WithLogger(log),
	)
	return c, err
}

// Run runs the commands until ctx ends.
func (c *checks) Run(ctx context.Context) error { return c.manager.Run(ctx) }

// follow calls set with every verdict on t, the present one included, until the function it returns has been called.
func (c *checks) follow(t track, set func(up bool)) (unfollow func(), err error) {
	id := fmt.Sprintf("interval=%v,timeout=%v,rise=%d,fall=%d:%s", t.interval, t.timeout, t.rise, t.fall, t.what)
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watched[id]
	if w == nil {
		h, err := c.manager.Add(healthcheck.Target{Group: "track", ID: id}, script{t.what}, healthcheck.Policy{
			Interval: t.interval, FastInterval: t.interval, DownInterval: t.interval,
			Timeout: t.timeout, Rise: t.rise, Fall: t.fall,
		})
		if err != nil {
			return nil, err
		}
		w = &watched{handle: h, followers: make(map[*func(bool)]bool)}
		c.watched[id] = w
	}
	w.followers[&set] = true
	if w.handle.State() != healthcheck.Unknown {
		set(w.handle.Up())
	}
	return func() { c.unfollow(id, &set) }, nil
}

func (c *checks) unfollow(id string, set *func(bool)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watched[id]
	if w == nil || !w.followers[set] {
		return
	}
	delete(w.followers, set)
	if len(w.followers) == 0 {
		w.handle.Remove()
		delete(c.watched, id)
	}
}

func (c *checks) changed(e healthcheck.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.watched[e.ID]; w != nil {
		for set := range w.followers {
			(*set)(e.Up)
		}
	}
}
