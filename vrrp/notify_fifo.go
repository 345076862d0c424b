package vrrp

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// NotifyCreate makes the FIFO if there is nothing at its path, for this user
// alone (mode 0600). Nobody removes it.
func NotifyCreate() NotifyOption {
	return func(c *notifyConfig) { c.create, c.forFIFO = true, append(c.forFIFO, "NotifyCreate") }
}

// NotifyWait sets how long a line waits for room in a FIFO whose reader is slow
// or gone; 0 or more, default 1s. Then it is dropped, logged and counted.
// Callbacks of [WithOnTransition] after it wait as long.
func NotifyWait(d time.Duration) NotifyOption {
	return func(c *notifyConfig) { c.wait, c.forFIFO = d, append(c.forFIFO, "NotifyWait") }
}

// FIFONotifier writes a line for each transition. Make one with [FIFONotify].
type FIFONotifier struct {
	config *notifyConfig
	path   string
	file   *os.File
	stats  notifyStats

	mu   sync.Mutex // held while a line is written: lines keep their order
	seen observer   // guarded by mu
}

// FIFONotify makes a notifier that writes lines to a named pipe as keepalived's
// notify_fifo does, in the order of the transitions:
//
//	INSTANCE "VI_1" MASTER 100
//	GROUP "VG_1" FAULT 0
//
// The third word is MASTER, BACKUP, FAULT, or STOP when Run ends; the fourth
// the effective priority, 0 for a group. name is the second; several notifiers
// may write to one FIFO, and their lines do not mix.
//
//	fifo, err := vrrp.FIFONotify("VI_1", "/run/vrrp.fifo", vrrp.NotifyCreate())
//	router, err := vrrp.New(51, vips, vrrp.WithOnTransition(fifo.Notify), ...)
//	...
//	err = fifo.Close() // after Run
//
// The pipe is held open in both directions, so that readers may come and go,
// and is never waited for longer than [NotifyWait] says: keepalived drops a
// line in silence, this counts it. The error lists every problem; it wraps that
// of opening the file, and [errors.ErrUnsupported] on systems without named
// pipes.
func FIFONotify(name, path string, opts ...NotifyOption) (*FIFONotifier, error) {
	c, err := newNotifyConfig(name, opts)
	if err == nil {
		err = refuse(c.forExec, "a FIFO")
	}
	n := &FIFONotifier{config: c, path: path}
	if err == nil {
		n.file, err = openFIFO(path, c.create)
	}
	if err != nil {
		return nil, fmt.Errorf("vrrp: notify %q: %w", name, err)
	}
	return n, nil
}

// Notify writes the line of one transition, for [WithOnTransition].
func (n *FIFONotifier) Notify(t Transition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lockedWrite(stateWord(t.To), t.Priority)
}

// Observe writes what has happened since the last call and was no transition:
//
//	INSTANCE "VI_1" MASTER_PRIORITY 80
//	INSTANCE "VI_1" BACKUP_PRIORITY 80
//	INSTANCE "VI_1" MASTER_RX_LOWER_PRI 100
//
// that is a new effective priority (notify_priority_changes), and a lower
// priority that was heard while Active. The router does not report these by
// itself: whoever wants them calls Observe with [Router.Snapshot] now and then,
// say once a second.
func (n *FIFONotifier) Observe(s Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, word := range n.seen.observe(s) {
		n.lockedWrite(word, s.EffectivePriority)
	}
}

// Snapshot returns what has been written so far. It may be called at any time.
func (n *FIFONotifier) Snapshot() NotifyStatus { return n.stats.status(n.config.name) }

// Close closes the pipe, and ends a wait for room. Later lines are counted as
// errors. Idempotent.
func (n *FIFONotifier) Close() error {
	if err := n.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("vrrp: notify %q: %w", n.config.name, err)
	}
	return nil
}

// lockedWrite writes a line, which a pipe takes whole or not at all; n.mu is
// held.
func (n *FIFONotifier) lockedWrite(word string, priority uint8) {
	kind, name, state, prio := n.config.fields(word, priority)
	line := kind + ` "` + name + `" ` + state + " " + prio + "\n"
	err := writeFIFO(n.file, line, n.config.wait)
	switch {
	case err == nil:
		n.stats.notified.Add(1)
	case errors.Is(err, os.ErrDeadlineExceeded):
		n.stats.dropped.Add(1)
		n.config.log.Error("notify FIFO is full, line dropped", "path", n.path, "state", state, "name", name)
	default:
		n.stats.errors.Add(1)
		n.config.log.Error("notify FIFO", "path", n.path, "state", state, "name", name, "err", err)
	}
}
