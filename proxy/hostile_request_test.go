package proxy_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
	"github.com/mainstay-ha/mainstay/proxy/internal/http1/hostile"
)

// Every hostile request is answered with its status and a closed connection, and the peer does not see it.
func TestHostileRequests(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("smuggled") })
		logs := newJournal()
		w.reach(b, proxy.WithAccessLog(logs.write))
		for _, h := range hostile.Requests {
			before, seen := b.connections(), len(b.requests())
			c := w.client()
			c.stream(h.Raw)
			a, err := c.tryAnswer("GET")
			if err != nil {
				t.Errorf("%s: no answer: %v", h.Name, err)
				continue
			}
			if a.StatusCode != h.Status || a.err != nil {
				t.Errorf("%s: got %d %.40q (%v), want %d", h.Name, a.StatusCode, a.body, a.err, h.Status)
			}
			if !a.Close {
				t.Errorf("%s: the close is not announced", h.Name)
			}
			c.ended()
			c.Close()
			if n := b.connections(); n != before && !h.Body {
				t.Errorf("%s: the backend was asked", h.Name)
			}
			for _, r := range b.requests()[seen:] {
				t.Errorf("%s: the backend got a whole request: %s %s", h.Name, r.Method, r.RequestURI)
			}
		}
		if n := w.proxy.Snapshot().Failures; n != 0 {
			t.Errorf("%d failures charged to the peer, want none", n)
		}
	})
}

// The same after a good request on the connection, and behind one in the pipeline.
func TestHostileRequestsPipelined(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("good") })
		w.reach(b)
		for _, h := range hostile.Requests {
			if h.Name == "two empty lines first" { // one of them belongs to the pipeline
				continue
			}
			seen := len(b.requests())
			c := w.client()
			c.stream(get("/good", "") + h.Raw)
			c.answer("GET").want(t, 200, "good")
			a, err := c.tryAnswer("GET")
			if err != nil || a.StatusCode != h.Status {
				t.Errorf("%s: got %v (%v), want %d", h.Name, a.Response, err, h.Status)
				continue
			}
			c.ended()
			c.Close()
			if n := len(b.requests()); n != seen+1 {
				t.Errorf("%s: the backend got %d requests, want 1", h.Name, n-seen)
			}
		}
	})
}

// The same behind a good chunk that is too large to be kept, so that the body is on its way to the peer when the fault
// is found: the peer must not take what it got for a whole request.
func TestHostileBodiesStreamed(t *testing.T) {
	good := hex(100<<10) + "\r\n" + text(100<<10) + "\r\n"
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("smuggled") })
		w.reach(b)
		for _, h := range hostile.Requests {
			head, body, _ := strings.Cut(h.Raw, "\r\n\r\n")
			if !h.Body || !w.door.engine && !plain[h.Name] {
				continue
			}
			c := w.client()
			c.stream(head + "\r\n\r\n" + good + body)
			a, err := c.tryAnswer("GET")
			if err != nil || a.StatusCode != h.Status || a.err != nil {
				t.Errorf("%s: got %v (%v, %v), want %d", h.Name, a.Response, err, a.err, h.Status)
			}
			c.ended()
			c.Close()
			for _, r := range b.requests() {
				t.Fatalf("%s: the backend got a whole request of %d bytes", h.Name, len(r.body))
			}
		}
		if n := w.proxy.Snapshot().Failures; n != 0 {
			t.Errorf("%d failures charged to the peer, want none", n)
		}
	})
}

// plain are faults that net/http, which decodes the body for the handler door, does not let pass either.
var plain = map[string]bool{"chunk size not hexadecimal": true, "chunk longer than its size": true, "chunk size 2^64+1": true}

// Through the handler door net/http judges first, and lets some of them pass; what goes on to the peer must be
// strict all the same.
func TestHostileRequestsHandlerDoor(t *testing.T) {
	through(t, handlers, func(t *testing.T, w *world) {
		for _, h := range hostile.Requests {
			w.again(func(w *world) {
				stream := make(chan []byte, 16)
				b := w.backend(func(c *conn) {
					var got []byte
					defer func() { stream <- got }()
					answered := 0
					buf := make([]byte, 64<<10)
					for {
						n, err := c.r.Read(buf)
						got = append(got, buf[:n]...)
						whole, bad := strict(got)
						if bad != nil {
							t.Errorf("%s: the backend got %.200q: %v", h.Name, got, bad)
							return
						}
						for ; answered < whole; answered++ {
							if c.say(ok("")) != nil {
								return
							}
						}
						if err != nil {
							return
						}
					}
				})
				w.reach(b)
				c := w.client()
				w.wg.Go(func() {
					_ = c.say(h.Raw)
					c.closeWriteQuietly()
				})
				for {
					if _, err := c.tryAnswer("GET"); err != nil {
						break
					}
				}
				c.Close()
			})
		}
	})
}

// strict counts the whole requests at the start of b, and says what is wrong with what came.
func strict(b []byte) (whole int, err error) {
	var r http1.Request
	var d http1.Body
	for len(b) > 0 {
		n, err := r.Parse(b, nil)
		if errors.Is(err, http1.ErrIncomplete) {
			return whole, nil
		}
		if err != nil {
			return whole, err
		}
		b = b[n:]
		d.Reset(r.Framing, r.Length)
		for !d.Done() {
			_, n, err := d.Next(b)
			b = b[n:]
			if errors.Is(err, http1.ErrIncomplete) {
				return whole, nil
			}
			if err != nil {
				return whole, err
			}
		}
		whole++
	}
	return whole, nil
}

func (c *conn) closeWriteQuietly() {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	}
}

// A body that nobody reads, because the proxy answers itself or the peer answered early, must not be read as requests
// (CVE-2025-4366).
func TestHostileBodyNobodyReads(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		early := w.backend(func(c *conn) {
			for {
				r, err := c.head()
				if err != nil {
					return
				}
				if strings.Contains(r.RequestURI, "smuggled") {
					t.Errorf("the early backend got %s", r.RequestURI)
				}
				_ = c.say(ok("early"))
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					return
				}
			}
		})
		refuse := proxy.Gate{Enter: func(*proxy.Request) proxy.Verdict { return proxy.Verdict{Status: 429} }}
		w.start(proxy.WithMaxBody(1<<20),
			proxy.WithRoute("/api/", w.pool(b.addr)),
			proxy.WithRoute("/down", w.pool(w.nobody())),
			proxy.WithRoute("/early", w.pool(early.addr)),
			proxy.WithRoute("/gate", w.pool(b.addr), proxy.RouteGate(refuse)),
			proxy.WithHandler("/local", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {})))
		smuggled := get("/api/smuggled", "")
		for _, body := range []string{smuggled, strings.Repeat(smuggled, 5000), strings.Repeat(smuggled, 30000)} { // the last is over the limit
			for _, target := range []string{"/none", "/local", "/down", "/gate", "/early"} {
				for _, raw := range []string{
					put("GET", target, body),
					put("POST", target, body),
					"POST " + target + " HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body),
					"PUT " + target + " HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body,
				} {
					c := w.client()
					c.stream(raw + get("/api/real", "Connection: close\r\n"))
					c.final("POST")
					for { // at most the answer to the request behind
						if _, err := c.tryAnswer("GET"); err != nil {
							break
						}
					}
					c.Close()
				}
			}
		}
		for _, r := range b.requests() {
			if r.RequestURI != "/api/real" {
				t.Fatalf("the backend got %s", r.RequestURI)
			}
		}
	})
}
