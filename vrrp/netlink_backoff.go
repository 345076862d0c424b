package vrrp

import "time"

// repairBackoff spaces repairs of something that is broken again and again.
type repairBackoff struct {
	delay time.Duration
	until time.Time
}

const (
	firstBackoff = 10 * time.Millisecond
	lastBackoff  = time.Second
	backoffCalm  = 10 * time.Second // without a repair, after which it starts over
)

// wait is how long the next repair must wait.
func (b *repairBackoff) wait(now time.Time) time.Duration { return max(b.until.Sub(now), 0) }

// hit notes a repair.
func (b *repairBackoff) hit(now time.Time) {
	if b.until.IsZero() || now.Sub(b.until) >= backoffCalm {
		b.delay = 0
	}
	b.delay = min(max(2*b.delay, firstBackoff), lastBackoff)
	b.until = now.Add(b.delay)
}
