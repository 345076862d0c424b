package vrrp

import (
	"context"
	"testing"
	"time"
)

// verdicts waits for what a tracker is told.
type verdicts struct{ c chan bool }

func newVerdicts() verdicts { return verdicts{make(chan bool, 100)} }

func (v verdicts) set(up bool) { v.c <- up }

// expect wants one verdict; the test's own deadline is the limit.
func (v verdicts) expect(t *testing.T, ctx context.Context, want bool) {
	t.Helper()
	select {
	case got := <-v.c:
		if got != want {
			t.Fatalf("told %v, want %v", got, want)
		}
	case <-ctx.Done():
		t.Fatalf("not told %v: %v", want, ctx.Err())
	}
}

// untilDeadline ends a little before the test binary is ended.
func untilDeadline(t *testing.T) context.Context {
	ctx := t.Context()
	if at, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, at.Add(-time.Second))
		t.Cleanup(cancel)
	}
	return ctx
}
