package upstream

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a"), server("b", Down()))
		_, l1 := pick(p, p.Now())
		_, l2 := pick(p, p.Now())
		var left int
		var err error
		over := false
		go func() {
			left, err = p.DrainFor(context.Background(), "a")
			over = true
		}()
		synctest.Wait()
		if id, _ := pick(p, p.Now()); id != "none" || over {
			t.Errorf("pick while it drains = %s, over = %v; want none, false", id, over)
		}
		if s := status(t, p, "a"); s.Why != "draining, 2 requests in flight" {
			t.Errorf("why = %q", s.Why)
		}
		l1.Done(p.Now(), Success)
		synctest.Wait()
		if over {
			t.Error("over with a request in flight")
		}
		l2.Done(p.Now(), Pass)
		synctest.Wait()
		if !over || left != 0 || err != nil {
			t.Errorf("DrainFor() = %d, %v, over %v; want 0, nil", left, err, over)
		}
		if n := p.waiting.Load(); n != 0 {
			t.Errorf("the count of those who wait is %d", n)
		}
		if left, err := p.DrainFor(context.Background(), "a"); left != 0 || err != nil {
			t.Errorf("DrainFor() of an idle one = %d, %v; want 0, nil", left, err)
		}
		must(t, p.Drain("a", false))
		if id, _ := pick(p, p.Now()); id != "a" {
			t.Errorf("pick afterwards = %s, want a", id)
		}
	})
}

func TestDrainForDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a"))
		_, l := pick(p, p.Now())
		pick(p, p.Now())
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		l.Done(p.Now(), Success)
		left, err := p.DrainFor(ctx, "a")
		if left != 1 || !errors.Is(err, context.DeadlineExceeded) || !contains(err, `drain "a": 1 requests in flight`) {
			t.Errorf("DrainFor() = %d, %v; want 1 and %v", left, err, context.DeadlineExceeded)
		}
		if s := status(t, p, "a"); s.State != StateDraining {
			t.Errorf("a = %s, want draining", s.State)
		}
		if _, err := p.DrainFor(ctx, "x"); !errors.Is(err, ErrUnknown) {
			t.Errorf("DrainFor() = %v, want %v", err, ErrUnknown)
		}
	})
}

// TestDrainForConcurrent: the last Done is never missed.
func TestDrainForConcurrent(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	for range 300 {
		var wg sync.WaitGroup
		for range 4 {
			_, l := pick(p, p.Now())
			wg.Go(func() { l.Done(p.Now(), Success) })
		}
		for range 2 {
			wg.Go(func() {
				if left, err := p.DrainFor(context.Background(), "a"); left != 0 || err != nil {
					t.Errorf("DrainFor() = %d, %v", left, err)
				}
			})
		}
		wg.Wait()
		must(t, p.Drain("a", false))
	}
}
