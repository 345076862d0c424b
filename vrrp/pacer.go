package vrrp

import "time"

// slowest is how far apart runs get while reasons to announce come without end.
const slowest = time.Second

// pacer decides when the neighbours are told. A run is the first burst of a
// plan, the second one, and single rounds after that.
type pacer struct {
	next   instant       // of a round; never: there is none
	left   int           // rounds of the burst that next belongs to
	second instant       // the second burst; never: it has begun
	burst  instant       // the present run begins to announce; never: stopped
	anew   instant       // another run begins; never: there is no reason
	gap    time.Duration // from burst to anew, at least
	silent bool          // nothing is announced in this run yet
}

// stopped is a pacer that announces nothing.
func stopped() pacer { return pacer{next: never, second: never, burst: never, anew: never} }

// deadline returns when tick is wanted next, or never.
func (p *pacer) deadline() instant { return min(p.next, p.anew) }

// begin starts the first run, and forgets how often there was reason to.
func (p *pacer) begin(now instant, plan *AnnouncePlan, interval time.Duration) {
	p.gap = min(interval, slowest)
	p.start(now, plan)
}

// again starts another run for a new reason, not too soon after the last one,
// which goes on until then. A run that has yet to announce covers it, and so do
// single rounds where the plan has nothing else: starting over would put them
// off.
func (p *pacer) again(now instant, plan *AnnouncePlan, interval time.Duration) {
	soonest := after(p.burst, p.gap)
	switch {
	case p.anew != never || p.silent || plan.Burst+plan.Repeat == 0:
	case soonest > now:
		p.anew, p.gap = soonest, min(2*p.gap, slowest)
	default:
		p.begin(now, plan, interval)
	}
}

// start begins a run.
func (p *pacer) start(now instant, plan *AnnouncePlan) {
	p.burst, p.next, p.left, p.second, p.anew, p.silent = now, now, plan.Burst, never, never, false
	switch {
	case plan.Burst > 0 && plan.Repeat > 0:
		p.second = after(now, plan.Delay)
	case plan.Burst > 0:
	case plan.Repeat > 0:
		p.burst = after(now, plan.Delay)
		p.next, p.left, p.silent = p.burst, plan.Repeat, true
	default:
		p.then(now, plan)
	}
}

// tick counts the rounds that are due.
func (p *pacer) tick(now instant, plan *AnnouncePlan) (rounds int) {
	if p.anew <= now {
		p.start(now, plan)
	}
	for p.next <= now && rounds < maxRounds {
		rounds, p.silent = rounds+1, false
		p.left--
		if p.left > 0 {
			p.next = after(now, plan.Spacing)
		} else {
			p.then(now, plan)
		}
	}
	return rounds
}

// then goes on after a burst.
func (p *pacer) then(now instant, plan *AnnouncePlan) {
	switch {
	case p.second != never:
		p.next, p.left, p.second = max(p.second, now), plan.Repeat, never
	case plan.Refresh > 0:
		p.next, p.left = after(now, plan.Refresh), 1
	default:
		p.next = never
	}
}
