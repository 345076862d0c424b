package proxy_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/proxy"
)

// turnstile is a gate that counts.
type turnstile struct {
	verdict proxy.Verdict
	entered atomic.Int64
	left    atomic.Int64
	token   atomic.Uint64 // that came back last
}

func (g *turnstile) gate() proxy.Gate {
	return proxy.Gate{
		Enter: func(*proxy.Request) proxy.Verdict { g.entered.Add(1); return g.verdict },
		Leave: func(token uint64) { g.left.Add(1); g.token.Store(token) },
	}
}

func (g *turnstile) want(t *testing.T, what string, entered, left int64) {
	t.Helper()
	if e, l := g.entered.Load(), g.left.Load(); e != entered || l != left {
		t.Errorf("%s: entered %d and left %d, want %d and %d", what, e, l, entered, left)
	}
}

func TestSuiteGates(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		first := &turnstile{verdict: proxy.Verdict{Token: 7}}
		second := &turnstile{verdict: proxy.Verdict{Token: 8}}
		never := &turnstile{verdict: proxy.Verdict{Status: 429, RetryAfter: 1500 * time.Millisecond}}
		logs := newJournal()
		w.start(proxy.WithPool(w.pool(b.addr)), proxy.WithAccessLog(logs.write), proxy.WithMaxBody(10),
			proxy.WithRoute("/down/", w.pool(w.nobody()), proxy.RouteGate(second.gate())),
			proxy.WithRoute("/never/", w.pool(b.addr), proxy.RouteGate(never.gate())),
			proxy.WithHandler("/panic/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") })),
			proxy.WithGate(first.gate()))
		c := w.client()

		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 200)
		logs.next(t, w)
		first.want(t, "passed", 1, 1)
		if first.token.Load() != 7 {
			t.Errorf("token %d, want 7", first.token.Load())
		}

		c.send(get("/down/", ""))
		c.answer("GET").wantStatus(t, 502)
		logs.next(t, w)
		first.want(t, "no peer", 2, 2)
		second.want(t, "no peer", 1, 1)

		c.send(get("/never/", ""))
		a := c.answer("GET")
		a.wantStatus(t, 429)
		if got := a.Header.Get("Retry-After"); got != "2" {
			t.Errorf("Retry-After %q, want 2", got)
		}
		if rec := logs.next(t, w); rec.Reason != "gate" || rec.Status != 429 || len(rec.Attempts) != 0 || rec.Route != "/never/" {
			t.Errorf("record %+v", rec)
		}
		first.want(t, "refused by the next", 3, 3)
		never.want(t, "refused", 1, 0)

		c.send(put("POST", "/never/", "hello")) // the body of a refused request is not the next request
		c.answer("POST").wantStatus(t, 429)
		logs.next(t, w)

		p := w.client()
		p.send(get("/panic/", ""))
		p.answer("GET").wantStatus(t, 500)
		logs.next(t, w)
		first.want(t, "panic", 5, 5)
		if n := len(b.requests()); n != 1 {
			t.Errorf("the backend saw %d requests, want 1", n)
		}
	})
}

func TestSuiteGateLeavesAfterAbort(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		came := make(chan bool, 1)
		b := w.backend(func(c *conn) {
			if _, err := c.request(); err == nil {
				came <- true
				c.wait()
			}
		})
		g := new(turnstile)
		logs := newJournal()
		w.reach(b, proxy.WithGate(g.gate()), proxy.WithAccessLog(logs.write))
		c := w.client()
		c.send(get("/", ""))
		receive(t, w, "the request", came)
		g.want(t, "in flight", 1, 0)
		c.Close()
		logs.next(t, w)
		g.want(t, "aborted", 1, 1)
	})
}

func TestSuiteGateDelay(t *testing.T) {
	through(t, bubbles, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(string(r.body)) })
		g := &turnstile{verdict: proxy.Verdict{Wait: 3 * time.Second}}
		logs := newJournal()
		w.reach(b, proxy.WithGate(g.gate()), proxy.WithAccessLog(logs.write))
		c := w.client()
		t0 := time.Now()
		c.send(put("POST", "/", "hello"))
		c.answer("POST").want(t, 200, "hello")
		if d := time.Since(t0); d < 3*time.Second || d > 3500*time.Millisecond {
			t.Errorf("delayed by %v, want 3s", d)
		}
		logs.next(t, w)
		g.want(t, "delayed", 1, 1)
		if n := len(b.requests()); n != 1 {
			t.Fatalf("%d requests, want 1", n)
		}

		// A client that leaves meanwhile is not forwarded.
		c.send(get("/", ""))
		time.Sleep(time.Second)
		c.Close()
		rec := logs.next(t, w)
		if rec.Status != 499 || rec.Reason != "client_abort" || len(rec.Attempts) != 0 {
			t.Errorf("record %+v", rec)
		}
		g.want(t, "left meanwhile", 2, 2)
		if n := len(b.requests()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}

		// What was pipelined behind a delayed request is served after it.
		c = w.client()
		c.send(put("POST", "/", "one") + put("POST", "/", "two"))
		c.answer("POST").want(t, 200, "one")
		c.answer("POST").want(t, 200, "two")
	})
}

func TestSuiteGateView(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(string(r.body)) })
		got := make(chan string, 1)
		w.start(proxy.WithRoute("/a/", w.pool(b.addr), proxy.RouteGate(proxy.Gate{Enter: func(r *proxy.Request) proxy.Verdict {
			h := r.HTTP()
			got <- strings.Join([]string{r.Method(), r.Path(), r.Query(), r.Host(), r.Header("x-mark"), r.Header("absent"), r.Route(), r.RemoteAddr().String(),
				h.Method, h.URL.Path, h.URL.RawQuery, h.Host, h.Header.Get("X-Mark"), h.RemoteAddr, h.RequestURI}, " | ")
			return proxy.Verdict{}
		}})))
		c := w.client()
		me := c.LocalAddr().String()
		for range 2 {
			c.send("POST /a/%41?c=d HTTP/1.1\r\nHost: a.example\r\nX-Mark: m\r\nContent-Length: 2\r\n\r\nhi")
			c.answer("POST").want(t, 200, "hi")
			want := "POST | /a/%41 | c=d | a.example | m |  | /a/ | " + me + " | POST | /a/A | c=d | a.example | m | " + me + " | /a/%41?c=d"
			if s := receive(t, w, "the gate", got); s != want {
				t.Errorf("got  %s\nwant %s", s, want)
			}
		}
	})
}

func TestSuiteAccessLog(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			return "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hello")
		})
		logs := newJournal()
		w.start(proxy.WithRoute("/a/", w.pool(b.addr)), proxy.WithAccessLog(logs.write))
		c := w.client()
		for i := range 2 {
			t0 := time.Now()
			c.send(put("POST", "/a/b?c", "abc"))
			c.answer("POST").want(t, 201, "hello")
			r := logs.next(t, w)
			if r.Method != "POST" || r.Target != "/a/b?c" || r.Host != "a.example" || r.Proto != "HTTP/1.1" || r.Route != "/a/" || r.Status != 201 ||
				r.RequestBytes != 3 || r.ResponseBytes != 5 || r.Group != "default" || r.Backend != b.addr || r.Reason != "" || r.Remote.String() != c.LocalAddr().String() {
				t.Errorf("record %+v", r)
			}
			if r.Start.Before(t0.Add(-time.Second)) || r.Start.After(time.Now()) || r.Duration < 0 || r.Duration > time.Since(t0)+time.Second {
				t.Errorf("started %v, took %v", r.Start, r.Duration)
			}
			if len(r.Attempts) != 1 {
				t.Fatalf("attempts %+v", r.Attempts)
			}
			a := r.Attempts[0]
			if a.Backend != b.addr || a.Status != 201 || a.Err != nil || a.Reused != (i == 1) || a.Header < a.Connect || a.Total < a.Header {
				t.Errorf("attempt %+v", a)
			}
		}
		c.send(get("/elsewhere", ""))
		c.answer("GET").wantStatus(t, 404)
		if r := logs.next(t, w); r.Status != 404 || r.Reason != "no_route" || r.Backend != "" || r.Route != "" {
			t.Errorf("record %+v", r)
		}
	})
}
