package upstream

import "log/slog"

// Passive health, by the rules of nginx's round robin: max_fails failures in
// fail_timeout take a peer out; after fail_timeout one request per window probes
// it, because the pick that finds the window over starts a new one; a success
// that ends after such a pick clears the failures. nginx counts in seconds,
// this in nanoseconds of a monotonic clock.

// settle notes the outcome of an attempt that is not a success, or of one that
// is and may clear failures. It runs before the attempt gives back its place in
// max_conns, so that nobody takes the place on the word of an older state.
func (p *Pool) settle(now int64, b *Backend, r *Request, o Outcome) {
	cause := r.Cause
	r.Cause = nil
	if o == Free {
		r.free()
	} else {
		r.dropped = r.Dropped
	}
	r.Dropped = false

	p.mu.Lock()
	was := b.gate.Load()
	switch v := p.view.Load(); {
	case o == Free:
		b.free++
		if r.probe && was&gateFails != 0 && b.accessed <= r.since {
			// The probe never reached the peer: the next request may be one.
			b.checked = r.since
		}
	case o == Pass:
		b.pass++
	case o == Failure:
		b.failures++
		b.lastErr, b.lastStatus = cause, int32(r.Status)
		b.failed = now
		if v.single {
			b.clearLocked()
			break
		}
		b.chargeLocked(now)
	default:
		if v.single || b.accessed < b.checked {
			b.clearLocked()
		}
	}
	is := b.gate.Load()
	fails := b.fails
	if (was^is)&gateFails != 0 {
		b.changed = now
		if is&gateFails != 0 {
			b.unavail++
		} else {
			b.riseLocked(now)
		}
		p.stirLocked()
	}
	p.mu.Unlock()

	if is&gateGone != 0 || (was^is)&gateFails == 0 {
		return
	}
	if is&gateFails != 0 {
		attrs := []any{slog.String("backend", b.id), slog.Int64("fails", fails)}
		if cause != nil {
			attrs = append(attrs, slog.Any("err", cause))
		}
		p.log.Info("temporarily disabled", attrs...)
		return
	}
	p.log.Info("recovered", slog.String("backend", b.id))
}

// chargeLocked counts one failure and takes the penalty off the effective
// weight. The caller holds the pool's mu.
func (b *Backend) chargeLocked(now int64) {
	b.fails++
	b.accessed, b.checked = now, now
	if b.maxFails > 0 {
		b.effective = max(0, b.effective-b.nominal/b.pool.unit/b.maxFails*b.pool.unit)
	}
	b.failedLocked()
}

// clearLocked forgets the failures. The effective weight recovers by itself.
// The caller holds the pool's mu.
func (b *Backend) clearLocked() {
	b.fails = 0
	b.failedLocked()
}
