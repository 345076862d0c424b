package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/proxy"
)

func TestSuiteMaxBody(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(sum(r.body)) })
		logs := newJournal()
		w.start(proxy.WithPool(w.pool(b.addr)), proxy.WithMaxBody(100_000), proxy.WithAccessLog(logs.write))
		for _, q := range []struct {
			size   int
			coded  bool
			status int
		}{{100_000, false, 200}, {100_000, true, 200}, {100_001, false, 413}, {100_001, true, 413}, {10 << 20, false, 413}, {10 << 20, true, 413}} {
			before := len(b.requests())
			c := w.client()
			body := text(q.size)
			raw := put("POST", "/", body)
			if q.coded {
				raw = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body)
			}
			c.stream(raw)
			a := c.answer("POST")
			a.wantStatus(t, q.status)
			rec := logs.next(t, w)
			if q.status == 200 {
				if a.body != sum(body) {
					t.Errorf("%+v: %s", q, a.body)
				}
				c.alive()
				logs.next(t, w)
				continue
			}
			if n := len(b.requests()); n != before {
				t.Errorf("%+v: the backend got a whole request", q)
			}
			if rec.Status != 413 || rec.Reason != "limit" {
				t.Errorf("%+v: record %+v", q, rec)
			}
			if !q.coded && len(rec.Attempts) != 0 {
				t.Errorf("%+v: a declared length was tried: %+v", q, rec)
			}
			if w.proxy.Snapshot().Failures != 0 {
				t.Errorf("%+v: the peer was charged", q)
			}
			c.Close()
		}
	})
}

func TestSuiteMaxHeader(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			switch r.RequestURI {
			case "/large":
				return "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 4096) + "\r\nContent-Length: 0\r\n\r\n"
			case "/many":
				return "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20) + "Content-Length: 0\r\n\r\n"
			}
			return ok("")
		})
		w.reach(b, proxy.WithMaxHeader(2048, 10))
		for _, q := range []struct {
			raw    string
			status int
		}{
			{get("/", "X: "+strings.Repeat("x", 1500)+"\r\n"), 200},
			{get("/", "X: "+strings.Repeat("x", 4096)+"\r\n"), 431},
			{get("/", "X: "+strings.Repeat("x", 1<<20)+"\r\n"), 431},
			{get("/", strings.Repeat("X: y\r\n", 9)), 200},
			{get("/", strings.Repeat("X: y\r\n", 10)), 431},
			{get("/"+strings.Repeat("x", 20<<10), ""), 414},
			{get("/large", ""), 502},
			{get("/many", ""), 502},
		} {
			c := w.client()
			c.stream(q.raw)
			a := c.answer("GET")
			if a.StatusCode != q.status {
				t.Errorf("%.40q: got %d, want %d", q.raw, a.StatusCode, q.status)
			}
			if q.status == 431 || q.status == 414 {
				c.ended()
			}
			c.Close()
		}
	})
}

func within(t *testing.T, what string, since time.Time, want, slack time.Duration) {
	t.Helper()
	if d := time.Since(since); d < want-slack || d > want+slack {
		t.Errorf("%s after %v, want %v", what, d, want)
	}
}

func TestSuiteHeaderTimeout(t *testing.T) {
	through(t, timed, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		logs := newJournal()
		w.reach(b, proxy.WithHeaderTimeout(20*time.Second), proxy.WithKeepAlive(40*time.Second, 1000), proxy.WithAccessLog(logs.write))

		c := w.client() // says nothing
		t0 := time.Now()
		c.ended()
		within(t, "closed", t0, 20*time.Second, 5*time.Second)

		c = w.client() // says a byte every second: the limit is for the whole head
		t0 = time.Now()
		slow := c
		w.wg.Go(func() {
			for _, letter := range get("/", strings.Repeat("X: y\r\n", 20)) {
				if slow.say(string(letter)) != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		c.answer("GET").wantStatus(t, 408)
		c.ended()
		within(t, "408", t0, 20*time.Second, time.Second)

		c = w.client() // the same, after a request
		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 200)
		time.Sleep(30 * time.Second)
		c.send("GET / HT")
		t0 = time.Now()
		c.answer("GET").wantStatus(t, 408)
		c.ended()
		within(t, "408", t0, 20*time.Second, 6*time.Second)
		if n := len(b.requests()); n != 1 {
			t.Errorf("the backend saw %d requests, want 1", n)
		}
	})
}

func TestSuiteKeepAliveTimeout(t *testing.T) {
	through(t, timed, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.reach(b, proxy.WithKeepAlive(40*time.Second, 1000))
		c := w.client()
		for range 3 {
			c.send(get("/", ""))
			c.answer("GET").wantStatus(t, 200)
			time.Sleep(29 * time.Second)
		}
		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 200)
		t0 := time.Now()
		c.ended()
		within(t, "closed", t0, 40*time.Second, 10*time.Second)
	})
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.reach(b, proxy.WithKeepAlive(0, 1000))
		c := w.client()
		c.send(get("/", ""))
		a := c.answer("GET")
		a.wantStatus(t, 200)
		if !a.Close {
			t.Error("the close is not announced")
		}
		c.ended()
	})
}

func TestSuiteKeepAliveRequests(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.reach(b, proxy.WithKeepAlive(time.Minute, 3))
		c := w.client()
		for i := range 3 {
			c.send(get("/", ""))
			a := c.answer("GET")
			a.wantStatus(t, 200)
			if a.Close != (i == 2) {
				t.Errorf("request %d: close %v", i+1, a.Close)
			}
		}
		c.ended()
	})
}

func TestSuiteBodyTimeout(t *testing.T) {
	through(t, bubbles, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(string(r.body)) })
		logs := newJournal()
		w.reach(b, proxy.WithBodyTimeout(20*time.Second), proxy.WithReadTimeout(3*time.Second), proxy.WithAccessLog(logs.write))
		for _, q := range []struct{ name, head, part string }{
			{"length", "Content-Length: 10\r\n", "x"},
			{"chunked", "Transfer-Encoding: chunked\r\n", "1\r\nx\r\n"},
		} {
			c := w.client() // stalls
			t0 := time.Now()
			c.send("POST / HTTP/1.1\r\nHost: a.example\r\n" + q.head + "\r\n" + q.part)
			c.answer("POST").wantStatus(t, 408)
			within(t, "408", t0, 20*time.Second, 5*time.Second)
			if rec := logs.next(t, w); rec.Status != 408 || rec.Reason != "body_timeout" {
				t.Errorf("%s: record %+v", q.name, rec)
			}
			c.ended()
		}
		if n := w.proxy.Snapshot().Failures; n != 0 {
			t.Errorf("%d failures charged, want none", n)
		}

		c := w.client() // is slow, and goes on: neither side's timeout bites
		c.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\n")
		for range 10 {
			time.Sleep(12 * time.Second)
			c.send("x")
		}
		c.answer("POST").want(t, 200, "xxxxxxxxxx")
	})
}

// A client that does not read is cut, and its peer's connection with it.
func TestSuiteWriteTimeout(t *testing.T) {
	through(t, timed, func(t *testing.T, w *world) {
		cut := make(chan time.Time, 1)
		b := w.backend(func(c *conn) {
			if _, err := c.request(); err != nil {
				return
			}
			_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			piece := "1000\r\n" + strings.Repeat("x", 4096) + "\r\n"
			for c.say(piece) == nil {
			}
			cut <- time.Now()
		})
		logs := newJournal()
		w.reach(b, proxy.WithWriteTimeout(20*time.Second), proxy.WithAccessLog(logs.write))
		c := w.client()
		t0 := time.Now()
		c.send(get("/", ""))
		at := receive(t, w, "the cut", cut)
		// Once more at most: a write that ran into the limit after part of it was taken begins another wait.
		if d := at.Sub(t0); d < 15*time.Second || d > 41*time.Second {
			t.Errorf("cut after %v, want 20s to 40s", d)
		}
		if rec := logs.next(t, w); rec.Reason != "client_abort" || rec.Status != 200 {
			t.Errorf("record %+v", rec)
		}
		if n := w.proxy.Snapshot().Failures; n != 0 {
			t.Errorf("%d failures charged, want none", n)
		}
	})
}
