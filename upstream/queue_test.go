package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestQueueValue plays pushes, removals and the time on a queue alone.
func TestQueueValue(t *testing.T) {
	tests := []struct {
		name, script, want string
	}{
		{"order", "+a +b +c", "a b c"},
		{"limit", "+a +b +c +d", "a b c"},
		{"first gives up", "+a +b +c -a", "b c"},
		{"one in the middle", "+a +b +c -b", "a c"},
		{"last, and on", "+a +b -b +c", "a c"},
		{"empty and again", "+a -a +b +c", "b c"},
		{"twice out is once", "+a +b -a -a +c +d", "b c d"},
		{"time over", "+a wait +b late", "b"},
		{"all late", "+a +b wait wait late", ""},
		{"nobody late", "+a +b wait +c", "a b c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := queue{limit: 3, timeout: 10}
			names := map[string]*waiter{}
			now := t0
			for _, op := range strings.Fields(tt.script) {
				switch {
				case op == "wait":
					now += 10
				case op == "late":
					for w := q.late(now); w != nil; w = q.late(now) {
						q.remove(w)
					}
				case op[0] == '+':
					names[op[1:]] = &waiter{}
					want := q.n < 3
					if got := q.push(names[op[1:]], now); got != want {
						t.Errorf("%s = %v, want %v", op, got, want)
					}
				case op[0] == '-':
					w := names[op[1:]]
					if was := w.queued; q.remove(w) != was {
						t.Errorf("remove %s = %v, want %v", op, !was, was)
					}
				}
			}
			var got, back []string
			for w := q.head; w != nil; w = w.next {
				for name, o := range names {
					if o == w {
						got = append(got, name)
					}
				}
			}
			for w := q.tail; w != nil; w = w.prev {
				back = append(back, "")
			}
			if s := strings.Join(got, " "); s != tt.want || q.n != len(got) || len(back) != len(got) {
				t.Errorf("queue = %s (%d, %d backwards), want %s", s, q.n, len(back), tt.want)
			}
		})
	}
}

// wait is a Pick in a goroutine of its own.
type wait struct {
	name   string
	r      *Request
	cancel context.CancelFunc
	lease  Lease
	err    error
	done   chan struct{}
}

// goPick begins a Pick and lets the bubble settle.
func goPick(p *Pool, name string, r *Request) *wait {
	ctx, cancel := context.WithCancel(context.Background())
	w := &wait{name: name, r: r, cancel: cancel, done: make(chan struct{})}
	go func() {
		w.lease, w.err = p.Pick(ctx, r)
		close(w.done)
		cancel()
	}()
	synctest.Wait()
	return w
}

// over reports whether Pick has returned.
func (w *wait) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// end ends the lease, if there is one.
func (w *wait) end(p *Pool, o Outcome) {
	synctest.Wait()
	if w.over() {
		w.lease.Done(p.Now(), o)
	}
}

// got says how it stands.
func (w *wait) got() string {
	switch {
	case !w.over():
		return "waits"
	case w.err == nil:
		return w.lease.Backend().ID()
	case errors.Is(w.err, ErrQueueFull):
		return "full"
	case errors.Is(w.err, ErrQueueTimeout):
		return "timeout"
	case errors.Is(w.err, ErrNoPeer):
		return "none"
	case errors.Is(w.err, ErrBusy):
		return "busy"
	case errors.Is(w.err, context.Canceled):
		return "canceled"
	}
	return w.err.Error()
}

// standing says how all of them stand.
func standing(ws ...*wait) string {
	synctest.Wait()
	var s []string
	for _, w := range ws {
		s = append(s, w.got())
	}
	return strings.Join(s, " ")
}

func expect(t *testing.T, when, want string, ws ...*wait) {
	t.Helper()
	if got := standing(ws...); got != want {
		t.Fatalf("%s: %s, want %s", when, got, want)
	}
}

// TestQueueFIFO: each place that is given back wakes one waiter, the first.
func TestQueueFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1)), WithQueue(3, time.Minute))
		var ws []*wait
		for i := range 4 {
			ws = append(ws, goPick(p, fmt.Sprint(i), new(Request)))
			time.Sleep(time.Second)
		}
		expect(t, "begin", "a waits waits waits", ws...)
		if s := p.Snapshot(); s.Waiting != 3 || s.Queued != 3 || s.Busy != 0 {
			t.Errorf("waiting %d, queued %d, busy %d; want 3, 3, 0", s.Waiting, s.Queued, s.Busy)
		}
		for i, want := range []string{"a a waits waits", "a a a waits", "a a a a"} {
			ws[i].end(p, Outcome(i))
			expect(t, fmt.Sprintf("lease %d ended", i), want, ws...)
		}
		ws[3].end(p, Success)
		if s := p.Snapshot(); s.Waiting != 0 || s.Backends[0].Active != 0 || s.Backends[0].Requests != 4 {
			t.Errorf("waiting %d, active %d, requests %d; want 0, 0, 4", s.Waiting, s.Backends[0].Active, s.Backends[0].Requests)
		}
		if n := p.waiting.Load(); n != 0 {
			t.Errorf("the count of those who wait is %d", n)
		}
	})
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1)), WithQueue(1, time.Minute))
		w1, w2, w3 := goPick(p, "1", new(Request)), goPick(p, "2", new(Request)), goPick(p, "3", new(Request))
		expect(t, "three for one place and one seat", "a waits full", w1, w2, w3)
		if !errors.Is(w3.err, ErrBusy) {
			t.Errorf("%v is not %v", w3.err, ErrBusy)
		}
		if id, _ := pick(p, p.Now()); id != "busy" {
			t.Errorf("TryPick = %s, want busy", id)
		}
		w1.end(p, Success)
		w2.end(p, Success)
		if s := p.Snapshot(); s.QueueFull != 1 {
			t.Errorf("queue full %d times, want 1", s.QueueFull)
		}
	})
}

// TestQueueTimeout: each one's time counts from its own arrival; a place that
// comes back at the very end is still given.
func TestQueueTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1)), WithQueue(9, 10*time.Second))
		w0 := goPick(p, "0", new(Request))
		w1 := goPick(p, "1", new(Request))
		time.Sleep(4 * time.Second)
		w2 := goPick(p, "2", new(Request))
		time.Sleep(6*time.Second - 1)
		expect(t, "just before", "a waits waits", w0, w1, w2)
		time.Sleep(time.Nanosecond)
		expect(t, "ten seconds", "a timeout waits", w0, w1, w2)
		if !errors.Is(w1.err, ErrBusy) {
			t.Errorf("%v is not %v", w1.err, ErrBusy)
		}
		time.Sleep(4*time.Second - 1)
		w0.end(p, Success)
		expect(t, "a place in time", "a timeout a", w0, w1, w2)
		w2.end(p, Success)
		if s := p.Snapshot(); s.QueueTimeout != 1 || s.Backends[0].Active != 0 {
			t.Errorf("%d timeouts, %d active; want 1, 0", s.QueueTimeout, s.Backends[0].Active)
		}
	})
}

// TestQueueGivesUp: who leaves the queue takes no place with it.
func TestQueueGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1)), WithQueue(9, time.Minute))
		w0, w1, w2, w3 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request)), goPick(p, "2", new(Request)), goPick(p, "3", new(Request))
		w2.cancel()
		expect(t, "the second gives up", "a waits canceled waits", w0, w1, w2, w3)
		w1.cancel() // and the first at the moment at which a place comes
		w0.lease.Done(p.Now(), Success)
		synctest.Wait()
		if w1.over() && w1.err == nil {
			w1.end(p, Pass)
		}
		if got := standing(w3); got != "a" {
			t.Fatalf("the last one: %s, want a", got)
		}
		w3.end(p, Success)
		if s := p.Snapshot(); s.Waiting != 0 || s.Backends[0].Active != 0 {
			t.Errorf("waiting %d, active %d; want 0, 0", s.Waiting, s.Backends[0].Active)
		}
	})
}

// TestQueueOvertake: between the end of a lease and the look at the queue no
// other pick takes the place.
func TestQueueOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1)), WithQueue(9, time.Minute))
		w0, w1 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request))
		b := w0.lease.Backend()
		b.ended.Add(1) // as Done does, just before it wakes anybody
		if id, _ := pick(p, p.Now()); id != "busy" {
			t.Errorf("TryPick = %s, want busy", id)
		}
		expect(t, "after the TryPick", "a", w1)
		w1.end(p, Success)
	})
}

// TestQueueSkips: a place goes to the first who can use it; one who cannot keeps
// its turn.
func TestQueueSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1), MaxFails(0)), server("b", MaxConns(1), MaxFails(0)), WithQueue(9, time.Minute))
		r := new(Request)
		first, l := pickFor(p, p.Now(), r)
		l.Done(p.Now(), Failure)
		w0, w1 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request))
		again := goPick(p, "again", r)
		later := goPick(p, "later", new(Request))
		expect(t, "all places taken", "waits waits", again, later)
		of := map[string]*wait{w0.got(): w0, w1.got(): w1}
		of[first].end(p, Success)
		expect(t, "the place that the retry has tried", "waits "+first, again, later)
		other := map[string]string{"a": "b", "b": "a"}[first]
		of[other].end(p, Success)
		expect(t, "the other place", other, again)
		again.end(p, Success)
		later.end(p, Success)
	})
}

// TestQueueFailsFast: nobody waits for a peer that is out.
func TestQueueFailsFast(t *testing.T) {
	changes := []struct {
		name string
		do   func(p *Pool, l Lease) error
	}{
		{"health", func(p *Pool, l Lease) error { return p.SetHealth("a", "test", false, nil) }},
		{"drain", func(p *Pool, l Lease) error { return p.Drain("a", true) }},
		{"down", func(p *Pool, l Lease) error { return p.Update("a", Down()) }},
		{"removed", func(p *Pool, l Lease) error { return p.Remove("a") }},
		{"failed", func(p *Pool, l Lease) error { l.Done(p.Now(), Failure); return nil }},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, server("a", MaxConns(1)), server("b", Down()), WithQueue(9, time.Minute))
				w0, w1, w2 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request)), goPick(p, "2", new(Request))
				expect(t, "begin", "a waits waits", w0, w1, w2)
				must(t, tt.do(p, w0.lease))
				expect(t, "every peer is out", "none none", w1, w2)
				expect(t, "a new one", "none", goPick(p, "3", new(Request)))
				w0.end(p, Success)
			})
		})
	}
}

// TestQueueSeesChanges: what brings a peer into reach serves who waits.
func TestQueueSeesChanges(t *testing.T) {
	changes := []struct {
		name string
		do   func(p *Pool) error
		want string
	}{
		{"max_conns up by one", func(p *Pool) error { return p.Update("a", MaxConns(2)) }, "a waits"},
		{"max_conns off", func(p *Pool) error { return p.Update("a", MaxConns(0)) }, "a a"},
		{"health", func(p *Pool) error { return p.SetHealth("b", "test", true, nil) }, "b waits"},
		{"drain", func(p *Pool) error { return p.Drain("c", false) }, "c waits"},
		{"up", func(p *Pool) error { return p.Update("d", Up()) }, "d waits"},
		{"added", func(p *Pool) error { return p.Add("192.0.2.9:80", ID("new")) }, "new new"},
		{"moved", func(p *Pool) error { return p.Update("a", Address("192.0.2.9:80")) }, "a waits"},
		{"nothing", func(p *Pool) error { return p.SetWeight("a", 7) }, "waits waits"},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, server("a", MaxConns(1)), server("b", MaxConns(1)), server("c", MaxConns(1)), server("d", MaxConns(1), Down()), WithQueue(9, time.Minute))
				must(t, p.SetHealth("b", "test", false, nil))
				must(t, p.Drain("c", true))
				w0, w1, w2 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request)), goPick(p, "2", new(Request))
				expect(t, "begin", "a waits waits", w0, w1, w2)
				must(t, tt.do(p))
				expect(t, "after the change", tt.want, w1, w2)
				for _, w := range []*wait{w0, w1, w2} {
					w.cancel()
					synctest.Wait()
					w.end(p, Success)
				}
				if n := p.waiting.Load(); n != 0 {
					t.Errorf("the count of those who wait is %d", n)
				}
			})
		})
	}
}

// TestQueueSeesWindow: a peer that comes back by itself is given to who waits,
// once per window as a probe.
func TestQueueSeesWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1)), server("b", FailTimeout(5*time.Second)), WithQueue(9, time.Minute))
		for !strings.HasPrefix(status(t, p, "b").Why, "1 failure") {
			id, l := pick(p, p.Now())
			l.Done(p.Now(), map[string]Outcome{"a": Success, "b": Failure}[id])
		}
		w0, w1, w2 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request)), goPick(p, "2", new(Request))
		expect(t, "begin", "a waits waits", w0, w1, w2)
		time.Sleep(5 * time.Second)
		expect(t, "fail_timeout", "waits waits", w1, w2)
		time.Sleep(time.Nanosecond)
		expect(t, "past it", "b waits", w1, w2)
		time.Sleep(5*time.Second + 1)
		expect(t, "one window later", "b b", w1, w2)
		for _, w := range []*wait{w0, w1, w2} {
			w.end(p, Success)
		}
	})
}

// TestPickWithoutQueue is TryPick.
func TestPickWithoutQueue(t *testing.T) {
	for _, opts := range [][]Option{nil, {WithQueue(0, 0)}} {
		p := newPool(t, append(opts, server("a", MaxConns(1)))...)
		l, err := p.Pick(context.Background(), new(Request))
		if err != nil || l.Backend().ID() != "a" {
			t.Fatalf("Pick() = %v, %v", l, err)
		}
		if _, err := p.Pick(context.Background(), new(Request)); err != ErrBusy {
			t.Errorf("Pick() = %v, want %v", err, ErrBusy)
		}
		if s := p.Snapshot(); s.Busy != 1 {
			t.Errorf("busy = %d, want 1", s.Busy)
		}
		l.Done(p.Now(), Success)
	}
}

// TestPickErrors: a lease in hand is refused, and a context that has ended
// matters only to who would wait.
func TestPickErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("a", MaxConns(1)), WithQueue(1, time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := new(Request)
		l, err := p.Pick(ctx, r)
		must(t, err)
		if _, err := p.Pick(ctx, r); err != errLeaseOpen {
			t.Errorf("Pick() with a lease in hand = %v, want %v", err, errLeaseOpen)
		}
		if _, err := p.Pick(ctx, new(Request)); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "upstream: ") {
			t.Errorf("Pick() with an ended context = %v, want %v", err, context.Canceled)
		}
		l.Done(p.Now(), Success)
		if n := p.waiting.Load(); n != 0 {
			t.Errorf("the count of those who wait is %d", n)
		}
	})
}
