package healthcheck

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/race"
)

// TestFailingChecksLeakNothing: thousands of checks over real sockets that fail
// in every way leave no descriptor and no goroutine.
func TestFailingChecksLeakNothing(t *testing.T) {
	// Kept connections are not closed by their finalizers: what a check forgets
	// to close is still open when leak looks, before this cleanup.
	var mu sync.Mutex
	var conns []net.Conn
	t.Cleanup(func() { runtime.KeepAlive(&conns) })
	leak.Check(t)
	n := onLoopback()
	servers := []*server{
		n.serve(t, func(net.Conn) {}),
		n.serve(t, answer("SSH-2.0-OpenSSH_9.2\r\n")),
		n.serve(t, answer("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")),
		n.serve(t, cutOff("HTTP/1.1 200 OK\r\n\r\n")),
		n.serve(t, flood("HTTP/1.1 200 OK\r\n\r\n", "hello")),
		n.serve(t, silence("")),
	}
	nobody := n.serve(t, func(net.Conn) {})
	nobody.close()
	targets := []Target{nobody.Target}
	for _, s := range servers {
		targets = append(targets, s.Target)
	}
	rounds := 150
	if race.Enabled {
		rounds = 30
	}
	ctx, cancel := context.WithCancel(t.Context())
	var failed, wrong atomic.Int64
	m, err := New(WithConcurrency(64), WithMaxSpread(0))
	if err != nil {
		t.Fatal(err)
	}
	enough := make(chan struct{})
	check := HTTP(WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := n.dial(ctx, network, addr)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, c)
		}
		return c, err
	}))
	counting := CheckerFunc(func(ctx context.Context, target Target) Result {
		r := check.Check(ctx, target)
		switch r.Status {
		case Fail:
			if failed.Add(1) == int64(rounds*len(targets)) {
				close(enough)
			}
		case Pass:
			wrong.Add(1)
		}
		return r
	})
	for i := range 10 {
		for _, target := range targets {
			target.Group, target.ID = "g", fmt.Sprint(i, target.Addr)
			p := Policy{Interval: 20 * time.Millisecond, FastInterval: 10 * time.Millisecond, DownInterval: 10 * time.Millisecond, Timeout: 10 * time.Millisecond}
			if _, err := m.Add(target, counting, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { m.Run(ctx) })
	<-enough
	cancel()
	wg.Wait()
	for _, s := range servers {
		s.close()
	}
	if s := m.Snapshot(); wrong.Load() != 0 || s.InFlight != 0 || s.Passed != 0 {
		t.Errorf("%d checks passed, %d in flight", wrong.Load(), s.InFlight)
	}
}

// TestConcurrentUse calls everything at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	leak.Check(t)
	generations := map[string]uint64{}
	var last uint64
	m, err := New(WithConcurrency(8), WithMaxSpread(time.Millisecond), WithOnChange(func(e Event) {
		if e.Seq <= last {
			t.Errorf("event %d after %d", e.Seq, last)
		}
		if e.Generation < generations[e.ID] {
			t.Errorf("%s: generation %d after %d", e.ID, e.Generation, generations[e.ID])
		}
		last, generations[e.ID] = e.Seq, e.Generation
	}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var run, users sync.WaitGroup
	run.Go(func() { m.Run(ctx) })
	p := Policy{Interval: 10 * time.Millisecond, Timeout: 5 * time.Millisecond, Rise: 1, Fall: 1}
	for g := range 4 {
		users.Go(func() {
			var turn atomic.Int64
			check := CheckerFunc(func(context.Context, Target) Result {
				if turn.Add(1)%3 == 0 {
					return Result{Status: Fail, Err: errTest}
				}
				return Result{Status: Pass}
			})
			for i := range 300 {
				h, err := m.Add(Target{Group: fmt.Sprint(g), ID: fmt.Sprint(g, i%7)}, check, p)
				if err != nil {
					t.Error(err)
					return
				}
				switch i % 5 {
				case 0:
					m.WaitReady(ctx)
				case 1:
					m.Snapshot()
				case 2:
					m.Collect(func(string, byte, float64, ...string) {})
				}
				h.Up()
				h.Remove()
			}
		})
	}
	users.Wait()
	cancel()
	run.Wait()
	if s := m.Snapshot(); len(s.Targets) != 0 || s.InFlight != 0 || !s.Ready {
		t.Errorf("snapshot %+v", s)
	}
	if n := len(m.schedule.waiting.entries) + len(m.schedule.running.entries); n != 0 {
		t.Errorf("%d entries are left in the schedule", n)
	}
}

// BenchmarkChecks measures whole checks over loopback, server included: its
// share is about half.
func BenchmarkChecks(b *testing.B) {
	n := onLoopback()
	s := n.serve(b, func(c net.Conn) {
		if _, err := readRequest(c); err == nil {
			io.WriteString(c, ok)
		}
	})
	defer s.close()
	for _, c := range []struct {
		name  string
		check Checker
	}{{"tcp", TCP()}, {"http", HTTP()}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := c.check.Check(b.Context(), s.Target); r.Status != Pass {
					b.Fatal(r.Err)
				}
			}
		})
	}
}
