package vrrp

import "time"

// slowest is how far apart bursts get while reasons to announce come without end.
const slowest = time.Second

// pacer decides when the neighbours are told. It is stopped unless next says
// otherwise.
type pacer struct {
	next   instant       // of a round; never: stopped
	left   int           // rounds of the burst that next belongs to
	second instant       // the second burst; never: it has begun
	burst  instant       // the first burst of the present run
	gap    time.Duration // to the burst after that, at least
}

// stopped is a pacer that announces nothing.
func stopped() pacer { return pacer{next: never, second: never, burst: never} }

// start begins a run of bursts.
func (p *pacer) start(at instant, plan *AnnouncePlan) {
	p.burst, p.second = at, never
	if plan.Repeat > 0 {
		p.second = after(at, plan.Delay)
	}
	p.next, p.left = at, plan.Burst
	if p.left == 0 {
		p.then(at, plan)
	}
}

// begin starts the first run, and forgets how often there was reason to.
func (p *pacer) begin(now instant, plan *AnnouncePlan, interval time.Duration) {
	p.gap = interval
	p.start(now, plan)
}

// again starts over for a new reason, not too soon after the last time. A run
// that has yet to begin covers it.
func (p *pacer) again(now instant, plan *AnnouncePlan, interval time.Duration) {
	soonest := after(p.burst, p.gap)
	switch {
	case p.burst > now:
	case soonest > now:
		p.gap = min(2*p.gap, max(interval, slowest))
		p.start(soonest, plan)
	default:
		p.begin(now, plan, interval)
	}
}

// tick counts the rounds that are due.
func (p *pacer) tick(now instant, plan *AnnouncePlan) (rounds int) {
	for p.next <= now && rounds < maxRounds {
		rounds++
		p.left--
		if p.left > 0 {
			p.next = after(now, plan.Spacing)
		} else {
			p.then(now, plan)
		}
	}
	return rounds
}

// then goes on after a burst: the second one, and single rounds after that.
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
