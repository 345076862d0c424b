package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

// A client that goes away takes its request at the peer with it, and the peer is not to blame.
func TestSuiteClientAbort(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, q := range []struct {
			name, raw string
			leave     func(c *conn)
			began     bool // the answer has begun
		}{
			{"close while waiting", get("/", ""), func(c *conn) { c.Close() }, false},
			{"reset while waiting", get("/", ""), resets, false},
			{"close while waiting, with body", put("POST", "/", "hello"), func(c *conn) { c.Close() }, false},
			{"close in the answer", get("/", ""), func(c *conn) { c.Close() }, true},
			{"reset in the answer", get("/", ""), resets, true},
		} {
			w.again(func(w *world) {
				came, gone := make(chan bool, 1), make(chan bool, 1)
				b := w.backend(func(c *conn) {
					if _, err := c.request(); err != nil {
						return
					}
					came <- true
					if q.began {
						_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
						for c.say("1000\r\n"+strings.Repeat("x", 4096)+"\r\n") == nil {
						}
					}
					c.wait()
					gone <- true
				})
				logs := newJournal()
				w.reach(b, proxy.WithAccessLog(logs.write))
				c := w.client()
				c.send(q.raw)
				receive(t, w, "the request at the backend", came)
				if q.began {
					if _, err := io.ReadFull(c.r, make([]byte, 1000)); err != nil {
						t.Fatal(err)
					}
				}
				q.leave(c)
				receive(t, w, "the end of the backend's connection", gone)
				rec := logs.next(t, w)
				want := 499
				if q.began {
					want = 200
				}
				if rec.Reason != "client_abort" || rec.Status != want || len(rec.Attempts) != 1 {
					t.Errorf("%s: record %+v, want %d", q.name, rec, want)
				}
				if s := w.proxy.Snapshot(); s.Failures != 0 || s.Aborts != 1 {
					t.Errorf("%s: %d failures and %d aborts, want 0 and 1", q.name, s.Failures, s.Aborts)
				}
			})
		}
	})
}

// A client that goes away in the middle of its body: the peer must not get a whole request.
func TestSuiteClientAbortInBody(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, raw := range []string{
			"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\nhalf",
			"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		} {
			for _, leave := range []func(c *conn){func(c *conn) { c.Close() }, resets} {
				w.again(func(w *world) {
					came := make(chan bool, 1)
					gone := make(chan error, 1)
					b := w.backend(func(c *conn) {
						r, err := c.head()
						if err != nil {
							return
						}
						came <- true
						_, err = io.ReadAll(r.Body)
						gone <- err
					})
					logs := newJournal()
					w.reach(b, proxy.WithAccessLog(logs.write))
					c := w.client()
					c.send(raw)
					receive(t, w, "the request at the backend", came)
					leave(c)
					if err := receive(t, w, "the end of the body", gone); err == nil {
						t.Error("the backend got a whole request")
					}
					logs.next(t, w)
					if n := w.proxy.Snapshot().Failures; n != 0 {
						t.Errorf("%d failures charged, want none", n)
					}
				})
			}
		}
	})
}

func TestSuiteShutdown(t *testing.T) {
	through(t, timed, func(t *testing.T, w *world) {
		hold := make(chan bool)
		b := w.answering(func(r request) string {
			if r.RequestURI == "/hold" {
				<-hold
			}
			return ok("done")
		})
		w.startServer([]proxy.ServerOption{proxy.WithLinger(5 * time.Second)}, proxy.WithPool(w.pool(b.addr)))
		inFlight, idle, late := w.client(), w.client(), w.client()
		for _, c := range []*conn{idle, late} {
			c.send(get("/", ""))
			c.answer("GET").wantStatus(t, 200)
		}
		inFlight.send(get("/hold", ""))
		time.Sleep(time.Second)
		queued := w.client() // connected, and says nothing yet

		t0 := time.Now()
		down := make(chan error, 1)
		w.wg.Go(func() { down <- w.server.Shutdown(t.Context()) })
		time.Sleep(2 * time.Second)
		if _, err := w.mem.DialContext(t.Context(), "tcp", w.addr); err == nil {
			t.Error("the listener still accepts")
		}
		for _, c := range []*conn{late, queued} {
			c.send(get("/", ""))
			a := c.answer("GET")
			a.want(t, 200, "done")
			if !a.Close {
				t.Error("an answer in the linger does not announce the close")
			}
			c.ended()
		}
		idle.ended()
		within(t, "idle connection closed", t0, 5*time.Second, time.Second)
		time.Sleep(10 * time.Second)
		select {
		case err := <-down:
			t.Errorf("Shutdown returned %v with a request in flight", err)
		default:
		}
		hold <- true
		a := inFlight.answer("GET")
		a.want(t, 200, "done")
		if !a.Close {
			t.Error("the answer in flight does not announce the close")
		}
		inFlight.ended()
		if err := receive(t, w, "Shutdown", down); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		if err := receive(t, w, "Serve", w.served); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
}

func TestSuiteShutdownDeadline(t *testing.T) {
	through(t, timed, func(t *testing.T, w *world) {
		b := w.backend(func(c *conn) { c.wait() })
		w.startServer([]proxy.ServerOption{proxy.WithLinger(time.Second)}, proxy.WithPool(w.pool(b.addr)))
		c := w.client()
		c.send(get("/", ""))
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		t0 := time.Now()
		if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want the deadline", err)
		}
		within(t, "returned", t0, 10*time.Second, time.Second)
		if err := w.server.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if err := receive(t, w, "Serve", w.served); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if _, err := io.ReadAll(c.r); err != nil && errors.Is(err, context.DeadlineExceeded) {
			t.Error("the connection stays open after Close")
		}
	})
}

// Connections that were made before the listener closed are served, accepted or not.
func TestSuiteShutdownDrainsAcceptQueue(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("done") })
		for range 5 {
			w.again(func(v *world) {
				v.startServer([]proxy.ServerOption{proxy.WithLinger(time.Second)}, proxy.WithPool(w.pool(b.addr)))
				var list []*conn
				for range 50 {
					list = append(list, v.client())
				}
				down := make(chan error, 1)
				v.wg.Go(func() { down <- v.server.Shutdown(context.Background()) })
				for _, c := range list {
					_ = c.say(get("/", ""))
				}
				for i, c := range list {
					a, err := c.tryAnswer("GET")
					if err != nil || a.body != "done" {
						t.Errorf("connection %d was dropped: %v", i, err)
					}
				}
				if err := receive(t, v, "Shutdown", down); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

func TestSuiteServerClose(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		came := make(chan bool, 1)
		b := w.backend(func(c *conn) {
			if _, err := c.request(); err == nil {
				came <- true
				c.wait()
			}
		})
		w.reach(b)
		idle, busy := w.client(), w.client()
		busy.send(get("/", ""))
		receive(t, w, "the request", came)
		for range 2 { // Close is idempotent
			if err := w.server.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		}
		if err := receive(t, w, "Serve", w.served); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		for _, c := range []*conn{idle, busy} {
			if a, err := c.tryAnswer("GET"); err == nil && a.StatusCode == 200 {
				t.Errorf("got %d after Close", a.StatusCode)
			}
		}
		ln := w.listen()
		if err := w.server.Serve(ln); err != nil {
			t.Errorf("Serve after Close = %v, want nil at once", err)
		}
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve after Close left its listener open: %v", err)
		}
	})
}

// Two servers of one proxy, one after the other, share its warm connections.
func TestSuiteServersShareConnections(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.reach(b)
		c := w.client()
		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 200)
		c.Close()
		if err := w.server.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		ln := w.listen()
		w.server = w.proxy.Server()
		w.later(w.server)
		w.wg.Go(func() { _ = w.server.Serve(ln) })
		w.addr = ln.Addr().String()
		c = w.client()
		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 200)
		if n := b.connections(); n != 1 {
			t.Errorf("%d connections to the backend, want 1", n)
		}
	})
}

// An idle upstream connection is closed after its time.
func TestSuiteUpstreamIdleTimeout(t *testing.T) {
	through(t, bubbles, func(t *testing.T, w *world) {
		gone := make(chan time.Time, 1)
		b := w.backend(func(c *conn) {
			for {
				if _, err := c.request(); err != nil {
					break
				}
				_ = c.say(ok(""))
			}
			gone <- time.Now()
		})
		w.reach(b, proxy.WithUpstreamKeepAlive(8, 30*time.Second, 1000))
		c := w.client()
		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 200)
		t0 := time.Now()
		at := receive(t, w, "the close", gone)
		if d := at.Sub(t0); d < 29*time.Second || d > 35*time.Second {
			t.Errorf("closed after %v, want 30s", d)
		}
	})
}

// A new policy holds for the next request on an open connection.
func TestSuiteUpdate(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		one := w.answering(func(r request) string { return ok("one") })
		two := w.answering(func(r request) string { return ok("two") })
		w.reach(one)
		c := w.client()
		c.send(get("/", ""))
		c.answer("GET").want(t, 200, "one")
		if err := w.proxy.Update(proxy.WithPool(w.pool(two.addr)), proxy.WithMaxBody(1)); err != nil {
			t.Fatal(err)
		}
		c.send(get("/", ""))
		c.answer("GET").want(t, 200, "two")
		if err := w.proxy.Update(proxy.WithMaxBody(-1), proxy.WithPool(w.pool(one.addr))); err == nil {
			t.Error("a negative limit was accepted")
		}
		c.send(get("/", ""))
		c.answer("GET").want(t, 200, "two")
		c.send(put("POST", "/", "too long"))
		c.answer("POST").wantStatus(t, 413)
	})
}

// Changing the policy and the pool under load fails no request.
func TestSuiteUpdateUnderLoad(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		reply := func(r request) string { return ok(r.RequestURI) }
		one, two := w.answering(reply), w.answering(reply)
		pools := []*upstream.Pool{w.pool(one.addr), w.pool(two.addr), w.pool(one.addr, two.addr)}
		w.start(proxy.WithPool(pools[0]))
		const clients, requests = 8, 100
		results := make(chan error)
		for i := range clients {
			c := w.client()
			w.wg.Go(func() {
				for k := range requests {
					target := "/" + itoa(i) + "/" + itoa(k)
					_ = c.say(get(target, ""))
					a, err := c.tryAnswer("GET")
					if err == nil && (a.StatusCode != 200 || a.body != target) {
						err = fmt.Errorf("%s: %d %q, %v", target, a.StatusCode, a.body, a.err)
					}
					results <- err
				}
			})
		}
		for i := range clients * requests {
			if err := receive(t, w, "an answer", results); err != nil {
				t.Error(err)
			}
			if err := w.proxy.Update(proxy.WithPool(pools[i%len(pools)])); err != nil {
				t.Error(err)
			}
			switch i % 4 {
			case 1:
				_ = pools[2].Remove(one.addr)
			case 3:
				_ = pools[2].Add(one.addr)
			}
		}
	})
}

func TestSuiteHandlerRoute(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("peer") })
		h := http.NewServeMux()
		h.HandleFunc("/h/echo", func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			rw.Header().Set("X-Handler", r.Method+" "+r.URL.String()+" "+r.Host)
			if err != nil {
				rw.WriteHeader(400)
			}
			_, _ = rw.Write(body)
		})
		h.HandleFunc("/h/ignore", func(rw http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(rw, "ignored") })
		h.HandleFunc("/h/panic", func(rw http.ResponseWriter, r *http.Request) { panic("oops") })
		h.HandleFunc("/h/abort", func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(rw, strings.Repeat("x", 100<<10))
			panic(http.ErrAbortHandler)
		})
		w.start(proxy.WithPool(w.pool(b.addr)), proxy.WithHandler("/h/", h), proxy.WithMaxBody(0))
		c := w.client()
		for _, body := range []string{"", "hello", text(300 << 10)} {
			c.stream(put("POST", "/h/echo?a=b", body))
			a := c.answer("POST")
			if a.StatusCode != 200 || sum(a.body) != sum(body) || a.Header.Get("X-Handler") != "POST /h/echo?a=b a.example" {
				t.Errorf("echo: %d %s %v", a.StatusCode, sum(a.body), a.Header)
			}
		}
		c.send(put("POST", "/h/ignore", get("/smuggled", "")))
		c.answer("POST").want(t, 200, "ignored")
		c.send(get("/", ""))
		c.answer("GET").want(t, 200, "peer")
		for _, r := range b.requests() {
			if r.RequestURI != "/" {
				t.Errorf("the backend got %s", r.RequestURI)
			}
		}

		p := w.client()
		p.send(get("/h/panic", ""))
		p.answer("GET").wantStatus(t, 500)

		x := w.client()
		x.send(get("/h/abort", ""))
		if a := x.answer("GET"); a.err == nil {
			t.Error("the aborted answer looks whole")
		}
	})
}
