package notify

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/race"
)

func TestMain(m *testing.M) { leak.Main(m) }

type event struct{ subject, n int }

func subject(e event) int { return e.subject }

// drain closes the queue and delivers all that waits.
func drain(q *Queue[event, int], got *[]event) []event {
	*got = nil
	q.Close()
	q.Run()
	return *got
}

func newQueue() (*Queue[event, int], *[]event) {
	got := new([]event)
	return New(subject, func(e event) { *got = append(*got, e) }), got
}

func TestNoLossUpToLimit(t *testing.T) {
	q, got := newQueue()
	for n := range Limit {
		q.Push(event{0, n})
	}
	if q.Len() != Limit || q.Coalesced() != 0 {
		t.Errorf("Len() = %d, Coalesced() = %d, want %d, 0", q.Len(), q.Coalesced(), Limit)
	}
	all := drain(q, got)
	if len(all) != Limit {
		t.Fatalf("%d delivered, want %d", len(all), Limit)
	}
	for n, e := range all {
		if e.n != n {
			t.Fatalf("event %d is %v", n, e)
		}
	}
}

func TestPastLimitLatestPerSubject(t *testing.T) {
	q, got := newQueue()
	for n := range Limit {
		q.Push(event{0, n})
	}
	for _, e := range []event{{0, 5000}, {1, 5001}, {2, 5002}, {1, 5003}, {0, 5004}, {1, 5005}} {
		q.Push(e)
	}
	if q.Coalesced() != 3 {
		t.Errorf("Coalesced() = %d, want 3", q.Coalesced())
	}
	want := []event{{2, 5002}, {0, 5004}, {1, 5005}}
	if got := drain(q, got)[Limit:]; !slices.Equal(got, want) {
		t.Errorf("past the limit: %v, want %v", got, want)
	}
}

// model is the queue as one would write it without a thought for time.
type model struct {
	waiting []struct {
		event
		past bool
	}
	coalesced uint64
}

func (m *model) push(e event) {
	past := len(m.waiting) >= Limit
	if past {
		for i, w := range m.waiting {
			if w.past && w.subject == e.subject {
				m.waiting = slices.Delete(m.waiting, i, i+1)
				m.coalesced++
				break
			}
		}
	}
	m.waiting = append(m.waiting, struct {
		event
		past bool
	}{e, past})
}

func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, subjects := range []int{1, 2, 10, 300} {
		q, _ := newQueue()
		m := new(model)
		last := -1
		for n := range 20000 {
			// Long phases of filling and of emptying, around the limit.
			if filling := n/4000%2 == 0; r.IntN(10) < 8 == filling {
				e := event{r.IntN(subjects), n}
				q.Push(e)
				m.push(e)
			} else if len(m.waiting) > 0 {
				e, ok := q.next()
				if want := m.waiting[0].event; !ok || e != want {
					t.Fatalf("next() = %v, %v, want %v", e, ok, want)
				}
				if e.n <= last {
					t.Fatalf("%v delivered after number %d", e, last)
				}
				last, m.waiting = e.n, m.waiting[1:]
			}
			if q.Len() != len(m.waiting) || q.Coalesced() != m.coalesced {
				t.Fatalf("Len() = %d, Coalesced() = %d, want %d, %d", q.Len(), q.Coalesced(), len(m.waiting), m.coalesced)
			}
			if q.Len() > Limit+subjects {
				t.Fatalf("%d wait, want at most %d", q.Len(), Limit+subjects)
			}
		}
		if m.coalesced == 0 {
			t.Errorf("%d subjects: nothing was coalesced", subjects)
		}
	}
}

func TestClose(t *testing.T) {
	q, got := newQueue()
	q.Push(event{1, 1})
	q.Close()
	q.Close()
	q.Push(event{1, 2})
	if all := drain(q, got); !slices.Equal(all, []event{{1, 1}}) {
		t.Errorf("delivered %v, want the event before Close", all)
	}
	if all := drain(q, got); all != nil {
		t.Errorf("a second Run delivered %v", all)
	}
}

// TestCallbackCallsQueue pushes, reads and closes from the callback: it runs
// outside of the lock.
func TestCallbackCallsQueue(t *testing.T) {
	var q *Queue[event, int]
	var got []event
	q = New(subject, func(e event) {
		got = append(got, e)
		if e.n < 3 {
			q.Push(event{e.subject, e.n + 1})
		} else if q.Len() == 0 {
			q.Close()
		}
	})
	q.Push(event{7, 1})
	q.Run()
	if want := []event{{7, 1}, {7, 2}, {7, 3}}; !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []event
		gate := make(chan struct{})
		q := New(subject, func(e event) { <-gate; got = append(got, e) })
		var wg sync.WaitGroup
		wg.Go(q.Run)
		synctest.Wait() // idle and durably blocked
		q.Push(event{1, 1})
		q.Push(event{1, 2})
		synctest.Wait() // the callback blocks, Push did not
		if q.Len() != 1 {
			t.Errorf("Len() = %d, want 1 beside the one being delivered", q.Len())
		}
		q.Close()
		close(gate)
		wg.Wait()
		if want := []event{{1, 1}, {1, 2}}; !slices.Equal(got, want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
	})
}

func TestManyPushers(t *testing.T) {
	const pushers, each = 8, 2000
	last := make([]int, pushers)
	delivered := 0
	q := New(subject, func(e event) {
		if e.n <= last[e.subject] {
			t.Errorf("%v after number %d", e, last[e.subject])
		}
		last[e.subject] = e.n
		delivered++
	})
	var runner, wg sync.WaitGroup
	runner.Go(q.Run)
	for p := range pushers {
		wg.Go(func() {
			for n := range each {
				q.Push(event{p, n + 1})
			}
		})
	}
	wg.Wait()
	q.Close()
	runner.Wait()
	for p, n := range last {
		if n != each {
			t.Errorf("the last event of %d is %d, want %d", p, n, each)
		}
	}
	if got := uint64(delivered) + q.Coalesced(); got != pushers*each {
		t.Errorf("delivered and coalesced: %d, want %d", got, pushers*each)
	}
}

func TestPushAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, tt := range []struct {
		name    string
		waiting int
	}{{"short", 0}, {"past the limit", Limit}} {
		t.Run(tt.name, func(t *testing.T) {
			q := New(subject, func(event) {})
			for n := range tt.waiting {
				q.Push(event{n % 4, n})
			}
			allocs := testing.AllocsPerRun(10, func() {
				for n := range 1000 {
					q.Push(event{n % 4, n})
					if q.Len() > tt.waiting+4 {
						q.next()
					}
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations in 1000 pushes, want 0", allocs)
			}
		})
	}
}

func BenchmarkPushNext(b *testing.B) {
	q := New(subject, func(event) {})
	b.ReportAllocs()
	for n := range b.N {
		q.Push(event{n & 7, n})
		q.next()
	}
}

// Drain delivers what waits, in order, and what comes of that, and returns.
func TestDrain(t *testing.T) {
	var got []int
	var q *Queue[int, int]
	q = New(func(int) int { return 0 }, func(n int) {
		got = append(got, n)
		if n == 1 {
			q.Push(10)
		}
	})
	q.Drain()
	for n := range 3 {
		q.Push(n)
	}
	q.Drain()
	if !slices.Equal(got, []int{0, 1, 2, 10}) || q.Len() != 0 {
		t.Errorf("delivered %v, and %d wait", got, q.Len())
	}
	q.Push(3)
	q.Close()
	q.Drain()
	q.Drain()
	if got[len(got)-1] != 3 || len(got) != 5 {
		t.Errorf("delivered %v after Close", got)
	}
}
