package vrrp

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/procconn"
)

// processResync is how often every process is looked at although the kernel
// tells what happens: it should make no difference.
const processResync = time.Minute

func trackProcess(ctx context.Context, spec ProcessSpec, set func(up bool)) error {
	var events processEvents
	conn, err := procconn.Dial()
	switch {
	case err == nil:
		events = conn
	case spec.RequireEvents:
		return err
	default:
		spec.Logger.Info("no process events, looking at an interval", "process", spec.Name, "interval", spec.Interval, "err", err)
	}
	return newProcessWatch(&spec, "/proc", events).run(ctx, set)
}

// processEvents is the kernel's news, in order.
type processEvents interface {
	Receive(ev []procconn.Event, until time.Time) (int, error)
	Close() error
}

var _ processEvents = (*procconn.Conn)(nil)

// processWatch keeps a table up to date in a goroutine of its own, and tells
// from another, so that a slow listener loses no events.
type processWatch struct {
	spec   *ProcessSpec
	events processEvents // nil: look at an interval
	table  *processTable
	up     atomic.Bool
	wake   chan struct{}
}

func newProcessWatch(spec *ProcessSpec, root string, events processEvents) *processWatch {
	return &processWatch{spec: spec, events: events, table: newProcessTable(spec, root), wake: make(chan struct{}, 1)}
}

// run tells set until ctx ends. The first look comes after the subscription, so
// that nothing falls between them.
func (w *processWatch) run(ctx context.Context, set func(up bool)) error {
	if err := w.table.scan(); err != nil {
		w.close()
		return err
	}
	w.publish()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		err = w.watch(ctx)
	})
	d := newDamper(w.spec.ForkDelay, w.spec.TerminateDelay)
	d.follow(ctx, w.wake, w.up.Load, set)
	w.close()
	watching.Wait()
	return err
}

func (w *processWatch) close() {
	if w.events != nil {
		_ = w.events.Close()
	}
}

// publish leaves word if the verdict has changed.
func (w *processWatch) publish() {
	if up := w.table.up(); w.up.Swap(up) != up {
		leaveWord(w.wake)
	}
}

// watch owns the table until ctx ends.
func (w *processWatch) watch(ctx context.Context) error {
	if w.events != nil {
		err := w.listen(ctx)
		if err == nil || w.spec.RequireEvents {
			return err
		}
		w.spec.Logger.Warn("process events broke off, looking at an interval", "process", w.spec.Name, "interval", w.spec.Interval, "err", err)
	}
	w.poll(ctx)
	return nil
}

// poll looks at an interval.
func (w *processWatch) poll(ctx context.Context) {
	ticker := time.NewTicker(w.spec.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.scan()
		}
	}
}

// scan looks at every process. Where it cannot, what it knew holds.
func (w *processWatch) scan() (ok bool) {
	if err := w.table.scan(); err != nil {
		w.spec.Logger.Warn("looking at the processes", "process", w.spec.Name, "err", err)
		return false
	}
	w.publish()
	return true
}

// listen follows the events. Where some are lost it looks at every process, but
// not again and again while the host starts more than can be heard.
func (w *processWatch) listen(ctx context.Context) error {
	ev := make([]procconn.Event, 64)
	soonest, scanAt := time.Now(), time.Now().Add(processResync)
	for {
		n, err := w.events.Receive(ev, scanAt)
		unsure := errors.Is(err, procconn.ErrLost)
		if err != nil && !unsure && !errors.Is(err, os.ErrDeadlineExceeded) {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, e := range ev[:n] {
			if e.Gone {
				w.table.gone(e.PID)
			} else if w.table.look(e.PID) != nil {
				unsure = true
			}
		}
		w.publish()
		if unsure && soonest.Before(scanAt) {
			scanAt = soonest
		}
		if now := time.Now(); !now.Before(scanAt) {
			soonest, scanAt = now.Add(w.spec.Interval/10), now.Add(processResync)
			if !w.scan() {
				scanAt = now.Add(w.spec.Interval)
			}
		}
	}
}
