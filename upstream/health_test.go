package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestHealthSources: a backend is up while no source says down.
func TestHealthSources(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	steps := []struct {
		source string
		up     bool
		want   State
	}{
		{"http", true, StateUp},
		{"http", false, StateUnhealthy},
		{"tcp", true, StateUnhealthy}, // does not overwrite http's verdict
		{"tcp", false, StateUnhealthy},
		{"http", true, StateUnhealthy},
		{"tcp", true, StateUp},
		{"new", false, StateUnhealthy},
		{"new", true, StateUp},
	}
	for i, tt := range steps {
		must(t, p.SetHealth("a", tt.source, tt.up, nil))
		if got := status(t, p, "a").State; got != tt.want {
			t.Errorf("step %d, %s up=%v: a is %s, want %s", i, tt.source, tt.up, got, tt.want)
		}
		if n := turns(p, t0, 10, "a"); (n > 0) != (tt.want == StateUp) {
			t.Errorf("step %d: a had %d turns while %s", i, n, tt.want)
		}
	}
	if got := status(t, p, "b").State; got != StateUp {
		t.Errorf("b is %s, want up", got)
	}
}

// TestHealthAllDown: when the sources say that every peer is down, none is used.
func TestHealthAllDown(t *testing.T) {
	p := newPool(t, server("a"), server("b"), server("c", Backup()))
	for _, id := range []string{"a", "b", "c"} {
		must(t, p.SetHealth(id, "http", false, nil))
	}
	if id, _ := pick(p, t0); id != "none" {
		t.Errorf("pick = %s, want none", id)
	}
	must(t, p.SetHealth("c", "http", true, nil))
	if id, _ := pick(p, t0); id != "c" {
		t.Errorf("pick = %s, want c", id)
	}
}

// TestWhyDown: the snapshot says who took a peer out, when and why.
func TestWhyDown(t *testing.T) {
	p := newPool(t, server("a"), server("b"))
	must(t, p.SetHealth("a", "tcp", true, nil))
	must(t, p.SetHealth("a", "http", false, errors.New("status 503")))
	first := status(t, p, "a")
	must(t, p.SetHealth("a", "http", false, errors.New("status 500"))) // same verdict, newer cause
	s := status(t, p, "a")
	if len(s.Health) != 2 || s.Health[0].Source != "http" || s.Health[1].Source != "tcp" {
		t.Fatalf("health = %+v, want http and tcp", s.Health)
	}
	if h := s.Health[0]; h.Up || h.Cause != "status 500" || !h.Since.Equal(first.Health[0].Since) {
		t.Errorf("http = %+v, want down since %v for status 500", h, first.Health[0].Since)
	}
	if !s.Health[1].Up || s.Since.IsZero() {
		t.Errorf("tcp = %+v, since %v", s.Health[1], s.Since)
	}
}

// TestWhyInWords: one line for every state.
func TestWhyInWords(t *testing.T) {
	fail := func(p *Pool, cause error, status int) {
		for range 2 {
			r := new(Request)
			if id, l := pickFor(p, t0, r); id == "a" {
				r.Cause, r.Status = cause, status
				l.Done(t0, Failure)
				return
			}
		}
	}
	tests := []struct {
		name  string
		do    func(p *Pool)
		state State
		want  string
	}{
		{"up", func(p *Pool) {}, StateUp, ""},
		{"down", func(p *Pool) { must(t, p.Update("a", Down())) }, StateDown, "configured down"},
		{"unhealthy", func(p *Pool) {
			must(t, p.SetHealth("a", "tcp", false, nil))
			must(t, p.SetHealth("a", "http", false, errors.New("status 500")))
			must(t, p.SetHealth("a", "dns", true, nil))
		}, StateUnhealthy, "http: status 500; tcp: down"},
		{"draining", func(p *Pool) { pick(p, t0); must(t, p.Drain("a", true)) }, StateDraining, "draining, 1 requests in flight"},
		{"failed", func(p *Pool) { fail(p, errors.New("refused"), 0) }, StateUnavailable, "1 failures in a window of 10s, the last: refused"},
		{"failed with a status", func(p *Pool) { fail(p, nil, 503) }, StateUnavailable, "1 failures in a window of 10s, the last: status 503"},
		{"failed for no reason", func(p *Pool) { fail(p, nil, 0) }, StateUnavailable, "1 failures in a window of 10s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, server("a"), server("b"))
			tt.do(p)
			if s := status(t, p, "a"); s.State != tt.state || s.Why != tt.want {
				t.Errorf("a is %s: %q; want %s: %q", s.State, s.Why, tt.state, tt.want)
			}
		})
	}
}

func TestSnapshotJSON(t *testing.T) {
	p := newPool(t, WithName("web"), WithBalancer(LeastConn()), server("a", MaxConns(3)), server("b", Backup()))
	failOne(t, p, p.Now(), "a")
	must(t, p.SetHealth("b", "http", false, errors.New("status 500")))
	out, err := json.Marshal(p.Snapshot())
	must(t, err)
	for _, want := range []string{
		`"group":"web"`, `"balancer":"least_conn"`, `"generation":1`, `"no_peer":0`, `"busy":0`, `"leaving":0`,
		`"backend":"a","addr":"192.0.2.1:80","backup":false,"weight":1,"effective_weight":0,"max_conns":3,"max_fails":1,"fail_timeout":10000000000`,
		`"state":"unavailable"`, `"retry":`, `"failures":1`, `"unavailable":1`, `"last_failure":`,
		`"state":"unhealthy"`, `"health":[{"source":"http","up":false,"cause":"status 500","since":`,
	} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s\nlacks %s", out, want)
		}
	}
	for _, absent := range []string{`"0001-01-01`, `"last_error"`} {
		if bytes.Contains(out, []byte(absent)) {
			t.Errorf("%s\nhas %s", out, absent)
		}
	}
	var back Snapshot
	must(t, json.Unmarshal(out, &back))
	if len(back.Backends) != 2 || back.Backends[0].Failures != 1 {
		t.Errorf("read back: %+v", back)
	}
}

func TestCollect(t *testing.T) {
	p := newPool(t, WithName("web"), server("a"), server("b"))
	failOne(t, p, t0, "a")
	_, l := pick(p, t0)
	defer l.Done(t0, Success)
	got := map[string]float64{}
	p.Collect(func(name string, kind byte, value float64, labels ...string) {
		if counter := strings.HasSuffix(name, "_total"); counter != (kind == 'c') || !counter && kind != 'g' {
			t.Errorf("%s has kind %q", name, kind)
		}
		if len(labels)%2 != 0 || labels[0] != "group" || labels[1] != "web" {
			t.Errorf("%s has labels %q", name, labels)
		}
		key := strings.Join(append([]string{name}, labels[2:]...), " ")
		if _, twice := got[key]; twice {
			t.Errorf("%s came twice", key)
		}
		got[key] = value
	})
	for key, want := range map[string]float64{
		"mainstay_upstream_no_peer_total":               0,
		"mainstay_upstream_up backend a":                0,
		"mainstay_upstream_up backend b":                1,
		"mainstay_upstream_active backend b":            1,
		"mainstay_upstream_requests_total backend a":    1,
		"mainstay_upstream_failures_total backend a":    1,
		"mainstay_upstream_unavailable_total backend a": 1,
		"mainstay_upstream_effective_weight backend a":  0,
		"mainstay_upstream_weight backend a":            1,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s = %v, %v; want %v", key, v, ok, want)
		}
	}
}

// TestLog: one line per transition, with the shared attributes.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	p := newPool(t, WithName("web"), WithLogger(slog.New(h)), server("a"), server("b"))
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"failure", func() {
			r := new(Request)
			_, l := pickFor(p, t0, r)
			r.Cause = errors.New("connection refused")
			l.Done(t0, Failure)
		}, `level=INFO msg="temporarily disabled" group=web backend=a fails=1 err="connection refused"`},
		{"probe fails", func() { _, l := probe(t, p, t0+window+ms); l.Done(t0+window+ms, Failure) }, ""},
		{"probe succeeds", func() { _, l := probe(t, p, t0+3*window); l.Done(t0+3*window, Success) },
			`level=INFO msg=recovered group=web backend=a`},
		{"first verdict up", func() { must(t, p.SetHealth("a", "http", true, nil)) }, ""},
		{"down", func() { must(t, p.SetHealth("a", "http", false, errors.New("status 500"))) },
			`level=INFO msg="health changed" group=web backend=a source=http up=false healthy=false err="status 500"`},
		{"down again", func() { must(t, p.SetHealth("a", "http", false, nil)) }, ""},
		{"drain", func() { must(t, p.Drain("b", true)) }, `level=INFO msg=drain group=web backend=b on=true`},
		{"nobody left", func() { pick(p, t0) }, `level=WARN msg="no peer is eligible" group=web`},
		{"still nobody", func() { pick(p, t0) }, ""},
		{"up", func() { must(t, p.SetHealth("a", "http", true, nil)) },
			`level=INFO msg="health changed" group=web backend=a source=http up=true healthy=true`},
		{"somebody again", func() { pick(p, t0+4*window) }, `level=INFO msg="peers are eligible again" group=web backend=a`},
		{"add", func() { must(t, p.Add("192.0.2.9:80", ID("c"))) }, `level=INFO msg="backend added" group=web backend=c addr=192.0.2.9:80`},
		{"weight", func() { must(t, p.SetWeight("c", 4)) },
			`level=INFO msg="backend updated" group=web backend=c addr=192.0.2.9:80 weight=4 backup=false down=false`},
		{"remove", func() { must(t, p.Remove("c")) }, `level=INFO msg="backend removed" group=web backend=c`},
	}
	for _, tt := range steps {
		out.Reset()
		tt.do()
		if got := strings.TrimSpace(out.String()); got != tt.want {
			t.Errorf("%s logged\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}
