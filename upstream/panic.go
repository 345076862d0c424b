package upstream

import "log/slog"

// WithPanicThreshold sets the share of healthy backends, in percent from 0 to
// 100, below which health is ignored: better a peer that may answer than all the
// load on the few that do (Envoy: healthy_panic_threshold, there 50 by default).
// A backend is healthy while no source reports it down, it is not ejected and its
// failures are below [MaxFails]; those configured down and those that drain are
// not counted, and stay out. The pool panics when not one priority has enough
// healthy backends: while the backups do, they serve. Default 0, never: when all
// are out, picks fail.
func WithPanicThreshold(percent int) Option { return func(c *config) { c.panicBelow = percent } }

// below reports whether so few are healthy that health is not to be believed.
func below(percent, healthy, backends int) bool { return healthy*100 < percent*backends }

// assessLocked judges whether to panic, and tells the backends. The caller holds
// mu.
func (p *Pool) assessLocked(v *view) {
	panicking, all, good := false, 0, 0
	for i := range v.tiers {
		healthy, backends := 0, 0
		for _, b := range v.tiers[i].peers {
			g := b.gate.Load()
			if g&(gateDown|gateDrain) != 0 {
				continue
			}
			backends++
			if g&gateSick == 0 {
				healthy++
			}
		}
		all, good = all+backends, good+healthy
		if backends == 0 {
			continue
		}
		if panicking = below(p.panicBelow, healthy, backends); !panicking {
			break
		}
	}
	for _, b := range v.ranks {
		if (b.gate.Load()&gatePanic != 0) != panicking {
			b.setLocked(gatePanic, panicking)
		}
	}
	if panicking == p.panicking {
		return
	}
	p.panicking = panicking
	if panicking {
		p.panics++
		p.noteLocked(slog.LevelWarn, "health is ignored", slog.Int("healthy", good), slog.Int("backends", all))
		return
	}
	p.noteLocked(slog.LevelInfo, "health counts again")
}
