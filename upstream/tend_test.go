package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// TestUnconfigured: a pool that has nothing to tend is never told to.
func TestUnconfigured(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	for i, do := range []func(){
		func() { failOne(t, p, t0, "a") },
		func() { must(t, p.SetHealth("b", "test", false, nil)) },
		func() { must(t, p.SetHealth("b", "test", true, nil)) },
		func() { must(t, p.Add("192.0.2.9:80", ID("c"))) },
		func() { must(t, p.Drain("c", true)) },
		func() { must(t, p.Remove("c")) },
		func() { turns(p, t0+window+ms, 10, "a") },
	} {
		do()
		if p.due != never || p.stirred || p.notes != nil || p.alarm != nil {
			t.Errorf("after step %d: due %d, stirred %v, notes %v, alarm %v; want none of it", i, p.due, p.stirred, p.notes, p.alarm)
		}
	}
}

// TestAdmissionLog: one line per transition, whoever has brought it about.
func TestAdmissionLog(t *testing.T) {
	var out bytes.Buffer
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	p := newPool(t, WithName("web"), WithLogger(slog.New(h)), WithOutlier(Consecutive5xx(1)), WithPanicThreshold(60),
		server("p0", MaxFails(0)), server("b"))
	const (
		ejected = `level=INFO msg=ejected group=web backend=p0 reason=consecutive_5xx span=30s`
		panics  = `level=WARN msg="health is ignored" group=web healthy=1 backends=2`
		calm    = `level=INFO msg="health counts again" group=web`
		over    = `level=INFO msg="ejection is over" group=web backend=p0`
	)
	steps := []struct {
		name string
		do   func()
		want []string
	}{
		{"begin", func() { pick(p, t0) }, nil},
		{"an error", func() { answerWith(p, t0, 500) }, []string{ejected}},
		{"the next pick", func() { pick(p, t0) }, []string{panics}},
		{"and the next", func() { pick(p, t0) }, nil},
		{"its time is over", func() { pick(p, t0+int64(30*time.Second)) }, []string{over, calm}},
		{"down", func() { must(t, p.SetHealth("b", "http", false, nil)) },
			[]string{`level=INFO msg="health changed" group=web backend=b source=http up=false healthy=false`}},
		{"the next pick", func() { pick(p, t0+int64(30*time.Second)) }, []string{panics}},
		{"up", func() { must(t, p.SetHealth("b", "http", true, nil)) },
			[]string{`level=INFO msg="health changed" group=web backend=b source=http up=true healthy=true`}},
		{"seen in a snapshot", func() { p.Snapshot() }, nil},
		{"logged by the next pick", func() { pick(p, t0+int64(30*time.Second)) }, []string{calm}},
		{"another error", func() { answerWith(p, t0+int64(30*time.Second), 503) },
			[]string{`level=INFO msg=ejected group=web backend=p0 reason=consecutive_5xx span=1m0s`}},
		{"pardoned", func() { must(t, p.SetHealth("p0", "http", true, nil)) }, []string{over}},
	}
	for _, tt := range steps {
		out.Reset()
		tt.do()
		if got, want := strings.TrimSpace(out.String()), strings.Join(tt.want, "\n"); got != want {
			t.Errorf("%s logged\n%s\nwant\n%s", tt.name, got, want)
		}
	}
}

// TestQueueLog: the waiters say what a pick would have said.
func TestQueueLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newPool(t, WithLogger(slog.New(slog.NewTextHandler(&out, nil))), WithQueue(9, time.Minute), server("a", MaxConns(1)))
		w0, w1, w2 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request)), goPick(p, "2", new(Request))
		must(t, p.Drain("a", true))
		expect(t, "drained", "none none", w1, w2)
		if n := strings.Count(out.String(), "no peer is eligible"); n != 1 {
			t.Errorf("logged %d times that there is no peer, want once:\n%s", n, &out)
		}
		must(t, p.Drain("a", false))
		w0.end(p, Success)
		w3 := goPick(p, "3", new(Request))
		expect(t, "back", "a", w3)
		if n := strings.Count(out.String(), "peers are eligible again"); n != 1 {
			t.Errorf("logged %d times that there is one again, want once:\n%s", n, &out)
		}
		w3.end(p, Success)
	})
}

// TestAdmissionFigures: in the snapshot, in JSON and in the metrics.
func TestAdmissionFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, WithName("web"), WithOutlier(Consecutive5xx(1)), WithPanicThreshold(100), WithQueue(1, time.Minute), WithRetryBudget(0, 1),
			server("p0", MaxFails(0), MaxConns(1)), server("b", MaxConns(1), MaxFails(0)))
		time.Sleep(time.Hour)
		answerWith(p, p.Now(), 500)
		must(t, p.Add("192.0.2.3:80", ID("c"), SlowStart(time.Minute), MaxConns(1), MaxFails(0)))
		time.Sleep(30*time.Second - 1)
		var ws []*wait
		for i := range 6 { // three are served, one waits, one finds no room, one is a retry
			r := new(Request)
			if i == 5 {
				ws[0].r.Cause = errors.New("reset by peer")
				ws[0].r.Status = 502
				ws[0].end(p, Failure)
				r = ws[0].r
			}
			ws = append(ws, goPick(p, fmt.Sprint(i), r))
		}
		s := p.Snapshot()
		if s.Waiting != 1 || s.Queued != 2 || s.QueueFull != 1 || s.Retrying != 1 || s.Retries != 1 || !s.Panicking || s.Panics != 1 {
			t.Errorf("snapshot = %+v; want 1 waiting, 2 queued, 1 full, 1 retrying, 1 retry, panicking once", s)
		}
		text, err := json.Marshal(s)
		must(t, err)
		for _, want := range []string{
			`"waiting":1,"queued":2,"queue_full":1,"queue_timeout":0,"retrying":1,"retries":1,"over_budget":0,"panicking":true,"panics":1`,
			`"ejected":{"reason":"consecutive_`, `"share":0.4`, `"ejections":1`, `"last_status":50`, `"why":"consecutive_`,
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s\nlacks %s", text, want)
			}
		}
		got := map[string]float64{}
		p.Collect(func(name string, kind byte, value float64, labels ...string) {
			if counter := strings.HasSuffix(name, "_total"); counter != (kind == 'c') {
				t.Errorf("%s has kind %q", name, kind)
			}
			got[strings.Join(append([]string{strings.TrimPrefix(name, "mainstay_upstream_")}, labels[2:]...), " ")] = value
		})
		for key, want := range map[string]float64{
			"waiting": 1, "queued_total": 2, "queue_full_total": 1, "queue_timeout_total": 0, "retrying": 1, "retries_total": 1,
			"over_budget_total": 0, "panicking": 1, "panics_total": 1, "ejected backend p0": 1, "ejections_total backend p0": 1,
			"ejected backend b": 0, "share backend b": 1, "share backend c": 0.499999999,
		} {
			if v, ok := got[key]; !ok || v < want-0.01 || v > want+0.01 {
				t.Errorf("%s = %v, %v; want %v", key, v, ok, want)
			}
		}
		for len(ws) > 0 {
			ws[0].cancel()
			ws[0].end(p, Success)
			ws = ws[1:]
		}
	})
}

// everything configures all there is.
func everything(n int, opts ...ServerOption) []Option {
	all := []Option{
		WithQueue(100, time.Minute), WithRetryBudget(0.2, 3), WithPanicThreshold(30),
		WithOutlier(Consecutive5xx(3), ConsecutiveGateway(2), SuccessRate(3, 5, 1), OutlierInterval(time.Millisecond), EjectionTime(time.Microsecond, time.Millisecond), MaxEjected(50)),
	}
	for i := range n {
		all = append(all, server(fmt.Sprint(i), append(opts, SlowStart(time.Millisecond))...))
	}
	return all
}

// TestNoAllocationsConfigured: nor does a pool allocate that has everything, as
// long as nobody waits and nothing changes.
func TestNoAllocationsConfigured(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		p := newPool(t, append(everything(16, MaxConns(9), MaxFails(0)), WithBalancer(bal))...)
		must(t, p.Add("192.0.2.9:80", ID("rising"), SlowStart(1<<62)))
		now := t0
		r := new(Request)
		ctx := context.Background()
		for range 100 { // the sweep has its memory
			now += int64(time.Millisecond)
			_, l := pick(p, now)
			l.Done(now, Success)
		}
		if n := testing.AllocsPerRun(10, func() {
			for range 1000 {
				now += ms
				for range 2 {
					l, err := p.TryPick(now, r)
					if err != nil {
						t.Fatal(err)
					}
					r.Status = 200
					l.Done(now, Pass)
				}
				r.Reset()
				l, err := p.Pick(ctx, r)
				if err != nil {
					t.Fatal(err)
				}
				l.Done(now, Success)
				r.Reset()
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations in 1000 requests, want 0", bal, n)
		}
		if p.ramps != 1 {
			t.Errorf("%d slow starts on the way, want 1", p.ramps)
		}
	}
}

// TestConcurrentEverything lets all of it run at once: limits hold, nothing is
// lost, and when all is over nothing is left of it.
func TestConcurrentEverything(t *testing.T) {
	for _, bal := range []Balancer{RoundRobin(), LeastConn()} {
		t.Run(bal.String(), func(t *testing.T) {
			const limit = 3
			p := newPool(t, append(everything(6, MaxConns(limit), MaxFails(2), FailTimeout(time.Microsecond)), WithBalancer(bal))...)
			var workers, changes sync.WaitGroup
			stop := make(chan struct{})
			for w := range 8 {
				workers.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(w), 11))
					r := new(Request)
					for range 1500 {
						for range 3 {
							ctx, cancel := context.WithTimeout(context.Background(), time.Second)
							l, err := p.Pick(ctx, r)
							cancel()
							if err != nil {
								break
							}
							r.Status = []int{200, 200, 200, 404, 500, 503, 0}[rng.IntN(7)]
							r.Dropped = rng.IntN(9) == 0
							l.Done(p.Now(), Outcome(rng.IntN(4)))
						}
						r.Reset()
					}
				})
			}
			changes.Go(func() {
				rng := rand.New(rand.NewPCG(12, 11))
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					id := fmt.Sprint(rng.IntN(6))
					switch rng.IntN(7) {
					case 0:
						p.SetWeight(id, 1+rng.IntN(10))
					case 1, 2:
						p.SetHealth(id, "test", rng.IntN(3) > 0, nil)
					case 3:
						ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
						p.DrainFor(ctx, id)
						cancel()
						p.Drain(id, false)
					case 4:
						if p.Remove(id) == nil {
							p.Add("192.0.2.1:80", ID(id), MaxConns(limit), MaxFails(2), FailTimeout(1), SlowStart(time.Millisecond))
						}
					case 5:
						p.Update(id, Address(fmt.Sprintf("192.0.2.2:%d", i%60000+1)), SlowStart(time.Duration(rng.IntN(3))*time.Millisecond))
					case 6:
						p.Snapshot()
					}
				}
			})
			workers.Wait()
			close(stop)
			changes.Wait()
			s := p.Snapshot()
			if s.Leaving != 0 || s.Waiting != 0 || s.Retrying != 0 || p.waiting.Load() != 0 || len(p.drains) != 0 {
				t.Errorf("leaving %d, waiting %d (%d), retrying %d, drains %d; want none", s.Leaving, s.Waiting, p.waiting.Load(), s.Retrying, len(p.drains))
			}
			rising := 0
			for _, b := range p.view.Load().all {
				if b.connsLocked() != 0 {
					t.Errorf("%s has %d requests in flight", b.id, b.connsLocked())
				}
				if b.rising {
					rising++
				}
				if b.effective < 0 || b.effective > b.weight || b.weight > b.nominal {
					t.Errorf("%s: effective %d, weight %d, nominal %d", b.id, b.effective, b.weight, b.nominal)
				}
			}
			if rising != p.ramps {
				t.Errorf("%d rise, %d counted", rising, p.ramps)
			}
		})
	}
}
