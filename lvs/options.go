package lvs

import (
	"errors"
	"fmt"
	"log/slog"
)

// MaxWeight is the greatest [Weight] of a destination, as in ipvsadm(8).
const MaxWeight = 65535

// A ServiceOption changes a default of [NewService].
type ServiceOption func(*serviceConfig)

type serviceConfig struct {
	name      string
	scheduler Scheduler
	log       *slog.Logger
}

// WithName names the service in logs, metrics and snapshots, where it is the group of its destinations.
// Default protocol and address, as in "tcp/192.0.2.10:80". An empty name keeps the default.
func WithName(group string) ServiceOption {
	return func(c *serviceConfig) {
		if group != "" {
			c.name = group
		}
	}
}

// WithScheduler sets the rule that picks a destination for a new connection. Default [RoundRobin].
// Each service has its own state of it: one Scheduler value may serve several services.
func WithScheduler(s Scheduler) ServiceOption {
	return func(c *serviceConfig) { c.scheduler = s }
}

// WithLogger receives what changes in the service: destinations that come, go, fail or drain, at Info.
// Default silent, which is also what nil means.
func WithLogger(l *slog.Logger) ServiceOption {
	return func(c *serviceConfig) {
		if l != nil {
			c.log = l
		}
	}
}

// A DestOption sets what [Service.Add] and [Service.Update] say about a destination.
type DestOption func(*destConfig)

type destConfig struct {
	id     string
	weight int
}

// ID names the destination within its service. Default its address, as in "10.0.0.1:80". It cannot be changed later.
func ID(id string) DestOption {
	return func(c *destConfig) { c.id = id }
}

// Weight is the destination's share, 0 to [MaxWeight]. Default 1. Weight 0 quiesces: it gets no new connection and
// those it has go on. What a greater weight means is the scheduler's affair; [RoundRobin] only asks whether it is above 0.
func Weight(w int) DestOption {
	return func(c *destConfig) { c.weight = w }
}

func (c *destConfig) validate() error {
	var errs []error
	if c.id == "" {
		errs = append(errs, errors.New("empty ID"))
	}
	if c.weight < 0 || c.weight > MaxWeight {
		errs = append(errs, fmt.Errorf("weight %d is not in 0..%d", c.weight, MaxWeight))
	}
	return errors.Join(errs...)
}
