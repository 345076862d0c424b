package upstream

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// policyOf returns what WithOutlier makes of its options.
func policyOf(opts ...OutlierOption) *outlier {
	var c config
	WithOutlier(opts...)(&c)
	return c.outlier
}

func TestEjectionSpan(t *testing.T) {
	o := policyOf()
	for n, want := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 9: 270 * time.Second, 10: 300 * time.Second, 11: 300 * time.Second, math.MaxInt32: 300 * time.Second} {
		if got := time.Duration(o.span(n)); got != want {
			t.Errorf("ejection %d lasts %v, want %v", n, got, want)
		}
	}
}

func TestEjectionRoom(t *testing.T) {
	tests := []struct {
		percent, ejected, peers int
		want                    bool
	}{
		{10, 0, 1, true}, {10, 0, 3, true}, {0, 0, 3, true}, // one always
		{10, 1, 10, false}, {10, 1, 19, false}, {10, 1, 20, true}, {10, 2, 20, false},
		{50, 1, 4, true}, {50, 2, 4, false}, {100, 3, 4, true}, {0, 1, 1000, false},
	}
	for _, tt := range tests {
		if got := policyOf(MaxEjected(tt.percent)).room(tt.ejected, tt.peers); got != tt.want {
			t.Errorf("at %d %%, with %d of %d ejected, room = %v, want %v", tt.percent, tt.ejected, tt.peers, got, tt.want)
		}
	}
}

func TestSuccessRateFloor(t *testing.T) {
	tests := []struct {
		name  string
		opt   OutlierOption
		rates []float64
		want  float64
		ok    bool
	}{
		{"too few", SuccessRate(5, 1, 1.9), []float64{1, 1, 1, 0}, 0, false},
		{"off", SuccessRate(0, 1, 1.9), []float64{1, 1, 1, 1, 0}, 0, false},
		{"all the same", SuccessRate(5, 1, 1.9), []float64{0.5, 0.5, 0.5, 0.5, 0.5}, 0.5, true},
		// mean 0.8, deviation 0.4
		{"one of five", SuccessRate(5, 1, 1.9), []float64{1, 1, 1, 1, 0}, 0.8 - 1.9*0.4, true},
		{"strict", SuccessRate(5, 1, 0.5), []float64{1, 1, 1, 1, 0}, 0.6, true},
		{"the mean itself", SuccessRate(2, 1, 0), []float64{1, 0}, 0.5, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := policyOf(tt.opt).floor(tt.rates)
			if ok != tt.ok || math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("floor() = %v, %v; want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestGrade(t *testing.T) {
	tests := []struct {
		status  int
		outcome Outcome
		want    grade
	}{
		{0, Success, gradeGood}, {200, Success, gradeGood}, {404, Pass, gradeGood}, {429, Failure, gradeGood}, {499, Failure, gradeGood},
		{500, Success, gradeServer}, {500, Failure, gradeServer}, {501, Success, gradeServer}, {599, Pass, gradeServer},
		{502, Success, gradeGateway}, {503, Failure, gradeGateway}, {504, Failure, gradeGateway}, {505, Success, gradeServer},
		{0, Failure, gradeGateway}, {0, Pass, gradeNone}, {0, Free, gradeNone}, {503, Free, gradeNone},
	}
	for _, tt := range tests {
		if got := gradeOf(tt.status, tt.outcome); got != tt.want {
			t.Errorf("gradeOf(%d, %v) = %v, want %v", tt.status, tt.outcome, got, tt.want)
		}
	}
}

// outlierPool has n peers that max_fails never takes out.
func outlierPool(t *testing.T, n int, opts ...OutlierOption) *Pool {
	all := []Option{WithOutlier(opts...)}
	for i := range n {
		all = append(all, server(fmt.Sprintf("p%d", i), MaxFails(0)))
	}
	return newPool(t, all...)
}

// answer lets p0 answer with a status next, everybody else with 200. It reports
// whether p0 was picked at all.
func answerWith(p *Pool, now int64, status int) bool {
	for range 2 * p.Peers() {
		r := new(Request)
		id, l := pickFor(p, now, r)
		if id != "p0" {
			r.Status = 200
			l.Done(now, Success)
			continue
		}
		o := Success
		if r.Status = status; status == 0 || status >= 500 {
			o = Failure
		}
		l.Done(now, o)
		return true
	}
	return false
}

func TestConsecutive(t *testing.T) {
	tests := []struct {
		name    string
		opts    []OutlierOption
		answers []int
		want    string
	}{
		{"four", nil, []int{500, 503, 0, 500}, ""},
		{"five", nil, []int{500, 503, 0, 500, 599}, reason5xx},
		{"interrupted", nil, []int{500, 500, 500, 500, 200, 500, 500, 500, 500}, ""},
		{"429 interrupts", nil, []int{500, 500, 500, 500, 429, 500}, ""},
		{"two", []OutlierOption{Consecutive5xx(2)}, []int{500, 500}, reason5xx},
		{"off", []OutlierOption{Consecutive5xx(0)}, []int{500, 500, 500, 500, 500, 500}, ""},
		{"gateway", []OutlierOption{ConsecutiveGateway(3)}, []int{502, 0, 504}, reasonGateway},
		{"gateway interrupted by 500", []OutlierOption{ConsecutiveGateway(3)}, []int{502, 0, 500, 504}, ""},
		{"gateway interrupted by 200", []OutlierOption{ConsecutiveGateway(3)}, []int{502, 0, 200, 504}, ""},
		{"gateway only", []OutlierOption{ConsecutiveGateway(3), Consecutive5xx(0)}, []int{500, 500, 500, 502, 503, 504}, reasonGateway},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := outlierPool(t, 3, tt.opts...)
			for i, a := range tt.answers {
				if !answerWith(p, t0+int64(i)*ms, a) {
					t.Fatalf("p0 is out before answer %d", i)
				}
			}
			s := status(t, p, "p0")
			switch {
			case tt.want == "" && (s.State != StateUp || s.Ejected != nil):
				t.Errorf("p0 = %s, %+v; want up", s.State, s.Ejected)
			case tt.want != "" && (s.State != StateEjected || s.Ejected == nil || s.Ejected.Reason != tt.want):
				t.Errorf("p0 = %s, %+v; want ejected for %s", s.State, s.Ejected, tt.want)
			case tt.want != "" && answerWith(p, t0+1000*ms, 200):
				t.Error("p0 was picked while ejected")
			}
		})
	}
}

// TestEjectionGrows: the second ejection lasts twice as long, and each calm
// interval takes one off.
func TestEjectionGrows(t *testing.T) {
	p := outlierPool(t, 3, Consecutive5xx(1))
	now := t0
	answerWith(p, now, 200) // the first interval begins
	steps := []struct {
		calm time.Duration // after the last ejection
		want time.Duration
	}{
		{0, 30 * time.Second}, {0, time.Minute}, {0, 90 * time.Second},
		{25 * time.Second, time.Minute}, // two intervals: 3 - 2 + 1
		{time.Hour, 30 * time.Second},
	}
	for i, tt := range steps {
		now += int64(tt.calm)
		if tt.calm > 0 {
			answerWith(p, now, 200)
		}
		if !answerWith(p, now, 500) {
			t.Fatalf("step %d: p0 is out", i)
		}
		s := status(t, p, "p0")
		if s.State != StateEjected {
			t.Fatalf("step %d: p0 = %s", i, s.State)
		}
		if got := s.Ejected.Until.Sub(s.Ejected.Since); got != tt.want || s.Ejections != uint64(i+1) {
			t.Errorf("step %d: ejection %d lasts %v, want %v", i, s.Ejections, got, tt.want)
		}
		if s.Why != reason5xx+", the last: status 500" {
			t.Errorf("step %d: why = %q", i, s.Why)
		}
		now += int64(tt.want)
		if answerWith(p, now-1, 200) {
			t.Errorf("step %d: p0 was picked before its time", i)
		}
		if !answerWith(p, now, 200) {
			t.Errorf("step %d: p0 was not picked after its time", i)
		}
	}
}

// TestEjectionLimit: no more are out than allowed.
func TestEjectionLimit(t *testing.T) {
	for _, tt := range []struct{ peers, percent, want int }{{3, 10, 1}, {4, 50, 2}, {4, 100, 4}, {1, 100, 0}, {20, 10, 2}} {
		p := outlierPool(t, tt.peers, Consecutive5xx(1), MaxEjected(tt.percent))
		for range 5 * tt.peers {
			r := new(Request)
			_, l := pickFor(p, t0, r)
			r.Status = 500
			l.Done(t0, Failure)
		}
		n := 0
		for _, s := range p.Snapshot().Backends {
			if s.State == StateEjected {
				n++
			}
		}
		if n != tt.want {
			t.Errorf("%d of %d are ejected at %d %%, want %d", n, tt.peers, tt.percent, tt.want)
		}
	}
}

// TestSuccessRate: the one of six that fails now and then is found at the end of
// an interval, and only with enough requests.
func TestSuccessRate(t *testing.T) {
	for _, tt := range []struct {
		name     string
		peers, n int
		want     bool
	}{{"enough", 6, 100, true}, {"too few requests", 6, 99, false}, {"too few peers", 4, 100, false}} {
		t.Run(tt.name, func(t *testing.T) {
			p := outlierPool(t, tt.peers)
			answerWith(p, t0, 200)
			answerWith(p, t0+int64(10*time.Second), 200) // an interval begins, with nothing counted
			now := t0 + int64(11*time.Second)
			for i := range tt.n * tt.peers {
				r := new(Request)
				id, l := pickFor(p, now, r)
				r.Status = 200
				if id == "p0" && i/tt.peers%2 == 0 {
					r.Status = 500
				}
				l.Done(now, Success)
			}
			for _, b := range p.view.Load().all { // the first two rounds
				b.record.total.Store(min(b.record.total.Load(), int64(tt.n)))
			}
			if s := status(t, p, "p0"); s.State != StateUp {
				t.Fatalf("p0 = %s within the interval", s.State)
			}
			pick(p, t0+int64(20*time.Second))
			s := status(t, p, "p0")
			if (s.State == StateEjected) != tt.want {
				t.Fatalf("p0 = %s, want ejected = %v", s.State, tt.want)
			}
			if tt.want && s.Ejected.Reason != reasonRate {
				t.Errorf("reason = %s, want %s", s.Ejected.Reason, reasonRate)
			}
		})
	}
}

// TestPardon: a health source that says up ends an ejection, one of two does not.
func TestPardon(t *testing.T) {
	p := outlierPool(t, 3, Consecutive5xx(1))
	must(t, p.SetHealth("p0", "other", false, nil))
	must(t, p.SetHealth("p0", "other", true, nil))
	answerWith(p, t0, 500)
	must(t, p.SetHealth("p0", "other", false, nil))
	must(t, p.SetHealth("p0", "http", true, nil))
	if s := status(t, p, "p0"); s.State != StateUnhealthy || s.Ejected == nil {
		t.Errorf("p0 = %s, %+v; want unhealthy and ejected", s.State, s.Ejected)
	}
	must(t, p.SetHealth("p0", "other", true, nil))
	if s := status(t, p, "p0"); s.State != StateUp || s.Ejected != nil || s.Ejections != 1 {
		t.Errorf("p0 = %s, %+v; want up", s.State, s.Ejected)
	}
	if !answerWith(p, t0+ms, 200) {
		t.Error("p0 was not picked")
	}
}

// TestEjectionWaits: who waits gets a peer whose ejection ends.
func TestEjectionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, server("p0", MaxFails(0)), server("b", MaxConns(1)), WithOutlier(Consecutive5xx(1)), WithQueue(9, time.Minute))
		answerWith(p, p.Now(), 500)
		w0, w1 := goPick(p, "0", new(Request)), goPick(p, "1", new(Request))
		expect(t, "ejected", "b waits", w0, w1)
		time.Sleep(30*time.Second - 1)
		expect(t, "nearly over", "b waits", w0, w1)
		time.Sleep(time.Nanosecond)
		expect(t, "over", "b p0", w0, w1)
		w0.end(p, Success)
		w1.end(p, Success)
	})
}
