package proxy

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/upstream"
)

func emptyPool(t testing.TB) *upstream.Pool {
	t.Helper()
	pool, err := upstream.New()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// New reports all problems at once.
func TestNewReportsEverything(t *testing.T) {
	pool := emptyPool(t)
	bad := []struct {
		option Option
		want   string
	}{
		{nil, "option 1 is nil"},
		{WithRoute("/a", nil), `route "/a": no pool`},
		{WithHandler("/b", nil), `route "/b": no handler`},
		{WithRoute("/c", pool, nil), `route "/c": option 1 is nil`},
		{WithRoute("d", pool), `route "d"`},
		{WithConnectTimeout(0), "connect timeout 0s"},
		{WithSendTimeout(-time.Second), "send timeout -1s"},
		{WithReadTimeout(0), "read timeout"},
		{WithHeaderTimeout(0), "header timeout"},
		{WithBodyTimeout(0), "body timeout"},
		{WithWriteTimeout(0), "write timeout"},
		{WithKeepAlive(-1, 0), "keep-alive timeout"},
		{WithKeepAlive(0, 0), "keep-alive requests 0"},
		{WithUpstreamKeepAlive(-1, 0, 0), "idle connections -1"},
		{WithMaxBody(-1), "max body -1"},
		{WithMaxHeader(0, -1), "max header fields -1"},
		{WithNextUpstream(1 << 30), "unknown condition"},
		{WithNextUpstreamTries(-1), "tries -1"},
		{WithNextUpstreamTimeout(-1), "next upstream timeout"},
		{WithResponseHeader("a b", "c"), "not a field name"},
		{WithResponseHeader("Connection", "close"), "the proxy's own"},
		{WithResponseHeader("X", "a\r\nb"), "control character"},
		{WithGate(Gate{}), "no Enter"},
		{WithRoute("/e", pool, RouteGate(Gate{})), `route "/e": a gate has no Enter`},
	}
	var opts []Option
	for _, b := range bad {
		opts = append(opts, b.option)
	}
	_, err := New(opts...)
	if err == nil {
		t.Fatal("New accepted everything")
	}
	for _, b := range bad {
		if !strings.Contains(err.Error(), b.want) {
			t.Errorf("the error does not say %q:\n%v", b.want, err)
		}
	}
	if _, err := New(); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("New without a route = %v", err)
	}
}

func TestUpdate(t *testing.T) {
	hello := http.NotFoundHandler()
	gate := Gate{Enter: func(*Request) Verdict { return Verdict{} }}
	p, err := New(WithPool(emptyPool(t)), WithHandler("/a", hello), WithReadTimeout(time.Minute), WithGate(gate), WithGate(gate),
		WithResponseHeader("A", "1"), WithResponseHeader("B", "2"))
	if err != nil {
		t.Fatal(err)
	}
	before := p.pol.Load()
	if err := p.Update(WithReadTimeout(time.Second), WithMaxBody(-1)); err == nil {
		t.Error("Update accepted a negative limit")
	}
	if p.pol.Load() != before {
		t.Error("a refused Update has changed the policy")
	}
	if err := p.Update(WithReadTimeout(time.Second)); err != nil {
		t.Fatal(err)
	}
	pol := p.pol.Load()
	if pol.readTimeout != time.Second || len(pol.routes.list) != 2 || len(pol.gates) != 2 || string(pol.lines) != "A: 1\r\nB: 2\r\n" {
		t.Errorf("after Update of a timeout: %v, %d routes, %d gates, %q", pol.readTimeout, len(pol.routes.list), len(pol.gates), pol.lines)
	}
	if err := p.Update(WithHandler("/b", hello), WithGate(gate), WithResponseHeader("C", "3")); err != nil {
		t.Fatal(err)
	}
	pol = p.pol.Load()
	if pol.readTimeout != time.Second || len(pol.routes.list) != 1 || len(pol.gates) != 1 || string(pol.lines) != "C: 3\r\n" {
		t.Errorf("after Update of routes: %v, %d routes, %d gates, %q", pol.readTimeout, len(pol.routes.list), len(pol.gates), pol.lines)
	}
	if r, _ := pol.routes.match([]byte("/a"), nil); r != nil {
		t.Errorf("the old route %q is still there", r.pattern)
	}
	if before.readTimeout != time.Minute {
		t.Error("Update has changed a policy in force")
	}
}

func TestDialTrouble(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want cause
	}{
		{"refused", errors.New("connection refused"), noConnect},
		{"timeout", timeoutError{}, noTime},
		{"no descriptor", &wrapped{syscall.EMFILE}, local},
		{"no port", &wrapped{syscall.EADDRNOTAVAIL}, local},
	} {
		if got := dialTrouble(c.err); got.cause != c.want {
			t.Errorf("%s: cause %v, want %v", c.name, got.cause, c.want)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }

type wrapped struct{ err error }

func (w *wrapped) Error() string { return "dial: " + w.err.Error() }
func (w *wrapped) Unwrap() error { return w.err }
