package healthcheck

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestStopByDeadline: a Run that ends by its context's deadline calls checks
// off as one that is cancelled does; their deadline was not the target's doing.
func TestStopByDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, WithMaxSpread(0))
		h := r.add("a", Policy{}, func(ctx context.Context, _ Target) Result {
			<-ctx.Done()
			return Result{Status: Fail, Err: ctx.Err()}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
		if got := r.history(); len(got) != 0 || h.State() != Unknown {
			t.Errorf("events %q, state %v", got, h.State())
		}
	})
}
