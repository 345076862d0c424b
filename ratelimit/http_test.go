package ratelimit

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func mustMiddleware(t *testing.T, opts ...MiddlewareOption) func(http.Handler) http.Handler {
	t.Helper()
	m, err := Middleware(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// perClient is a chain of one rule by address.
func perClient(t *testing.T, rate string, opts ...RuleOption) *Chain[*http.Request] {
	t.Helper()
	z, err := NginxZone[string](rate, WithCapacity(minCapacity))
	if err != nil {
		t.Fatal(err)
	}
	return mustChain(t, On(z, byHost, opts...))
}

func byHost(r *http.Request) (string, bool) { return r.Host, true }

func get(h http.Handler, ctx context.Context) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "http://192.0.2.1/", nil))
	return w
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

func TestMiddlewareRejects(t *testing.T) {
	for _, test := range []struct {
		name   string
		rate   string
		after  time.Duration // between the first request and the second
		opts   []MiddlewareOption
		status int
		retry  string
	}{
		{"429", "1r/s", 0, nil, 429, "1"},
		{"nginx's 503", "1r/s", 0, []MiddlewareOption{WithStatus(503)}, 503, "1"},
		{"rounded up", "30r/m", 500 * time.Millisecond, nil, 429, "2"},
		{"a whole second", "30r/m", time.Second, nil, 429, "1"},
		{"at least one", "1r/s", 999 * time.Millisecond, nil, 429, "1"},
		{"long", "1r/m", 0, nil, 429, "63"},
		{"accepted", "1r/s", time.Second, nil, 204, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := mustMiddleware(t, append(test.opts, WithChain(perClient(t, test.rate)))...)(ok)
				if w := get(h, t.Context()); w.Code != 204 {
					t.Fatalf("first request: %d", w.Code)
				}
				time.Sleep(test.after)
				w := get(h, t.Context())
				if w.Code != test.status || w.Header().Get("Retry-After") != test.retry {
					t.Errorf("status %d, Retry-After %q, want %d, %q", w.Code, w.Header().Get("Retry-After"), test.status, test.retry)
				}
			})
		})
	}
}

func TestMiddlewareDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limited []Decision
		h := mustMiddleware(t,
			WithChain(perClient(t, "10r/s", Burst(3), Delay(1))),
			WithOnLimit(func(_ *http.Request, d Decision) { limited = append(limited, d) }))(ok)
		begin := time.Now()
		for i, want := range []time.Duration{0, 0, 100 * time.Millisecond, 100 * time.Millisecond} {
			at := time.Now()
			if w := get(h, t.Context()); w.Code != 204 {
				t.Fatalf("request %d: %d", i, w.Code)
			}
			if took := time.Since(at); took != want {
				t.Errorf("request %d took %v, want %v", i, took, want)
			}
		}
		if took := time.Since(begin); took != 200*time.Millisecond {
			t.Errorf("all took %v", took)
		}
		if len(limited) != 2 || limited[0].Outcome != Delayed || limited[0].Delay != 100*time.Millisecond || limited[0].Excess() != 2000 {
			t.Errorf("told of %+v", limited)
		}
	})
}

func TestMiddlewareDelayEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served := 0
		h := mustMiddleware(t, WithChain(perClient(t, "1r/s", Burst(5))))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		get(h, t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		w := get(h, ctx)
		if took := time.Since(begin); took != 300*time.Millisecond || w.Code != 429 || served != 1 || w.Header().Get("Retry-After") != "" {
			t.Errorf("took %v, status %d, served %d, header %v", took, w.Code, served, w.Header())
		}
	})
}

func TestMiddlewareOncePerRequest(t *testing.T) {
	inner := perClient(t, "1r/m", NoDelay())
	outer := perClient(t, "1r/m", Burst(1), NoDelay())
	one, two := mustMiddleware(t, WithChain(inner)), mustMiddleware(t, WithChain(outer))
	var seen []Decision
	end := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, ok := FromContext(r.Context())
		if !ok {
			t.Error("no decision in the context")
		}
		seen = append(seen, d)
	})
	h := two(one(two(one(end))))
	if w := get(h, t.Context()); w.Code != 200 {
		t.Fatalf("first request: %d", w.Code)
	}
	if len(seen) != 1 || seen[0].Outcome != Passed || seen[0].Remaining() != 0 {
		t.Errorf("decision %+v", seen)
	}
	if w := get(h, t.Context()); w.Code != 429 {
		t.Errorf("second request: %d", w.Code)
	}
	a, b := inner.rules[0].zone.snapshot(), outer.rules[0].zone.snapshot()
	if a.Rejected != 1 || b.Rejected != 0 {
		t.Errorf("inner %+v\nouter %+v", a, b)
	}
	if _, ok := FromContext(t.Context()); ok {
		t.Error("a decision in a context that passed nothing")
	}
}

func TestMiddlewareConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zone := mustConns[string](t, 2, WithCapacity(minCapacity))
		tight := mustConns[string](t, 1, WithCapacity(minCapacity))
		var limited []Decision
		h := mustMiddleware(t,
			WithConns(OnConn(zone, byHost)), WithConns(OnConn(tight, func(r *http.Request) (string, bool) { return r.URL.Path, r.URL.Path != "/" })),
			WithOnLimit(func(_ *http.Request, d Decision) { limited = append(limited, d) }))(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second)
				if r.URL.Path == "/panic" {
					panic(http.ErrAbortHandler)
				}
			}))
		at := func(path string) chan int {
			code := make(chan int, 1)
			go func() {
				defer func() {
					if recover() != nil {
						code <- -1
					}
				}()
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "http://192.0.2.1"+path, nil))
				code <- w.Code
			}()
			synctest.Wait()
			return code
		}
		first := at("/panic")
		refused := at("/panic") // by the second zone: the first gets its slot back
		second := at("/")
		third := at("/")
		if a, b := <-refused, <-third; a != 429 || b != 429 {
			t.Errorf("over the limits: %d, %d", a, b)
		}
		if s := zone.Snapshot(); s.Held != 2 || s.Refused != 1 {
			t.Errorf("snapshot %+v", s)
		}
		if a, b := <-first, <-second; a != -1 || b != 200 {
			t.Errorf("within the limits: %d, %d", a, b)
		}
		if a, b := zone.Snapshot(), tight.Snapshot(); a.Held != 0 || b.Held != 0 || a.Acquired != 3 || b.Acquired != 1 {
			t.Errorf("snapshots %+v, %+v", a, b)
		}
		if len(limited) != 2 || limited[0].Rule() != RuleConn || limited[0].Outcome != Rejected {
			t.Errorf("told of %+v", limited)
		}
	})
}

// TestMiddlewareDelayHoldsNoSlot: limit_req comes before limit_conn.
func TestMiddlewareDelayHoldsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zone := mustConns[string](t, 1, WithCapacity(minCapacity))
		h := mustMiddleware(t, WithConns(OnConn(zone, byHost)), WithChain(perClient(t, "1r/s", Burst(5))))(ok)
		get(h, t.Context())
		done := make(chan int)
		go func() { done <- get(h, t.Context()).Code }()
		synctest.Wait()
		if s := zone.Snapshot(); s.Held != 0 {
			t.Errorf("snapshot %+v", s)
		}
		if code := <-done; code != 204 || zone.Snapshot().Acquired != 2 {
			t.Errorf("status %d, snapshot %+v", code, zone.Snapshot())
		}
	})
}

func TestMiddlewareErrors(t *testing.T) {
	var none *ConnZone[string]
	_, err := Middleware(WithStatus(200), WithStatus(600), WithConns(OnConn(none, byHost), ConnRule[*http.Request]{}))
	_, err2 := Middleware(WithStatus(503))
	for _, want := range []string{
		"ratelimit: status 200: must be from 400 to 599",
		"ratelimit: status 600: must be from 400 to 599",
		"ratelimit: connection rule 0: a zone and a key function are required",
		"ratelimit: connection rule 1: a zone and a key function are required",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if err2 == nil || err2.Error() != "ratelimit: middleware without a chain or a connection rule" {
		t.Errorf("without limits: %v", err2)
	}
}

func TestByRemoteAddr(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1234":          "192.0.2.1",
		"[2001:db8::1]:80":        "2001:db8::1",
		"[::ffff:192.0.2.1]:1234": "::ffff:192.0.2.1",
		"[fe80::1%eth0]:1234":     "fe80::1%eth0",
		"@":                       "",
		"":                        "",
		"pipe":                    "",
	} {
		a, ok := ByRemoteAddr(&http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {"203.0.113.9"}}})
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("ByRemoteAddr(%q) = %v, %v, want %q", remote, a, ok, want)
		}
	}
}

func TestConnRule(t *testing.T) {
	rule := OnConn(mustConns[string](t, 1), keyOf(0))
	v := rule.Enter(request{"a"}, 503)
	if v.Status != 0 || v.Token == 0 {
		t.Fatalf("Enter() = %+v", v)
	}
	if got := rule.Enter(request{"a"}, 503); got != (Verdict{Status: 503}) {
		t.Errorf("Enter() over the limit = %+v", got)
	}
	if got := rule.Enter(request{}, 503); got != (Verdict{}) {
		t.Errorf("Enter() without a key = %+v", got)
	}
	rule.Leave(0)
	rule.Leave(v.Token)
	rule.Leave(v.Token)
	if a, b := rule.Enter(request{"a"}, 503), rule.Enter(request{"a"}, 503); a.Status != 0 || b.Status != 503 {
		t.Errorf("after Leave: %+v, %+v", a, b)
	}
	var zero ConnRule[request]
	zero.Leave(1)
	if v := zero.Enter(request{"a"}, 503); v != (Verdict{}) {
		t.Errorf("zero rule: %+v", v)
	}
}

func TestDecisionVerdict(t *testing.T) {
	for _, test := range []struct {
		d    Decision
		want Verdict
		text string
	}{
		{Decision{Outcome: Passed}, Verdict{}, "PASSED"},
		{Decision{Outcome: Delayed, Delay: time.Second}, Verdict{Wait: time.Second}, "DELAYED"},
		{Decision{Outcome: Rejected, RetryAfter: time.Minute}, Verdict{Status: 503, RetryAfter: time.Minute}, "REJECTED"},
		{Decision{Outcome: 9}, Verdict{}, "UNKNOWN"},
	} {
		if got := test.d.Verdict(503); got != test.want || test.d.Outcome.String() != test.text {
			t.Errorf("%v: Verdict() = %+v, want %+v", test.d.Outcome, got, test.want)
		}
	}
}

func TestDecisionDetail(t *testing.T) {
	for _, test := range []struct {
		rule, remaining int
		excess, want    int64
	}{
		{0, 0, 0, 0},
		{15, MaxBurst, 1, 1},
		{RuleNone, -1, 0, 0},
		{RuleConn, 0, math.MaxUint32, math.MaxUint32},
		{3, 7, 1 << 40, math.MaxUint32},
	} {
		d := Decision{detail: newDetail(test.rule, test.remaining, test.excess)}
		if d.Rule() != test.rule || d.Remaining() != test.remaining || d.Excess() != test.want {
			t.Errorf("rule %d, remaining %d, excess %d, want %+v", d.Rule(), d.Remaining(), d.Excess(), test)
		}
	}
}
