//go:build unix

package main

import (
	"fmt"
	"sync"
	"time"
)

// A tally counts what became of the client's requests.
type tally struct {
	mu       sync.Mutex // guards all below
	begun    time.Time  // first request
	requests int
	failures []failure
	last     time.Time     // the latest answer
	gap      time.Duration // longest time without an answer
	killed   time.Time     // when the Active node was killed
	victim   string        // the node that was killed
	taken    time.Time     // the first answer of its peer after that
	waiting  []waiter
}

// A failure is a request that got no answer, or not the right one.
type failure struct {
	at  time.Time
	err error
}

// A waiter wants to hear of the next answer of a node.
type waiter struct {
	node string
	ch   chan struct{}
}

func (t *tally) sent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.requests == 0 {
		t.begun = time.Now()
		t.last = t.begun
	}
	t.requests++
}

func (t *tally) fail(err error) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, failure{now, err})
}

func (t *tally) answer(node string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gap = max(t.gap, now.Sub(t.last))
	t.last = now
	if !t.killed.IsZero() && t.taken.IsZero() && node != t.victim {
		t.taken = now
	}
	left := t.waiting[:0]
	for _, w := range t.waiting {
		if w.node == node {
			close(w.ch)
		} else {
			left = append(left, w)
		}
	}
	t.waiting = left
}

// answered is closed when the node answers a request from now on.
func (t *tally) answered(node string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := waiter{node, make(chan struct{})}
	t.waiting = append(t.waiting, w)
	return w.ch
}

// kill runs the function that kills the node and remembers the moment before it: no failure may be older.
func (t *tally) kill(victim string, kill func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.killed, t.victim = time.Now(), victim
	return kill()
}

// takeover is the time from the kill to the peer's first answer, 0 while there is none.
func (t *tally) takeover() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken.IsZero() {
		return 0
	}
	return t.taken.Sub(t.killed)
}

// summary is the program's last line.
func (t *tally) summary() string {
	takeover := t.takeover()
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("quickstart: requests=%d failed=%d takeover=%v gap=%v",
		t.requests, len(t.failures), takeover.Round(100*time.Microsecond), t.gap.Round(100*time.Microsecond))
}

// verdict is nil when the service was alive at the end, and only the kill cost requests. Silence is how long without an
// answer counts as dead.
func (t *tally) verdict(end time.Time, silence time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.failures {
		if t.killed.IsZero() || f.at.Before(t.killed) {
			return fmt.Errorf("a request failed %v after the start, before the node was killed: %w", f.at.Sub(t.begun).Round(time.Millisecond), f.err)
		}
		if !t.taken.IsZero() && f.at.After(t.taken) {
			return fmt.Errorf("a request failed %v after the peer's first answer: %w", f.at.Sub(t.taken).Round(time.Millisecond), f.err)
		}
	}
	switch {
	case t.requests == 0:
		return fmt.Errorf("no request was sent")
	case !t.killed.IsZero() && t.taken.IsZero():
		return fmt.Errorf("the peer never answered after the kill")
	case end.Sub(t.last) > silence:
		return fmt.Errorf("the service was silent for the last %v", end.Sub(t.last).Round(time.Millisecond))
	}
	return nil
}
