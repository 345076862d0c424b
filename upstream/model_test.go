package upstream

import (
	"fmt"
	"slices"
)

// model is a second, deliberately naive pool, written from nginx's rules and
// not from this package's code: lists that are filtered afresh for every pick,
// sets that are maps, loads compared as fractions, times in milliseconds.
type model struct {
	leastConn bool
	budget    bool         // of 20 %, or 3
	retrying  int          // retries in flight
	peers     []*modelPeer // in configured order
}

type modelPeer struct {
	id                string
	weight            int
	effective         int
	current           int
	conns, maxConns   int
	fails, maxFails   int
	timeout           int64 // fail_timeout
	accessed, checked int64
	down, backup      bool
	drain             bool
	unhealthy         map[string]bool
}

// modelRequest is what nginx keeps per request.
type modelRequest struct {
	tried   map[*modelPeer]bool
	backups bool
	tries   int
	current *modelPeer
	probe   bool
	window  int64
	dropped bool // the last attempt reached nobody
	retry   bool // the attempt in hand is a counted retry
}

func newModelRequest() *modelRequest {
	return &modelRequest{tried: map[*modelPeer]bool{}}
}

func (m *model) tier(backups bool) []*modelPeer {
	var out []*modelPeer
	for _, p := range m.peers {
		if p.backup == backups {
			out = append(out, p)
		}
	}
	return out
}

func (m *model) single() bool { return len(m.tier(false)) == 1 && len(m.tier(true)) == 0 }

// usable filters a tier; full reports that max_conns alone kept one out.
func usable(tier []*modelPeer, tried map[*modelPeer]bool, now int64, failures bool) (out []*modelPeer, full bool) {
	for _, p := range tier {
		sick := false
		for _, down := range p.unhealthy {
			sick = sick || down
		}
		if tried[p] || p.down || p.drain || sick {
			continue
		}
		if failures && p.maxFails != 0 && p.fails >= p.maxFails && now-p.checked <= p.timeout {
			continue
		}
		if p.maxConns != 0 && p.conns >= p.maxConns {
			full = true
			continue
		}
		out = append(out, p)
	}
	return out, full
}

// pick returns the chosen peer's id, or "none", "busy" or "budget".
func (m *model) pick(r *modelRequest, now int64) string {
	counts := m.budget && r.tries > 0 && !r.dropped
	if counts {
		active := 1
		for _, p := range m.peers {
			active += p.conns
		}
		if m.retrying >= 3 && m.retrying >= active/5 {
			return "budget"
		}
	}
	var chosen *modelPeer
	var full bool
	if m.single() {
		var only []*modelPeer
		only, full = usable(m.tier(false), r.tried, now, false)
		if len(only) == 1 {
			chosen = only[0]
			r.backups = false
		}
	} else {
		var from []*modelPeer
		from, full = usable(m.tier(r.backups), r.tried, now, true)
		if len(from) == 0 && !r.backups {
			var more bool
			from, more = usable(m.tier(true), r.tried, now, true)
			full = full || more
			if len(from) != 0 {
				r.backups = true
			}
		}
		chosen = m.choose(from)
	}
	if chosen == nil {
		if full {
			return "busy"
		}
		return "none"
	}
	if counts {
		m.retrying++
		r.retry = true
	}
	r.tried[chosen] = true
	r.tries++
	r.current = chosen
	r.probe, r.window = false, chosen.checked
	if now-chosen.checked > chosen.timeout {
		r.probe = chosen.maxFails != 0 && chosen.fails >= chosen.maxFails
		chosen.checked = now
	}
	chosen.conns++
	return chosen.id
}

func (m *model) choose(from []*modelPeer) *modelPeer {
	if len(from) == 0 {
		return nil
	}
	if m.leastConn {
		load := func(p *modelPeer) float64 { return float64(p.conns) / float64(p.weight) }
		least := load(slices.MinFunc(from, func(a, b *modelPeer) int {
			switch {
			case load(a) < load(b):
				return -1
			case load(a) > load(b):
				return 1
			}
			return 0
		}))
		from = slices.DeleteFunc(slices.Clone(from), func(p *modelPeer) bool { return load(p) != least })
		if len(from) == 1 {
			return from[0] // no round, no gain
		}
	}
	sum := 0
	for _, p := range from {
		p.current += p.effective
		sum += p.effective
	}
	best := from[0]
	for _, p := range from {
		if p.current > best.current {
			best = p
		}
	}
	best.current -= sum
	for _, p := range from {
		if p.effective < p.weight {
			p.effective++
		}
	}
	return best
}

func (m *model) done(r *modelRequest, now int64, o Outcome) {
	p := r.current
	r.current = nil
	p.conns--
	if r.retry {
		m.retrying--
		r.retry = false
	}
	switch o {
	case Free:
		r.tries--
		delete(r.tried, p)
		if r.probe && p.maxFails != 0 && p.fails >= p.maxFails && p.accessed <= r.window {
			p.checked = r.window
		}
		return
	case Pass:
		return
	}
	if m.single() {
		p.fails = 0
		return
	}
	if o == Success {
		if p.accessed < p.checked {
			p.fails = 0
		}
		return
	}
	p.fails++
	p.accessed, p.checked = now, now
	if p.maxFails != 0 {
		p.effective -= p.weight / p.maxFails
		if p.effective < 0 {
			p.effective = 0
		}
	}
}

// changed is this package's own rule: after a change of the membership nobody
// carries more than one round of credit or debt.
func (m *model) changed() {
	for _, backups := range []bool{false, true} {
		round := 0
		for _, p := range m.tier(backups) {
			round += p.weight
		}
		for _, p := range m.tier(backups) {
			if p.current > round {
				p.current = round
			}
			if p.current < -round {
				p.current = -round
			}
		}
	}
}

func (m *model) setWeight(p *modelPeer, w int) {
	penalty := p.weight - p.effective
	p.weight = w
	p.effective = w - penalty
	if p.effective < 0 {
		p.effective = 0
	}
	m.changed()
}

func (p *modelPeer) state() State {
	for _, down := range p.unhealthy {
		if down && !p.down {
			return StateUnhealthy
		}
	}
	switch {
	case p.down:
		return StateDown
	case p.drain:
		return StateDraining
	case p.maxFails != 0 && p.fails >= p.maxFails:
		return StateUnavailable
	}
	return StateUp
}

// String shows what must agree between the model and the pool.
func (m *model) String() string {
	var out string
	for _, p := range m.peers {
		out += fmt.Sprintf("%s w=%d e=%d c=%d conns=%d fails=%d checked=%d %s\n",
			p.id, p.weight, p.effective, p.current, p.conns, p.fails, p.checked, p.state())
	}
	return out
}

// modelView is the pool's state in the words of model.String.
func (p *Pool) modelView() string {
	var out string
	for _, b := range p.view.Load().all {
		p.mu.Lock()
		out += fmt.Sprintf("%s w=%d e=%d c=%d conns=%d fails=%d checked=%d %s\n",
			b.id, b.weight/p.unit, b.effective/p.unit, b.current/p.unit, b.connsLocked(), b.fails, b.checked/1e6, stateOf(b.gate.Load()))
		p.mu.Unlock()
	}
	return out
}
