package upstream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	noon    = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	errLost = errors.New("server failure")
	qa      = question{"web.example", RecordA}
	qsrv    = question{"_http._tcp.web.example", RecordSRV}
)

func ip(s string) Record { return Record{Addr: netip.MustParseAddr(s)} }

// newTestLookups returns a core without jitter.
func newTestLookups(opts ...ResolveOption) *lookups {
	c := defaultResolve()
	for _, o := range opts {
		o(&c)
	}
	return newLookups(&c, func() float64 { return 0 })
}

// ask takes everything that is due and fails t unless it is want.
func (l *lookups) ask(t *testing.T, now time.Time, want ...question) {
	t.Helper()
	if got := l.due(now); !slices.Equal(got, want) {
		t.Fatalf("due = %v, want %v", got, want)
	}
}

// TestDelay: when a question is asked again, by how its lookups ended.
func TestDelay(t *testing.T) {
	good := []Record{ip("192.0.2.1")}
	type end struct {
		records []Record
		ttl     time.Duration
		err     error
		want    time.Duration // until it is asked again
		kept    int           // records
	}
	none := func(ttl, want time.Duration, kept int) end { return end{nil, ttl, ErrNoRecords, want, kept} }
	lost := func(want time.Duration, kept int) end { return end{nil, 0, errLost, want, kept} }
	sec := time.Second
	tests := []struct {
		name string
		opts []ResolveOption
		ends []end
	}{
		{"ttl", nil, []end{{good, 42 * sec, nil, 42 * sec, 1}}},
		{"ttl 0", nil, []end{{good, 0, nil, sec, 1}}},
		{"negative ttl", nil, []end{{good, -5, nil, sec, 1}}},
		{"a week", nil, []end{{good, 168 * time.Hour, nil, time.Hour, 1}}},
		{"the longest", nil, []end{{good, maxTTL, nil, time.Hour, 1}}},
		{"bounds", []ResolveOption{ResolveTTL(10*sec, 20*sec)}, []end{{good, sec, nil, 10 * sec, 1}, {good, 15 * sec, nil, 15 * sec, 1}, {good, time.Hour, nil, 20 * sec, 1}}},
		{"valid", []ResolveOption{ResolveValid(7 * sec)}, []end{{good, sec, nil, 7 * sec, 1}, none(sec, 7*sec, 1)}},
		{"failures back off", nil, []end{lost(sec, 0), lost(2*sec, 0), lost(4*sec, 0), lost(8*sec, 0), lost(16*sec, 0), lost(30*sec, 0), lost(30*sec, 0)}},
		{"the last good answer is kept on failure", nil, []end{{good, sec, nil, sec, 1}, lost(sec, 1), lost(2*sec, 1), {good, sec, nil, sec, 1}, lost(sec, 1)}},
		{"no records at first", nil, []end{none(7*sec, 7*sec, 0), none(0, 5*sec, 0), none(time.Hour, 30*sec, 0)}},
		{"no records are believed after the hold", nil, []end{{good, sec, nil, sec, 1}, none(10*sec, 10*sec, 1), none(time.Minute, 20*sec, 1), none(60*sec, 30*sec, 0)}},
		{"a failure does not end the hold", nil, []end{{good, sec, nil, sec, 1}, none(30*sec, 30*sec, 1), lost(sec, 1), none(5*sec, 5*sec, 0)}},
		{"a good answer ends it", nil, []end{{good, sec, nil, sec, 1}, none(20*sec, 20*sec, 1), {good, 20 * sec, nil, 20 * sec, 1}, none(20*sec, 20*sec, 1)}},
		{"hold 0", []ResolveOption{ResolveHold(0)}, []end{{good, sec, nil, sec, 1}, none(9*sec, 9*sec, 0)}},
		{"empty is none", []ResolveOption{ResolveHold(0)}, []end{{good, sec, nil, sec, 1}, {nil, 9 * sec, nil, 9 * sec, 0}}},
		{"of no use is none", []ResolveOption{ResolveHold(0)}, []end{{good, sec, nil, sec, 1}, {[]Record{ip("0.0.0.0"), ip("224.0.0.1"), ip("2001:db8::1"), {}}, 9 * sec, nil, 9 * sec, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLookups(tt.opts...)
			now := noon
			l.want(now, []question{qa})
			for i, e := range tt.ends {
				l.ask(t, now, qa)
				l.ask(t, now) // it is under way
				if d := l.deadline(); !d.IsZero() {
					t.Errorf("step %d: deadline = %v while it is under way, want none", i, d)
				}
				l.answered(now, qa, e.records, e.ttl, e.err)
				if got := l.deadline().Sub(now); got != e.want {
					t.Fatalf("step %d: asked again after %v, want %v", i, got, e.want)
				}
				if got := len(l.all[qa].records); got != e.kept {
					t.Fatalf("step %d: %d records, want %d", i, got, e.kept)
				}
				l.ask(t, now.Add(e.want-1))
				l.ask(t, now.Add(-time.Hour)) // back in time nothing is due
				now = now.Add(e.want)
			}
		})
	}
}

// TestJitter: an answer is asked for again up to a tenth late, never early.
func TestJitter(t *testing.T) {
	for _, x := range []float64{0, 0.5, 0.999} {
		l := newTestLookups()
		l.random = func() float64 { return x }
		l.want(noon, []question{qa})
		l.ask(t, noon, qa)
		l.answered(noon, qa, []Record{ip("192.0.2.1")}, 100*time.Second, nil)
		want := 100*time.Second + time.Duration(x*float64(10*time.Second))
		if got := l.deadline().Sub(noon); got != want {
			t.Errorf("at %v asked again after %v, want %v", x, got, want)
		}
	}
}

// TestTargets: the targets of SRV records are questions too, as long as they are.
func TestTargets(t *testing.T) {
	l := newTestLookups()
	l.want(noon, []question{qsrv})
	l.ask(t, noon, qsrv)
	l.answered(noon, qsrv, []Record{
		{Target: "B.example.", Port: 81}, {Target: "a.example.", Port: 80}, {Target: "a.example.", Port: 82},
		{Target: ".", Port: 80}, {Target: "c.example.", Port: 0}, {Target: "no host/", Port: 1}, {Port: 1},
	}, time.Second, nil)
	a4, a6 := question{"a.example.", RecordA}, question{"a.example.", RecordAAAA}
	b4, b6 := question{"b.example.", RecordA}, question{"b.example.", RecordAAAA}
	l.ask(t, noon, a4, a6, b4, b6)
	l.answered(noon, a4, []Record{ip("192.0.2.1")}, time.Minute, nil)
	t1 := noon.Add(time.Second)
	l.ask(t, t1, qsrv)
	l.answered(t1, qsrv, []Record{{Target: "a.example.", Port: 80}}, time.Minute, nil)
	if len(l.all) != 3 || l.all[b4] != nil {
		t.Errorf("%d questions, want those of a.example and the service", len(l.all))
	}
	l.answered(t1, b4, []Record{ip("192.0.2.9")}, time.Minute, nil) // of the past
	if l.all[b4] != nil || l.flying != 2 {
		t.Errorf("a forgotten question came back; %d under way, want 2", l.flying)
	}
	l.want(t1, nil)
	if len(l.all) != 0 {
		t.Errorf("%d questions without a root", len(l.all))
	}
}

// TestFlying: no more than maxFlying lookups are under way, the longest due first.
func TestFlying(t *testing.T) {
	l := newTestLookups()
	var roots []question
	for i := range 3 * maxFlying {
		roots = append(roots, question{fmt.Sprintf("n%02d.example", i), RecordA})
	}
	l.want(noon, roots)
	first := l.due(noon)
	if !slices.Equal(first, roots[:maxFlying]) {
		t.Fatalf("due = %v", first)
	}
	if !l.deadline().IsZero() {
		t.Error("there is a deadline while no more can be asked")
	}
	l.answered(noon, first[3], nil, 0, errLost)
	l.ask(t, noon.Add(time.Minute), roots[maxFlying])
	l.stop()
	if again := l.due(noon); !slices.Contains(again, first[0]) || len(again) != maxFlying {
		t.Errorf("after a stop due = %v", again)
	}
}

// TestSift: the order of an answer does not count, nor what is there twice, and
// an answer is bounded.
func TestSift(t *testing.T) {
	var many, srv []Record
	for i := range 3000 {
		many = append(many, Record{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
		srv = append(srv, Record{Target: fmt.Sprintf("h%d.example", i), Port: 80, Priority: uint16(3000 - i)})
	}
	want := sift(RecordA, many)
	if len(want) != maxRecords {
		t.Errorf("%d addresses, want %d", len(want), maxRecords)
	}
	for seed := range uint64(20) {
		other := append(slices.Clone(many), many[:50]...)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		if !slices.Equal(sift(RecordA, other), want) {
			t.Fatal("the order of the answer counts")
		}
	}
	got := sift(RecordSRV, srv)
	if len(got) != maxTargets || got[0].Priority != 1 {
		t.Errorf("%d services from priority %d, want %d from 1", len(got), got[0].Priority, maxTargets)
	}
	if got := sift(RecordA, []Record{{Addr: netip.MustParseAddr("::ffff:192.0.2.1")}}); len(got) != 1 || got[0] != ip("192.0.2.1") {
		t.Errorf("a mapped address became %v", got)
	}
}

// TestLookupsRandom: whatever happens, nothing is asked twice at a time, nothing
// is asked before its time, and what is not under way has a time.
func TestLookupsRandom(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		l := newTestLookups()
		l.random = rng.Float64
		var flying []question
		now := noon
		for range 300 {
			switch rng.IntN(6) {
			case 0:
				var roots []question
				for i := range rng.IntN(30) {
					q := question{fmt.Sprintf("n%d.example", i), RecordA}
					if i%3 == 0 {
						q.kind = RecordSRV
					}
					roots = append(roots, q)
				}
				l.want(now, roots)
				flying = slices.DeleteFunc(flying, func(q question) bool { return l.all[q] == nil })
			case 1:
				now = now.Add(time.Duration(rng.IntN(60)-10) * time.Second)
			case 2, 3:
				for _, q := range l.due(now) {
					if slices.Contains(flying, q) || l.all[q].next.After(now) {
						t.Fatalf("seed %d: asked %v out of turn", seed, q)
					}
					flying = append(flying, q)
				}
			default:
				if len(flying) == 0 {
					continue
				}
				i := rng.IntN(len(flying))
				q := flying[i]
				flying = slices.Delete(flying, i, i+1)
				records := []Record{ip("192.0.2.1")}
				if q.kind == RecordSRV {
					records = []Record{{Target: fmt.Sprintf("t%d.example.", rng.IntN(5)), Port: 80}}
				}
				l.answered(now, q, records, time.Duration(rng.IntN(100))*time.Second, []error{nil, nil, ErrNoRecords, errLost}[rng.IntN(4)])
				flying = slices.DeleteFunc(flying, func(q question) bool { return l.all[q] == nil })
			}
			if l.flying > maxFlying {
				t.Fatalf("seed %d: %d under way", seed, l.flying)
			}
			for q, a := range l.all {
				if a.asking != slices.Contains(flying, q) || a.next.IsZero() || a.next.Sub(now) > 2*time.Hour {
					t.Fatalf("seed %d: %v: asking %v, next %v at %v", seed, q, a.asking, a.next, now)
				}
			}
		}
	}
}

func TestCheckHost(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, ok := range map[string]bool{
		"web.example": true, "WEB.example.": true, "_http._tcp.web.example": true, "localhost": true, "1a.2-b": true,
		long: true, strings.Repeat(long+".", 3) + strings.Repeat("b", 61): true,
		"": false, ".": false, "a..b": false, ".a": false, "a b": false, "a/b": false, "a\x00": false, "münchen.example": false,
		long + "a": false, strings.Repeat(long+".", 3) + strings.Repeat("b", 62): false,
	} {
		if err := checkHost(name); (err == nil) != ok {
			t.Errorf("checkHost(%q) = %v", name, err)
		}
	}
}
