package upstream

import (
	"context"
	"log/slog"
	"math"
)

// What a pool does beside choosing: it lets slow starts rise, ends ejections,
// judges whether to panic and serves the queue. No goroutine does it. The next
// pick after due does, or whoever changes something, or the alarm of the queue.
// In a pool that has none of it due is never, and a pick pays one comparison.

const (
	never = math.MaxInt64
	asap  = math.MinInt64
)

// note is something to be logged once mu is free.
type note struct {
	level slog.Level
	msg   string
	attrs []any
}

func (p *Pool) noteLocked(level slog.Level, msg string, attrs ...any) {
	p.notes = append(p.notes, note{level, msg, attrs})
}

// unlock gives up mu and logs what was noted under it.
func (p *Pool) unlock() {
	notes := p.notes
	p.notes = nil
	p.mu.Unlock()
	for _, n := range notes {
		p.log.Log(context.Background(), n.level, n.msg, n.attrs...)
	}
}

// say logs what was noted by a change, whose caller held config.
func (p *Pool) say() {
	p.mu.Lock()
	p.unlock()
}

// stirLocked notes that somebody's standing has changed: who is healthy, who
// may be picked, who waits. The caller holds mu.
func (p *Pool) stirLocked() {
	if p.tended || p.queue.n > 0 {
		p.stirred = true
		p.due = asap
	}
}

// tendLocked does what is due. The caller holds mu.
func (p *Pool) tendLocked(now int64) {
	v := p.view.Load()
	p.due = never
	if p.outlier != nil {
		p.due = p.outlier.sweepLocked(p, v, now)
	}
	if p.ramps > 0 {
		p.rampLocked(v, now)
	}
	if p.panicBelow > 0 && p.stirred {
		p.assessLocked(v)
	}
	if p.queue.n > 0 {
		p.serveLocked(v, now)
		if p.queue.n > 0 && p.stirred {
			p.armLocked(v, now)
		}
		p.calmLocked()
	}
	p.stirred = false
	if p.ramps > 0 || p.queue.n > 0 || p.notes != nil {
		p.due = asap
	}
}
