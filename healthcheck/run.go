package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"
	"time"
)

// Run checks the targets until ctx ends; then it calls off the checks in
// flight, waits for them and for the last call of [WithOnChange], and returns
// nil. It returns an error only when it is called a second time.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	switch {
	case m.stopped:
		m.mu.Unlock()
		return fmt.Errorf("healthcheck: run: %w", ErrClosed)
	case m.running:
		m.mu.Unlock()
		return errors.New("healthcheck: run: already running")
	}
	m.running, m.ctx = true, ctx
	now := m.now()
	for _, h := range m.slots {
		if h != nil {
			m.lockedFirst(h, now)
		}
	}
	m.mu.Unlock()

	pprof.Do(ctx, pprof.Labels("mainstay", "healthcheck"), m.run)
	return nil
}

func (m *Manager) run(ctx context.Context) {
	defer close(m.done)
	var events sync.WaitGroup
	events.Go(m.queue.Run)
	defer events.Wait()
	defer m.queue.Close()

	m.loop(ctx)

	m.mu.Lock()
	m.stopped = true // from here on no check starts
	m.mu.Unlock()
	m.probes.Wait()
}

// loop is the scheduler: it starts what is due and waits for the next.
func (m *Manager) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(m.turn())
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-m.poke:
		}
	}
}

// A turn of the scheduler waits for more targets to come due, 50 ns for each
// that there is, 5 ms at most: so a hundred thousand targets wake it 200 times
// a second and not 20,000 times, and ten targets are as good as punctual.
const (
	windowPerTarget = 50 * time.Nanosecond
	maxWindow       = 5 * time.Millisecond
)

// turn does what is due and returns the time to the next turn.
func (m *Manager) turn() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for index, at, ok := m.schedule.overdue(now); ok; index, at, ok = m.schedule.overdue(now) {
		m.lockedOverdue(m.slots[index], at, now)
	}
	for p, ok := m.lockedStart(now); ok; p, ok = m.lockedStart(now) {
		m.probes.Go(func() { m.work(p) })
	}
	window := min(maxWindow, time.Duration(len(m.targets))*windowPerTarget)
	m.planned = max(m.schedule.wake(), now+int64(window))
	return time.Duration(m.planned - now)
}

// work performs checks, one after another, while there are any due.
func (m *Manager) work(p probe) {
	for more := true; more; {
		start := time.Now()
		r := p.handle.checker.Check(p.ctx, p.handle.target)
		if r.Took == 0 {
			r.Took = time.Since(start)
		}
		p, more = m.finish(p, r)
	}
}

// finish takes the result of a check and returns the next one to do, if any is
// due.
func (m *Manager) finish(p probe, r Result) (probe, bool) {
	calledOff := errors.Is(p.ctx.Err(), context.Canceled) || m.ctx.Err() != nil
	p.cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	now, h := m.now(), p.handle
	m.schedule.release(now)
	switch {
	case calledOff: // removed or stopped: nothing is known, nothing is next
	case p.round == h.round:
		m.schedule.running.remove(h.index)
		before := h.verdict
		m.lockedJudge(h, now, m.lockedGuard(h, now, r))
		m.lockedNext(h, before, now)
	default:
		m.totals.stale++
		if h.stuck && !h.removed.Load() { // returned after all
			h.stuck = false
			m.schedule.running.remove(h.index)
			m.lockedNext(h, h.verdict, now)
		}
	}
	next, ok := m.lockedStart(now)
	m.lockedPoke()
	return next, ok
}
