package upstream

import (
	"fmt"
	"testing"
)

func TestLeaseDoneTwice(t *testing.T) {
	p := newPool(t, server("a", MaxFails(3)), server("b", MaxFails(3)))
	r := new(Request)
	_, l := pickFor(p, t0, r)
	same := l
	l.Done(t0, Failure)
	l.Done(t0, Failure)
	same.Done(t0, Failure)
	if s := status(t, p, "a"); s.Active != 0 || s.Failures != 1 || s.Fails != 1 {
		t.Errorf("a has %d active, %d failures, %d fails; want 0, 1, 1", s.Active, s.Failures, s.Fails)
	}

	// Nor does an old lease end a newer one of the same request.
	_, newer := pickFor(p, t0, r)
	l.Done(t0, Failure)
	if s := status(t, p, "b"); s.Active != 1 || s.Failures != 0 {
		t.Errorf("b has %d active, %d failures; want 1, 0", s.Active, s.Failures)
	}
	newer.Done(t0, Success)
	if s := status(t, p, "b"); s.Active != 0 {
		t.Errorf("b has %d active after its lease ended", s.Active)
	}
	Lease{}.Done(t0, Failure)
	if b := (Lease{}).Backend(); b != nil {
		t.Errorf("backend of the zero lease = %v", b)
	}
}

func TestPickWithLeaseInHand(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	r := new(Request)
	_, l := pickFor(p, t0, r)
	if _, err := p.TryPick(t0, r); err != errLeaseOpen {
		t.Errorf("TryPick() = %v, want %v", err, errLeaseOpen)
	}
	r.Reset()
	if _, err := p.TryPick(t0, r); err != errLeaseOpen {
		t.Errorf("TryPick() after Reset = %v, want %v", err, errLeaseOpen)
	}
	l.Done(t0, Free) // after Reset: nothing to take back
	if r.Tries() != 0 {
		t.Errorf("Tries() = %d, want 0", r.Tries())
	}
	if _, err := p.TryPick(t0, r); err != nil {
		t.Errorf("TryPick() after Done = %v", err)
	}
	if s := status(t, p, "a"); s.Active != 0 {
		t.Errorf("a has %d active, want 0", s.Active)
	}
}

func TestLeaseOutlivesBackend(t *testing.T) {
	p := newPool(t, server("a", MaxConns(1)), server("b"))
	_, l := pick(p, t0)
	a := l.Backend()
	must(t, p.Remove("a"))
	if !a.Gone() || a.ID() != "a" || a.Group() != "default" || a.Addr() != "192.0.2.1:80" {
		t.Errorf("removed backend: gone %v, id %q, group %q, addr %q", a.Gone(), a.ID(), a.Group(), a.Addr())
	}
	if n := p.Snapshot().Leaving; n != 1 {
		t.Errorf("Leaving = %d, want 1", n)
	}

	// A new backend of that id starts afresh beside it.
	must(t, p.Add("192.0.2.1:80", ID("a"), MaxConns(1)))
	if n := turns(p, t0, 4, "a"); n != 2 {
		t.Errorf("the new a had %d of 4 turns, want 2", n)
	}
	l.Done(t0, Failure)
	if s := status(t, p, "a"); s.Active != 0 || s.Failures != 0 || s.State != StateUp {
		t.Errorf("the new a has %d active, %d failures, %s; want 0, 0, up", s.Active, s.Failures, s.State)
	}
	if n := p.Snapshot().Leaving; n != 0 {
		t.Errorf("Leaving = %d after the lease ended, want 0", n)
	}
}

func TestOutcomeString(t *testing.T) {
	if got, want := fmt.Sprint(Success, Failure, Free, Pass, Outcome(9)), "success failure free pass unknown"; got != want {
		t.Errorf("outcomes = %q, want %q", got, want)
	}
}
