package upstream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// timed is least_time once more, naively: averages in a map, in steps of 20ms, the
// requests that wait in a list, loads compared as fractions.
type timed struct {
	*model
	whole, inflight bool
	average, late   map[*modelPeer]float64
	waiting         map[*modelPeer][]*timedRequest
	of              map[*modelRequest]*timedRequest
}

type timedRequest struct {
	began, headed int64 // milliseconds
	measured      bool
}

func newTimed(m *model, whole, inflight bool) *timed {
	return &timed{
		model: m, whole: whole, inflight: inflight,
		average: map[*modelPeer]float64{}, late: map[*modelPeer]float64{},
		waiting: map[*modelPeer][]*timedRequest{}, of: map[*modelRequest]*timedRequest{},
	}
}

func sample(averages map[*modelPeer]float64, p *modelPeer, v float64) {
	if old := averages[p]; old != 0 {
		v = float64(0.05*v) + float64(0.95*old)
	}
	averages[p] = v
}

func (m *timed) eta(p *modelPeer, now int64) float64 {
	rt := m.average[p]
	for idle := now - p.checked; idle >= p.timeout+1000; idle -= p.timeout + 1000 {
		rt /= 2
	}
	if n := int64(len(m.waiting[p])); n > 0 {
		var ages int64
		for _, w := range m.waiting[p] {
			ages += 1000 * (now - w.began)
		}
		sample(m.late, p, float64(ages/n)/20_000)
		rt = math.Max(rt, m.late[p])
	}
	bucket := math.Min(250, math.Floor(rt)+1)
	return bucket * float64(1+p.conns) / float64(p.weight)
}

func (m *timed) pick(r *modelRequest, now int64) string {
	from, full := usable(m.tier(r.backups), r.tried, now, true)
	if len(from) == 0 {
		return refused(full)
	}
	least := math.Inf(1)
	var best []*modelPeer
	for _, p := range from {
		switch e := m.eta(p, now); {
		case e < least:
			least, best = e, []*modelPeer{p}
		case e == least:
			best = append(best, p)
		}
	}
	p := best[0]
	if len(best) > 1 {
		p = m.round(best)
	}
	q := &timedRequest{began: now}
	m.of[r] = q
	if m.inflight {
		m.waiting[p] = append(m.waiting[p], q)
	}
	return m.take(r, p, now)
}

func (m *timed) leave(p *modelPeer, q *timedRequest) (was bool) {
	var rest []*timedRequest
	for _, w := range m.waiting[p] {
		if w == q {
			was = true
			continue
		}
		rest = append(rest, w)
	}
	m.waiting[p] = rest
	return was
}

func (m *timed) gotHead(f *flight, now int64) {
	q, p := m.of[f.m], f.m.current
	f.lease.Headed(now * ms)
	q.headed = now
	if m.inflight && !m.whole && m.leave(p, q) {
		sample(m.average, p, float64(now-q.began)/20)
		q.measured = true
	}
}

func (m *timed) ended(f *flight, now int64, o Outcome) {
	q, p := m.of[f.m], f.m.current
	m.leave(p, q)
	end := now
	if !m.whole {
		end = q.headed
	}
	if o == Success && end != 0 && !q.measured {
		sample(m.average, p, float64(end-q.began)/20)
	}
}

func TestLeastTimeModel(t *testing.T) {
	for _, whole := range []bool{false, true} {
		for _, late := range []bool{false, true} {
			for _, n := range []int{2, 3, 5, 9, 80} {
				rng := rand.New(rand.NewPCG(uint64(n), 2))
				opts, m := twinPeers(rng, n)
				how := []LeastTimeOption{{}, ByLastByte(), ByHeader()}
				if whole {
					how = []LeastTimeOption{ByHeader(), ByLastByte(), {}}
				}
				if late {
					how = append(how, Inflight())
				}
				bal := LeastTime(how...)
				t.Run(fmt.Sprintf("%v/%d", bal, n), func(t *testing.T) {
					p := newPool(t, append(opts, WithRetryBudget(1, 0), WithBalancer(bal))...)
					c := newTimed(m, whole, late)
					(&twins{t: t, rng: rng, pool: p, model: m, pick: c.pick, during: c.gotHead, end: c.ended}).play()
				})
			}
		}
	}
}

func TestLeastTimeName(t *testing.T) {
	for _, tt := range []struct {
		bal  Balancer
		want string
	}{
		{LeastTime(), "least_time header"},
		{LeastTime(ByLastByte()), "least_time last_byte"},
		{LeastTime(Inflight(), ByHeader()), "least_time header inflight"},
		{LeastTime(ByHeader(), Inflight(), ByLastByte()), "least_time last_byte inflight"},
	} {
		if got := tt.bal.String(); got != tt.want {
			t.Errorf("name = %q, want %q", got, tt.want)
		}
	}
}

// taught returns a pool of peers a, b ... whose answers took so long. Each peer's
// window began at t0.
func taught(t *testing.T, bal Balancer, took ...time.Duration) *Pool {
	t.Helper()
	var weights []int
	for range took {
		weights = append(weights, 1)
	}
	p := newPool(t, append(weighted(nil, weights...), WithBalancer(bal))...)
	for i, d := range took {
		for j := range took {
			must(t, p.SetHealth(string(rune('a'+j)), "test", i == j, nil))
		}
		timedAnswer(t, p, t0, d, d)
	}
	for j := range took {
		must(t, p.SetHealth(string(rune('a'+j)), "test", true, nil))
	}
	return p
}

// timedAnswer makes one request at now whose head and whose end come so much later.
func timedAnswer(t *testing.T, p *Pool, now int64, head, end time.Duration) string {
	t.Helper()
	r := new(Request)
	id, l := pickFor(p, now, r)
	r.Headed = now + int64(head)
	l.Done(now+int64(end), Success)
	return id
}

// average is what the pool thinks that an answer of the peer takes.
func average(p *Pool, id string) time.Duration {
	return time.Duration(p.view.Load().byID[id].memo.average.load() * timeStep)
}

// expected is the steps that the peer is expected to take.
func expected(l *leastTime, b *Backend, now int64) int64 {
	return min(l.closer(b, now, int64(b.memo.average.load()))+1, timeSteps)
}

// TestLeastTimeAverage: 5 % of the new and 95 % of the old, from the part that
// the options name, and only of successes that have it.
func TestLeastTimeAverage(t *testing.T) {
	header, whole := LeastTime(), LeastTime(ByLastByte())
	for _, tt := range []struct {
		name string
		bal  Balancer
		o    Outcome
		head time.Duration
		want time.Duration
	}{
		{"header", header, Success, 200 * time.Millisecond, 105 * time.Millisecond},
		{"last byte", whole, Success, 200 * time.Millisecond, 295 * time.Millisecond},
		{"no header", header, Success, 0, 100 * time.Millisecond},
		{"last byte, no header", whole, Success, 0, 295 * time.Millisecond},
		{"failed", header, Failure, time.Millisecond, 100 * time.Millisecond},
		{"failed, last byte", whole, Failure, time.Millisecond, 100 * time.Millisecond},
		{"free", header, Free, time.Millisecond, 100 * time.Millisecond},
		{"client gone", whole, Pass, time.Millisecond, 100 * time.Millisecond},
		{"header, inflight", LeastTime(Inflight()), Success, 200 * time.Millisecond, 105 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := taught(t, tt.bal, 100*time.Millisecond, time.Second)
			r := new(Request)
			id, l := pickFor(p, t0, r)
			if id != "a" {
				t.Fatalf("pick = %s, want a", id)
			}
			if tt.head != 0 {
				r.Headed = t0 + int64(tt.head)
			}
			l.Done(t0+int64(4*time.Second), tt.o)
			if got := average(p, "a").Round(time.Microsecond); got != tt.want {
				t.Errorf("average = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestLeastTimeHeaded: a head is counted once, at its own time, and only through
// the lease that is in hand.
func TestLeastTimeHeaded(t *testing.T) {
	p := taught(t, LeastTime(Inflight()), 100*time.Millisecond, time.Second)
	r := new(Request)
	_, l := pickFor(p, t0, r)
	a := p.view.Load().byID["a"]
	slow := &leastTime{inflight: true}
	for range 100 {
		expected(slow, a, t0+4000*ms)
	}
	if got := expected(slow, a, t0+4000*ms); got < 190 {
		t.Errorf("after 4s without a head a is expected in %d steps, want about 200", got)
	}
	l.Headed(t0 + 200*ms)
	if got := expected(slow, a, t0+4000*ms); got != 6 {
		t.Errorf("with the head in hand a is expected in %d steps, want 6", got)
	}
	if got, want := average(p, "a").Round(time.Microsecond), 105*time.Millisecond; got != want {
		t.Errorf("average at the head = %v, want %v", got, want)
	}
	l.Headed(t0 + 300*ms)
	l.Done(t0+900*ms, Success)
	l.Headed(t0 + 950*ms)
	(Lease{}).Headed(t0)
	if got, want := average(p, "a").Round(time.Microsecond), 105*time.Millisecond; got != want {
		t.Errorf("average at the end = %v, want %v", got, want)
	}
	if n := a.memo.waiting; n != 0 {
		t.Errorf("%d requests wait, want 0", n)
	}
}

// TestLeastTimeChoice: who is asked next, given what answers took.
func TestLeastTimeChoice(t *testing.T) {
	const s = time.Second
	milli := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	tests := []struct {
		name string
		took []time.Duration
		want string // picks of requests that stay
	}{
		{"the fast one", []time.Duration{milli(70), milli(30), milli(70)}, "b a b c b"},
		{"alike within 20ms", []time.Duration{milli(41), milli(59)}, "a b b a"},
		{"the edge of 20ms", []time.Duration{milli(60), milli(59)}, "b a b"},
		{"from 5s up all alike", []time.Duration{5 * s, 60 * s}, "a b b a"},
		{"no answer yet is fast", []time.Duration{milli(25), 0}, "b a b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := taught(t, LeastTime(), tt.took...)
			for _, b := range p.view.Load().all {
				b.current = 0
			}
			var got string
			for i := 0; len(got) < len(tt.want); i++ {
				id, _ := pick(p, t0)
				if i > 0 {
					got += " "
				}
				got += id
			}
			if got != tt.want {
				t.Errorf("picks = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestLeastTimeIdle: every span of fail_timeout without a pick halves what a
// peer is thought to need.
func TestLeastTimeIdle(t *testing.T) {
	const second = int64(time.Second)
	p := taught(t, LeastTime(), 10*time.Millisecond, 150*time.Millisecond)
	for _, tt := range []struct {
		after int64
		want  int64 // steps of 20ms
	}{
		{0, 8}, {10, 8}, {11, 4}, {21, 4}, {22, 2}, {33, 1}, {44, 1}, {1 << 30, 1},
	} {
		b := p.view.Load().byID["b"]
		if got := expected(&leastTime{}, b, t0+tt.after*second); got != tt.want {
			t.Errorf("after %ds = %d steps, want %d", tt.after, got, tt.want)
		}
	}
	if got := expected(&leastTime{}, p.view.Load().byID["b"], 0); got != 8 {
		t.Errorf("an hour before = %d steps, want 8", got)
	}
	// It is asked again, and its answer puts it back in its place.
	for i := range int64(60) {
		now := t0 + i*second
		id := timedAnswer(t, p, now, 10*time.Millisecond, time.Second)
		if id == "b" {
			if i < 33 {
				t.Errorf("b was asked after %ds, want not before 33s", i)
			}
			return
		}
	}
	t.Errorf("b was not asked in a minute")
}

// TestLeastTimeForever: the longest fail_timeout does not overflow.
func TestLeastTimeForever(t *testing.T) {
	p := newPool(t, server("a", FailTimeout(math.MaxInt64)), server("b", FailTimeout(0)), WithBalancer(LeastTime()))
	timedAnswer(t, p, t0, time.Second, time.Second)
	for _, b := range p.view.Load().all {
		if got := expected(&leastTime{}, b, math.MaxInt64); got < 1 || got > timeSteps {
			t.Errorf("%s: expected steps = %d", b.ID(), got)
		}
	}
}

// TestLeastTimeHanging: with Inflight a peer that takes requests and is silent
// is left alone before any of them has failed; without it, it goes on until the
// requests in flight outweigh its good name.
func TestLeastTimeHanging(t *testing.T) {
	count := func(bal Balancer) (n int) {
		p := taught(t, bal, 10*time.Millisecond, 500*time.Millisecond)
		for i := range int64(1000) {
			now := t0 + i*10*ms
			r := new(Request)
			id, l := pickFor(p, now, r)
			if id == "a" {
				n++
				continue // hangs
			}
			r.Headed = now + 500*ms
			l.Done(now+500*ms, Success)
		}
		return n
	}
	plain, watched := count(LeastTime()), count(LeastTime(Inflight()))
	if watched*2 > plain {
		t.Errorf("with inflight a had %d requests, without it %d; want less than half", watched, plain)
	}
}

// TestMemoAges: the sum of ages is that of the requests that wait, in whatever
// order times come.
func TestMemoAges(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	var m memo
	var live []int64
	for range 20_000 {
		now := t0 + rng.Int64N(int64(time.Minute))
		if len(live) == 0 || rng.IntN(2) == 0 {
			m.enter(now)
			live = append(live, now)
		} else {
			i := rng.IntN(len(live))
			m.leave(now, live[i])
			live = append(live[:i], live[i+1:]...)
		}
		var want int64
		for _, began := range live {
			want += micros(now) - micros(began)
		}
		if m.age != want || m.waiting != int64(len(live)) {
			t.Fatalf("%d wait for %dµs, want %d for %dµs", m.waiting, m.age, len(live), want)
		}
	}
}

// TestLeastTimeShown: the average is in the snapshot and in the metrics, of those
// that have one.
func TestLeastTimeShown(t *testing.T) {
	p := taught(t, LeastTime(), 100*time.Millisecond, 0)
	if got, want := status(t, p, "a").ResponseTime, 100*time.Millisecond; got != want {
		t.Errorf("response time of a = %v, want %v", got, want)
	}
	var got []string
	p.Collect(func(name string, kind byte, value float64, labels ...string) {
		if name == "mainstay_upstream_response_seconds" {
			got = append(got, fmt.Sprintf("%c %v %v", kind, value, labels))
		}
	})
	if want := "[g 0.1 [group default backend a]]"; fmt.Sprint(got) != want {
		t.Errorf("response_seconds = %v, want %s", got, want)
	}
}
