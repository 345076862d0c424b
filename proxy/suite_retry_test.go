package proxy_test

import (
	"context"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

// failing is a backend that reads a request and ends the connection in some way.
func (w *world) failing(end func(c *conn)) *backend {
	return w.backend(func(c *conn) {
		if _, err := c.request(); err == nil {
			end(c)
		}
	})
}

func closes(*conn) {}

func resets(c *conn) { c.kill() }

func TestSuiteNextUpstream(t *testing.T) {
	const large = 100 << 10 // more than is kept for another attempt
	through(t, every, func(t *testing.T, w *world) {
		for _, q := range []struct {
			name   string
			end    func(c *conn) // nil: connections are refused
			method string
			body   int // -1: none
			opts   []proxy.Option
			status int
		}{
			{"refused, GET", nil, "GET", -1, nil, 200},
			{"refused, POST", nil, "POST", 10, nil, 200},
			{"refused, large POST", nil, "POST", large, nil, 200},
			{"refused, conditions off", nil, "GET", -1, []proxy.Option{proxy.WithNextUpstream()}, 200},
			{"refused, one try", nil, "GET", -1, []proxy.Option{proxy.WithNextUpstreamTries(1)}, 502},
			{"closed, GET", closes, "GET", -1, nil, 200},
			{"closed, HEAD", closes, "HEAD", -1, nil, 200},
			{"closed, PUT", closes, "PUT", 10, nil, 200},
			{"closed, DELETE", closes, "DELETE", -1, nil, 200},
			{"closed, POST", closes, "POST", 10, nil, 502},
			{"closed, POST without body", closes, "POST", -1, nil, 502},
			{"closed, PATCH", closes, "PATCH", 10, nil, 502},
			{"closed, unknown method", closes, "M-SEARCH", -1, nil, 502},
			{"closed, non_idempotent", closes, "POST", 10, []proxy.Option{proxy.WithNextUpstream(proxy.NextError, proxy.NextNonIdempotent)}, 200},
			{"closed, conditions off", closes, "GET", -1, []proxy.Option{proxy.WithNextUpstream()}, 502},
			{"closed, timeout only", closes, "GET", -1, []proxy.Option{proxy.WithNextUpstream(proxy.NextTimeout)}, 502},
			{"closed, body gone", closes, "PUT", large, nil, 502},
			{"reset, GET", resets, "GET", -1, nil, 200},
			{"reset, POST", resets, "POST", 10, nil, 502},
			{"cut head, GET", func(c *conn) { _ = c.say("HTTP/1.1 200 OK\r\nContent-") }, "GET", -1, nil, 200},
			{"cut head, POST", func(c *conn) { _ = c.say("HTTP/1.1 200 OK\r\nContent-") }, "POST", 10, nil, 502},
			{"garbage, GET", func(c *conn) { _ = c.say("garbage\r\n\r\n") }, "GET", -1, nil, 502},
			{"garbage, invalid_header", func(c *conn) { _ = c.say("garbage\r\n\r\n") }, "GET", -1, []proxy.Option{proxy.WithNextUpstream(proxy.NextInvalidHeader)}, 200},
		} {
			w.again(func(w *world) {
				good := w.answering(func(r request) string {
					if r.Method == "HEAD" {
						return "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
					}
					return ok(r.Method + sum(r.body))
				})
				bad := &backend{addr: w.nobody()}
				if q.end != nil {
					bad = w.failing(q.end)
				}
				logs := newJournal()
				opts := append([]proxy.Option{proxy.WithPool(w.pool(bad.addr, good.addr)), proxy.WithAccessLog(logs.write)}, q.opts...)
				w.start(opts...)
				c := w.client()
				body := ""
				if q.body >= 0 {
					body = text(q.body)
					raw := put(q.method, "/", body)
					c.stream(raw)
				} else {
					c.send(q.method + " / HTTP/1.1\r\nHost: a.example\r\n\r\n")
				}
				a := c.answer(q.method)
				if a.StatusCode != q.status {
					t.Errorf("%s: got %d, want %d", q.name, a.StatusCode, q.status)
				}
				if q.status == 200 && q.method != "HEAD" && a.body != q.method+sum(body) {
					t.Errorf("%s: got %s, want %s", q.name, a.body, sum(body))
				}
				wantGood := 0
				if q.status == 200 {
					wantGood = 1
				}
				if n := len(good.requests()); n != wantGood {
					t.Errorf("%s: the good peer saw %d requests, want %d", q.name, n, wantGood)
				}
				rec := logs.next(t, w)
				if len(rec.Attempts) != 1+wantGood || rec.Attempts[0].Backend != bad.addr || rec.Attempts[0].Err == nil {
					t.Errorf("%s: attempts %+v", q.name, rec.Attempts)
				}
				if wantGood == 1 && (rec.Backend != good.addr || rec.Attempts[1].Status != 200 || rec.Reason != "") {
					t.Errorf("%s: record %+v", q.name, rec)
				}
				if n := w.proxy.Snapshot().Failures; n != 1 {
					t.Errorf("%s: %d failures charged, want 1", q.name, n)
				}
			})
		}
	})
}

func TestSuiteReadTimeout(t *testing.T) {
	mute := func(c *conn) { c.wait() }
	through(t, bubbles, func(t *testing.T, w *world) {
		for _, q := range []struct {
			name, method string
			opts         []proxy.Option
			status       int
		}{
			{"GET", "GET", nil, 200},
			{"POST", "POST", nil, 504},
			{"condition off", "GET", []proxy.Option{proxy.WithNextUpstream(proxy.NextError)}, 504},
			{"time used up", "GET", []proxy.Option{proxy.WithNextUpstreamTimeout(time.Second)}, 504},
		} {
			w.again(func(w *world) {
				bad := w.failing(mute)
				good := w.answering(func(r request) string { return ok("good") })
				w.start(append([]proxy.Option{proxy.WithPool(w.pool(bad.addr, good.addr)), proxy.WithReadTimeout(7 * time.Second)}, q.opts...)...)
				c := w.client()
				t0 := time.Now()
				c.send(q.method + " / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n")
				a := c.answer(q.method)
				if a.StatusCode != q.status {
					t.Errorf("%s: got %d, want %d", q.name, a.StatusCode, q.status)
				}
				if d := time.Since(t0); d < 7*time.Second || d > 8*time.Second {
					t.Errorf("%s: after %v, want 7s", q.name, d)
				}
			})
		}
	})
}

// The read timeout is the time between two reads: a slow answer that goes on passes, one that stops is cut.
func TestSuiteReadTimeoutInBody(t *testing.T) {
	through(t, bubbles, func(t *testing.T, w *world) {
		b := w.backend(func(c *conn) {
			if _, err := c.request(); err != nil {
				return
			}
			_ = c.say("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
			for range 10 {
				time.Sleep(5 * time.Second)
				_ = c.say("x")
			}
			c.wait()
		})
		logs := newJournal()
		w.reach(b, proxy.WithReadTimeout(7*time.Second), proxy.WithAccessLog(logs.write))
		c := w.client()
		t0 := time.Now()
		c.send(get("/", ""))
		a := c.answer("GET")
		if a.StatusCode != 200 || a.body != strings.Repeat("x", 10) || a.err == nil {
			t.Errorf("got %d %q (%v), want ten bytes and a cut", a.StatusCode, a.body, a.err)
		}
		if d := time.Since(t0); d < 57*time.Second || d > 60*time.Second {
			t.Errorf("cut after %v, want 57s", d)
		}
		if rec := logs.next(t, w); rec.Reason != "cut" || rec.Status != 200 || rec.ResponseBytes != 10 {
			t.Errorf("record %+v", rec)
		}
	})
}

func TestSuiteSendTimeout(t *testing.T) {
	through(t, bubbles, func(t *testing.T, w *world) {
		b := w.backend(func(c *conn) {
			_, _ = c.head() // and nothing of the body
			time.Sleep(time.Hour)
		})
		w.reach(b, proxy.WithSendTimeout(9*time.Second))
		c := w.client()
		t0 := time.Now()
		c.stream(put("POST", "/", strings.Repeat("x", 1<<20)))
		c.answer("POST").wantStatus(t, 504)
		// Once more at most: a write that ran into the limit after part of it was taken begins another wait.
		if d := time.Since(t0); d < 9*time.Second*3/4 || d > 19*time.Second {
			t.Errorf("after %v, want 9s to 18s", d)
		}
	})
}

func TestSuiteAllFail(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		logs := newJournal()
		w.start(proxy.WithPool(w.pool(w.nobody(), w.nobody(), w.nobody())), proxy.WithAccessLog(logs.write))
		c := w.client()
		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 502)
		if rec := logs.next(t, w); len(rec.Attempts) != 3 || rec.Status != 502 || rec.Reason != "connect" {
			t.Errorf("record %+v", rec)
		}
		c.send(get("/", "")) // now all are out
		c.answer("GET").wantStatus(t, 502)
		if rec := logs.next(t, w); len(rec.Attempts) != 0 || rec.Reason != "no_peer" || rec.Backend != "" {
			t.Errorf("record %+v", rec)
		}
	})
}

func TestSuiteBusy(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		came, go_ := make(chan bool), make(chan bool)
		b := w.answering(func(r request) string {
			if r.RequestURI == "/hold" {
				came <- true
				<-go_
			}
			return ok("done")
		})
		w.start(proxy.WithPool(w.poolOf(upstream.WithServer(b.addr, upstream.MaxConns(1)))))
		c, d := w.client(), w.client()
		c.send(get("/hold", ""))
		receive(t, w, "the request at the backend", came)
		d.send(get("/", ""))
		d.answer("GET").wantStatus(t, 503)
		go_ <- true
		c.answer("GET").want(t, 200, "done")
		d.send(get("/", ""))
		d.answer("GET").want(t, 200, "done")
	})
}

// With a queue a request waits for its peer, and is refused when too many do.
func TestSuiteQueue(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		came, go_ := make(chan bool), make(chan bool)
		b := w.answering(func(r request) string {
			if r.RequestURI == "/hold" {
				came <- true
				<-go_
			}
			return ok("done")
		})
		pool := w.poolOf(upstream.WithServer(b.addr, upstream.MaxConns(1)), upstream.WithQueue(1, time.Minute))
		w.start(proxy.WithPool(pool))
		c, d, e := w.client(), w.client(), w.client()
		c.send(get("/hold", ""))
		receive(t, w, "the request at the backend", came)
		d.send(get("/", ""))
		for range 1_000_000 { // as long as it takes until it waits
			if pool.Snapshot().Waiting == 1 {
				break
			}
			runtime.Gosched()
		}
		e.send(get("/", ""))
		if a := e.answer("GET"); a.StatusCode != 503 || a.Header.Get("Retry-After") != "1" {
			t.Errorf("beyond the queue: %d, Retry-After %q", a.StatusCode, a.Header.Get("Retry-After"))
		}
		go_ <- true
		c.answer("GET").want(t, 200, "done")
		d.answer("GET").want(t, 200, "done")
	})
}

// LeastTime hears of the heads of answers.
func TestSuiteResponseTime(t *testing.T) {
	through(t, bubbles, func(t *testing.T, w *world) {
		b := w.answering(func(request) string { time.Sleep(70 * time.Millisecond); return ok("done") })
		pool := w.poolOf(upstream.WithServer(b.addr), upstream.WithServer(b.addr, upstream.ID("b"), upstream.Backup()), upstream.WithBalancer(upstream.LeastTime()))
		w.start(proxy.WithPool(pool))
		c := w.client()
		c.send(get("/", ""))
		c.answer("GET").want(t, 200, "done")
		if got := pool.Snapshot().Backends[0].ResponseTime; got < 70*time.Millisecond || got > 71*time.Millisecond {
			t.Errorf("response time = %v", got)
		}
	})
}

// A kept connection that the peer has closed costs neither an attempt nor a failure.
func TestSuiteStaleConnection(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, q := range []struct{ name, method, body string }{{"GET", "GET", ""}, {"POST", "POST", "hello"}, {"large POST", "POST", text(100 << 10)}} {
			w.again(func(w *world) {
				closed := make(chan bool)
				b := w.backend(func(c *conn) {
					r, err := c.request()
					if err != nil {
						return
					}
					_ = c.say(ok(r.Method + sum(r.body)))
					if c.n == 1 {
						c.Close()
						closed <- true
						return
					}
					c.wait()
				})
				w.reach(b)
				c := w.client()
				c.send(get("/", ""))
				c.answer("GET").wantStatus(t, 200)
				receive(t, w, "the close", closed)
				raw := put(q.method, "/", q.body)
				c.stream(raw)
				c.answer(q.method).want(t, 200, q.method+sum(q.body))
				if n := b.connections(); n != 2 {
					t.Errorf("%s: %d connections, want 2", q.name, n)
				}
				if n := w.proxy.Snapshot().Failures; n != 0 {
					t.Errorf("%s: %d failures charged, want none", q.name, n)
				}
			})
		}
	})
}

// The peer closes a kept connection just as the next request is on its way: what may be repeated is, the rest is a 502.
func TestSuiteStaleInFlight(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, q := range []struct {
			method string
			status int
		}{{"GET", 200}, {"PUT", 200}, {"POST", 502}} {
			w.again(func(w *world) {
				b := w.backend(func(c *conn) {
					for {
						if _, err := c.request(); err != nil || c.n == 1 && c.k == 2 {
							return
						}
						_ = c.say(ok("fine"))
					}
				})
				w.reach(b)
				c := w.client()
				c.send(get("/", ""))
				c.answer("GET").want(t, 200, "fine")
				c.send(put(q.method, "/", "hello"))
				if a := c.answer(q.method); a.StatusCode != q.status {
					t.Errorf("%s: got %d, want %d", q.method, a.StatusCode, q.status)
				}
				c.alive()
			})
		}
	})
}

// Bytes nobody asked for on a kept connection: it is not used again.
func TestSuiteUnaskedBytes(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, method := range []string{"GET", "POST"} {
			w.again(func(w *world) {
				send, sent := make(chan bool), make(chan bool)
				b := w.backend(func(c *conn) {
					for {
						if _, err := c.request(); err != nil {
							return
						}
						_ = c.say(ok("good"))
						if c.n == 1 {
							<-send
							_ = c.say(ok("smuggled"))
							sent <- true
						}
					}
				})
				w.reach(b)
				c := w.client()
				for i := range 3 {
					c.send(put(method, "/", "hello"))
					c.answer(method).want(t, 200, "good")
					if i == 0 {
						send <- true
						receive(t, w, "the bytes", sent)
					}
				}
				if n := b.connections(); n != 2 {
					t.Errorf("%s: %d connections, want 2", method, n)
				}
			})
		}
	})
}

// A peer that dies in the middle of its answer: the client must notice, and the failure is the peer's.
func TestSuiteCutAnswer(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, q := range []struct{ name, head string }{
			{"length", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"},
			{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n"},
			{"until close", "HTTP/1.1 200 OK\r\n\r\n"},
		} {
			for i, end := range []func(*conn){resets, closes} {
				if i > 0 && q.name == "until close" {
					continue // that is its end
				}
				w.again(func(w *world) {
					passed := make(chan bool)
					b := w.failing(func(c *conn) {
						_ = c.say(q.head + "some")
						<-passed
						end(c)
					})
					logs := newJournal()
					w.reach(b, proxy.WithAccessLog(logs.write))
					c := w.client()
					c.send(get("/", ""))
					if _, err := c.r.Peek(1); err != nil {
						t.Fatal(err)
					}
					close(passed)
					a := c.answer("GET")
					if a.err == nil || len(a.body) > 4 {
						t.Errorf("%s: got %d %q as a whole answer", q.name, a.StatusCode, a.body)
					}
					if rec := logs.next(t, w); rec.Reason != "cut" || rec.Attempts[0].Err == nil {
						t.Errorf("%s: record %+v", q.name, rec)
					}
				})
			}
		}
	})
}

// A request that failed over is written anew for the next peer, not where the last one stopped.
func TestSuiteRetrySendsWholeRequest(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		bad := w.failing(closes)
		good := w.answering(func(r request) string { return ok(r.Header.Get("X-Mark") + string(r.body)) })
		w.start(proxy.WithPool(w.pool(bad.addr, good.addr)))
		c := w.client()
		c.send("PUT / HTTP/1.1\r\nHost: a.example\r\nX-Mark: m\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hello"))
		c.answer("PUT").want(t, 200, "mhello")
		if n := len(good.last(t).Header.Values("X-Forwarded-For")); n != 1 {
			t.Errorf("%d X-Forwarded-For fields, want 1", n)
		}
	})
}

// TestSuiteLocalTrouble: what this host lacks is not the peer's fault, and the next peer may still be reached.
func TestSuiteLocalTrouble(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(request) string { return ok("hello") })
		const unreachable = "192.0.2.1:80"
		pool := w.pool(unreachable, b.addr)
		w.start(proxy.WithPool(pool), proxy.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == unreachable {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}
			}
			return w.dialContext(ctx, network, addr)
		}))
		for range 4 {
			c := w.client()
			c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if a := c.answer("GET"); a.StatusCode != 200 {
				t.Fatalf("status %d", a.StatusCode)
			}
		}
		for _, s := range pool.Snapshot().Backends {
			if s.Failures != 0 || s.Fails != 0 {
				t.Errorf("%s is charged: %+v", s.Addr, s)
			}
		}
		if err := pool.Remove(b.addr); err != nil {
			t.Fatal(err)
		}
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if a := c.answer("GET"); a.StatusCode != 503 {
			t.Errorf("nobody else: status %d, want 503", a.StatusCode)
		}
	})
}
