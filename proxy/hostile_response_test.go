package proxy_test

import (
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1/hostile"
)

// Every hostile answer becomes a 502, or a cut where the head was fine; nothing of it is passed on, and the connection
// it came on is not used again.
func TestHostileResponses(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, h := range hostile.Responses {
			w.again(func(w *world) {
				b := w.backend(func(c *conn) {
					if _, err := c.request(); err != nil {
						return
					}
					if c.n > 1 {
						_ = c.say(ok("good"))
						c.wait()
						return
					}
					_ = c.say(h.Raw)
					c.closeWriteQuietly()
					if c.wait() > 0 {
						t.Errorf("%s: the connection was used again", h.Name)
					}
				})
				w.reach(b)
				c := w.client()
				c.send(get("/", ""))
				a := c.finalOrCut("GET")
				switch {
				case a.Response == nil:
					t.Errorf("%s: no answer: %v", h.Name, a.err)
				case h.Body && a.StatusCode == 502 && a.err == nil: // nothing had been sent yet
				case h.Body && (a.StatusCode != 200 || a.err == nil || !strings.HasPrefix("okay", a.body) && a.body != "short"):
					t.Errorf("%s: got %d %.40q (%v), want 502 or a cut", h.Name, a.StatusCode, a.body, a.err)
				case !h.Body && (a.StatusCode != 502 || a.err != nil):
					t.Errorf("%s: got %d %.40q (%v), want 502", h.Name, a.StatusCode, a.body, a.err)
				}
				if a.err != nil {
					c.ended()
					c.Close()
					c = w.client()
				}
				c.send(get("/", ""))
				c.answer("GET").want(t, 200, "good")
				if n := b.connections(); n != 2 {
					t.Errorf("%s: %d connections to the backend, want 2", h.Name, n)
				}
				if n := w.proxy.Snapshot().Failures; n != 1 {
					t.Errorf("%s: %d failures charged, want 1", h.Name, n)
				}
			})
		}
	})
}

// Interim answers are bounded: a final one behind a flood of them is not waited for.
func TestHostileInterimFlood(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, interim := range []string{"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"} {
			w.again(func(w *world) {
				b := w.failing(func(c *conn) { _ = c.say(strings.Repeat(interim, 5000) + ok("late")) })
				w.reach(b)
				c := w.client()
				c.send(get("/", ""))
				c.finalOrCut("GET").wantStatus(t, 502)
			})
		}
	})
}

// A fault behind a good chunk that has gone to the client when it is found: then only a cut is left, and it
// must look like one.
func TestHostileAnswersStreamed(t *testing.T) {
	start := text(100 << 10)
	through(t, every, func(t *testing.T, w *world) {
		for _, h := range hostile.Responses {
			head, body, _ := strings.Cut(h.Raw, "\r\n\r\n")
			if !h.Body || !strings.Contains(head, "chunked") {
				continue
			}
			w.again(func(w *world) {
				b := w.backend(func(c *conn) {
					if _, err := c.request(); err == nil {
						_ = c.say(head + "\r\n\r\n" + hex(len(start)) + "\r\n" + start + "\r\n" + body)
					}
				})
				w.reach(b)
				c := w.client()
				c.send(get("/", ""))
				a := c.finalOrCut("GET")
				if a.Response == nil || a.StatusCode != 200 || a.err == nil {
					t.Errorf("%s: got %v (%v), want 200 and a cut", h.Name, a.Response, a.err)
				}
				if !strings.HasPrefix(start+"okay", a.body) && a.body != start+"short" {
					t.Errorf("%s: got %d bytes of which some were not sent", h.Name, len(a.body))
				}
				c.ended()
			})
		}
	})
}

// finalOrCut reads the final answer, if there is one.
func (c *conn) finalOrCut(method string) answer {
	for {
		a, err := c.tryAnswer(method)
		if err != nil {
			return answer{err: err}
		}
		if a.StatusCode >= 200 {
			return a
		}
	}
}
