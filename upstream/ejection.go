package upstream

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// record is what the outlier detection knows of one peer.
type record struct {
	serverErrors  atomic.Int32 // in a row
	gatewayErrors atomic.Int32 // in a row
	total         atomic.Int64 // attempts in the interval
	failed        atomic.Int64 // and what of them was an error

	// Guarded by the pool's mu.
	since     int64 // the last ejection
	until     int64
	reason    string
	times     int // that the next one is longer by
	ejections uint64
}

// The reasons of ejections, in Envoy's words.
const (
	reason5xx     = "consecutive_5xx"
	reasonGateway = "consecutive_gateway_failure"
	reasonRate    = "success_rate"
)

// ended counts an attempt, and ejects the peer when it was one error too many.
func (o *outlier) ended(now int64, b *Backend, r *Request, out Outcome) {
	g := gradeOf(r.Status, out)
	if g == gradeNone {
		return
	}
	rec := b.record
	rec.total.Add(1)
	if g == gradeGood {
		if rec.serverErrors.Load() != 0 {
			rec.serverErrors.Store(0)
			rec.gatewayErrors.Store(0)
		}
		return
	}
	rec.failed.Add(1)
	inRow, gateway := int(rec.serverErrors.Add(1)), 0
	if g == gradeGateway {
		gateway = int(rec.gatewayErrors.Add(1))
	} else {
		rec.gatewayErrors.Store(0)
	}
	switch {
	case o.gatewayErrors > 0 && gateway >= o.gatewayErrors:
		b.pool.eject(now, b, reasonGateway)
	case o.serverErrors > 0 && inRow >= o.serverErrors:
		b.pool.eject(now, b, reason5xx)
	}
}

func (p *Pool) eject(now int64, b *Backend, reason string) {
	p.mu.Lock()
	p.ejectLocked(p.view.Load(), now, b, reason)
	p.unlock()
}

// ejectLocked takes b out, unless it is out, is the only one, or too many are.
// The caller holds mu.
func (p *Pool) ejectLocked(v *view, now int64, b *Backend, reason string) {
	if b.gate.Load()&(gateEjected|gateGone) != 0 || v.single {
		return
	}
	ejected := 0
	for _, o := range v.ranks {
		if o.gate.Load()&gateEjected != 0 {
			ejected++
		}
	}
	if !p.outlier.room(ejected, v.peers) {
		return
	}
	rec := b.record
	rec.times++
	rec.ejections++
	rec.since, rec.until, rec.reason = now, now+p.outlier.span(rec.times), reason
	b.setLocked(gateEjected, true)
	b.changed = now
	p.stirLocked()
	p.noteLocked(slog.LevelInfo, "ejected", slog.String("backend", b.id), slog.String("reason", reason),
		slog.Duration("span", time.Duration(rec.until-now)))
}

// pardon ends the ejection of a peer that a health source has seen well.
func (p *Pool) pardon(b *Backend) {
	if b.gate.Load()&gateEjected == 0 {
		return
	}
	now := p.Now()
	p.mu.Lock()
	if b.gate.Load()&gateEjected != 0 {
		b.returnLocked(now)
		p.changedLocked(now)
	}
	p.mu.Unlock()
}

// returnLocked ends the ejection of b. The caller holds the pool's mu.
func (b *Backend) returnLocked(now int64) {
	b.record.clear()
	b.setLocked(gateEjected, false)
	b.changed = now
	b.riseLocked(now)
	b.pool.stirLocked()
	b.pool.noteLocked(slog.LevelInfo, "ejection is over", slog.String("backend", b.id))
}

// clear forgets what was counted.
func (r *record) clear() {
	r.serverErrors.Store(0)
	r.gatewayErrors.Store(0)
	r.total.Store(0)
	r.failed.Store(0)
}

// sweepLocked judges the success rates at the end of an interval, and ends the
// ejections whose time is over. It returns when it has to be called next.
// The caller holds mu.
func (o *outlier) sweepLocked(p *Pool, v *view, now int64) (next int64) {
	switch {
	case o.next == 0:
		o.begun, o.next = now, now+int64(o.interval)
	case now >= o.next:
		intervals := int((now - o.begun) / int64(o.interval))
		o.begun, o.next = now, now+int64(o.interval)
		o.judgeLocked(p, v, now, intervals)
	}
	next = o.next
	for _, b := range v.ranks {
		switch {
		case b.gate.Load()&gateEjected == 0:
		case now >= b.record.until:
			b.returnLocked(now)
		default:
			next = min(next, b.record.until)
		}
	}
	return next
}

// judgeLocked compares the success rates of an interval and begins the next one.
// The caller holds mu.
func (o *outlier) judgeLocked(p *Pool, v *view, now int64, intervals int) {
	o.rates, o.peers = o.rates[:0], o.peers[:0]
	for _, b := range v.ranks {
		rec := b.record
		total, failed := rec.total.Swap(0), rec.failed.Swap(0)
		if b.gate.Load()&gateEjected != 0 {
			continue
		}
		rec.times = max(0, rec.times-intervals)
		if total > 0 && total >= int64(o.requests) {
			o.rates = append(o.rates, 1-float64(failed)/float64(total))
			o.peers = append(o.peers, b)
		}
	}
	least, ok := o.floor(o.rates)
	if !ok {
		return
	}
	for i, b := range o.peers {
		if o.rates[i] < least {
			p.ejectLocked(v, now, b, reasonRate)
		}
	}
}
