package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy"
)

func TestSuiteMethods(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			body := r.Method + " " + r.RequestURI + " " + string(r.body)
			head := "HTTP/1.1 200 OK\r\nX-Method: " + r.Method + "\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n"
			if r.Method == "HEAD" {
				return head
			}
			return head + body
		})
		w.reach(b)
		c := w.client()
		for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "M-SEARCH"} {
			for _, body := range []string{"", "hello"} {
				raw := m + " /a/b?c=d%20e HTTP/1.1\r\nHost: a.example\r\n\r\n"
				if body != "" {
					raw = put(m, "/a/b?c=d%20e", body)
				}
				c.send(raw)
				a := c.answer(m)
				want := m + " /a/b?c=d%20e " + body
				if m == "HEAD" {
					if a.ContentLength != int64(len(want)) {
						t.Errorf("HEAD: Content-Length %d, want %d", a.ContentLength, len(want))
					}
					want = ""
				}
				a.want(t, 200, want)
				if got := a.Header.Get("X-Method"); got != m {
					t.Errorf("X-Method %q, want %q", got, m)
				}
			}
		}
		if n := b.connections(); n != 1 {
			t.Errorf("%d connections to the backend, want 1", n)
		}
	})
}

func TestSuiteTargetsArriveAsSent(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(r.RequestURI) })
		w.reach(b)
		c := w.client()
		targets := []string{"/", "/a%2fb", "/a//b", "/%7Euser/", "/a?b=c;d&e", "/?", "/a?b?c", "/a;p=1,2", "/caf%C3%A9", "/?|^{}"}
		if w.door.engine { // net/url encodes these in a path
			targets = append(targets, "/|^{}")
		}
		for _, target := range targets {
			c.send(get(target, ""))
			c.answer("GET").want(t, 200, target)
		}
	})
}

func TestSuiteRequestBodies(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			return ok(fmt.Sprintf("%s %v %d", sum(r.body), r.TransferEncoding, r.ContentLength))
		})
		w.reach(b)
		c := w.client()
		for _, n := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64<<10 + 1, 1 << 20, 20 << 20} {
			body := text(n)
			c.stream(put("POST", "/", body))
			c.answer("POST").want(t, 200, fmt.Sprintf("%s [] %d", sum(body), n))
			c.stream("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body))
			a := c.answer("POST")
			if want := fmt.Sprintf("%s [chunked] -1", sum(body)); a.body != want && n > 0 {
				t.Errorf("chunked: got %s, want %s", a.body, want)
			}
			if n == 0 && !strings.HasPrefix(a.body, sum(body)) { // may go on with a length of zero
				t.Errorf("chunked: got %s, want %s", a.body, sum(body))
			}
		}
		if n := b.connections(); n != 1 {
			t.Errorf("%d connections to the backend, want 1", n)
		}
	})
}

func TestSuiteResponseBodies(t *testing.T) {
	sizes := []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64<<10 + 1, 1 << 20, 20 << 20}
	through(t, every, func(t *testing.T, w *world) {
		b := w.backend(func(c *conn) {
			for {
				r, err := c.request()
				if err != nil {
					return
				}
				var n int
				var how string
				if _, err := fmt.Sscanf(r.RequestURI, "/%d/%s", &n, &how); err != nil {
					t.Error(err)
				}
				body := text(n)
				switch how {
				case "length":
					_ = c.say("HTTP/1.1 200 OK\r\nContent-Length: " + itoa(n) + "\r\n\r\n" + body)
				case "chunked":
					_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body))
				case "close":
					_ = c.say("HTTP/1.1 200 OK\r\n\r\n" + body)
					return
				case "old":
					_ = c.say("HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + body)
					return
				}
			}
		})
		w.reach(b)
		c := w.client()
		for _, n := range sizes {
			for _, how := range []string{"length", "chunked", "close", "old"} {
				c.send(get(fmt.Sprintf("/%d/%s", n, how), ""))
				a := c.answer("GET")
				if got, want := sum(a.body), sum(text(n)); a.StatusCode != 200 || a.err != nil || got != want {
					t.Fatalf("%s: %d %s (%v), want %s", how, a.StatusCode, got, a.err, want)
				}
				if how == "length" && a.ContentLength != int64(n) {
					t.Errorf("Content-Length %d, want %d", a.ContentLength, n)
				}
				if a.Close {
					t.Errorf("%s: the client's connection is not kept", how)
				}
			}
		}
		if got, want := b.connections(), 2*len(sizes); got != want {
			t.Errorf("%d connections to the backend, want %d: one for each answer until close", got, want)
		}
	})
}

func TestSuiteBothBodiesAtOnce(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.backend(func(c *conn) {
			r, err := c.head()
			if err != nil {
				return
			}
			_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			buf := make([]byte, 5000)
			for {
				n, err := r.Body.Read(buf)
				if n > 0 {
					_ = c.say(hex(n) + "\r\n" + string(buf[:n]) + "\r\n")
				}
				if err != nil {
					break
				}
			}
			_ = c.say("0\r\n\r\n")
			c.wait()
		})
		w.reach(b)
		c := w.client()
		body := text(3 << 20)
		c.stream("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body))
		a := c.answer("POST")
		if a.StatusCode != 200 || a.err != nil || sum(a.body) != sum(body) {
			t.Errorf("got %d %s (%v), want %s", a.StatusCode, sum(a.body), a.err, sum(body))
		}
	})
}

// What the peer sends is passed on at once, not when a buffer is full or the body ends.
func TestSuiteStreams(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		next := make(chan string)
		b := w.backend(func(c *conn) {
			r, err := c.head()
			if err != nil {
				return
			}
			_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			buf := make([]byte, 1)
			for {
				n, err := io.ReadFull(r.Body, buf)
				if n == 0 || err != nil {
					break
				}
				next <- string(buf)
				_ = c.say("1\r\n" + string(buf) + "\r\n")
			}
			_ = c.say("0\r\n\r\n")
		})
		w.reach(b)
		c := w.client()
		c.send("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n")
		resp, err := http.ReadResponse(c.r, &http.Request{Method: "POST"})
		if err != nil {
			t.Fatal(err)
		}
		for _, letter := range []string{"a", "b", "c"} {
			c.send("1\r\n" + letter + "\r\n")
			if got := receive(t, w, "the body at the backend", next); got != letter {
				t.Errorf("backend got %q, want %q", got, letter)
			}
			buf := make([]byte, 1)
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != letter {
				t.Errorf("client got %q (%v), want %q", buf, err, letter)
			}
		}
		c.send("0\r\n\r\n")
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Errorf("at the end: %q, %v", rest, err)
		}
	})
}

func TestSuiteAnswersWithoutBody(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			switch r.URL.Path {
			case "/204":
				return "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"
			case "/304":
				return "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 1000\r\n\r\n"
			case "/head":
				return "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
			case "/head-chunked":
				return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			case "/head-unknown":
				return "HTTP/1.1 200 OK\r\n\r\n"
			case "/0":
				return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
			}
			return ok("alive")
		})
		w.reach(b)
		c := w.client()
		for _, q := range []struct {
			method, target string
			status         int
			length         int64
		}{
			{"GET", "/204", 204, 0}, {"HEAD", "/204", 204, 0}, {"GET", "/304", 304, 1000}, {"HEAD", "/head", 200, 1000},
			{"HEAD", "/head-chunked", 200, -1}, {"HEAD", "/head-unknown", 200, -1}, {"GET", "/0", 200, 0},
		} {
			c.send(q.method + " " + q.target + " HTTP/1.1\r\nHost: a.example\r\n\r\n")
			a := c.answer(q.method)
			a.want(t, q.status, "")
			// net/http drops the length of a 304.
			if q.length > 0 && (w.door.engine || q.status != 304) && a.Header.Get("Content-Length") != itoa(int(q.length)) {
				t.Errorf("%s %s: Content-Length %q, want %d", q.method, q.target, a.Header.Get("Content-Length"), q.length)
			}
			if q.status == 204 && (a.Header.Get("Content-Length") != "" || len(a.TransferEncoding) > 0) {
				t.Errorf("%s %s: a 204 has a length", q.method, q.target)
			}
			c.alive()
		}
		if n := b.connections(); n != 1 {
			t.Errorf("%d connections to the backend, want 1", n)
		}
	})
}

// A 204, or an answer to HEAD, with a body after all: the body must not be taken for the next answer.
func TestSuiteBodyWhereNoneBelongs(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		for _, q := range []struct{ name, method, raw string }{
			{"204 with length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 45\r\n\r\n" + ok("smuggled")},
			{"204 with chunks", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ok("smuggled")},
			{"204 and more", "GET", "HTTP/1.1 204 No Content\r\n\r\n" + ok("smuggled")},
			{"304 and more", "GET", "HTTP/1.1 304 Not Modified\r\n\r\n" + ok("smuggled")},
			{"HEAD and more", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n" + ok("smuggled")},
			{"length and more", "GET", ok("") + ok("smuggled")},
			{"chunks and more", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ok("smuggled")},
		} {
			w.again(func(w *world) {
				b := w.backend(func(c *conn) {
					if _, err := c.request(); err != nil {
						return
					}
					if c.n > 1 {
						_ = c.say(ok("good"))
					} else {
						_ = c.say(q.raw)
					}
					c.wait()
				})
				w.reach(b)
				c := w.client()
				c.send(q.method + " / HTTP/1.1\r\nHost: a.example\r\n\r\n")
				c.answer(q.method)
				c = w.client()
				c.send(get("/", ""))
				if a := c.answer("GET"); a.body != "good" {
					t.Errorf("%s: the next client got %d %q", q.name, a.StatusCode, a.body)
				}
			})
		}
	})
}

func TestSuitePipelined(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(r.Method + r.RequestURI + string(r.body)) })
		w.reach(b)
		c := w.client()
		var raw strings.Builder
		var want []string
		for i := range 30 {
			n := itoa(i)
			raw.WriteString(get("/"+n, "") + put("POST", "/"+n, "p"+n) + "\r\n" + "PUT /" + n + " HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("c"+n))
			want = append(want, "GET/"+n, "POST/"+n+"p"+n, "PUT/"+n+"c"+n)
		}
		c.stream(raw.String())
		for _, body := range want {
			c.answer("GET").want(t, 200, body)
		}
	})
}

// A request that comes byte by byte is the same request.
func TestSuiteSlowClient(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(string(r.body)) })
		w.reach(b)
		c := w.client()
		for _, raw := range []string{put("POST", "/", "hello"), "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hello")} {
			for i := range len(raw) {
				c.send(raw[i : i+1])
			}
			c.answer("POST").want(t, 200, "hello")
		}
	})
}

// An answer that comes byte by byte is the same answer.
func TestSuiteSlowBackend(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.backend(func(c *conn) {
			for {
				if _, err := c.request(); err != nil {
					return
				}
				raw := "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 500) + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hello")
				for i := range len(raw) {
					if c.say(raw[i:i+1]) != nil {
						return
					}
				}
			}
		})
		w.reach(b)
		c := w.client()
		for range 3 {
			c.send(get("/", ""))
			c.answer("GET").want(t, 200, "hello")
		}
	})
}

// A head of the largest size allowed passes, in both directions.
func TestSuiteLargeHeads(t *testing.T) {
	large := strings.Repeat("x", 20<<10)
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			return "HTTP/1.1 200 OK\r\nX-Large: " + r.Header.Get("X-Large") + "\r\nContent-Length: 2\r\n\r\nok"
		})
		w.reach(b)
		c := w.client()
		for range 2 {
			c.send(get("/", "X-Large: "+large+"\r\n"))
			a := c.answer("GET")
			a.want(t, 200, "ok")
			if a.Header.Get("X-Large") != large {
				t.Errorf("a field of %d bytes came back with %d", len(large), len(a.Header.Get("X-Large")))
			}
		}
	})
}

func TestSuiteInterim(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			return "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-hop\r\nX-Hop: a\r\n\r\n" + ok("final")
		})
		w.reach(b)
		c := w.client()
		c.send(get("/", ""))
		a := c.answer("GET")
		if a.StatusCode != 103 || a.Header.Get("Link") != "</a.css>" || a.Header.Get("X-Hop") != "" {
			t.Errorf("got %d %v, want the 103 first", a.StatusCode, a.Header)
		}
		c.answer("GET").want(t, 200, "final")

		old := w.client()
		old.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n")
		old.answer("GET").want(t, 200, "final") // RFC 9110 section 15.2: no 1xx to HTTP/1.0
		old.ended()
	})
}

func TestSuiteExpect(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(r.Header.Get("Expect") + string(r.body)) })
		w.reach(b)
		for _, coded := range []bool{false, true} {
			c := w.client()
			fields, body := "Content-Length: 5\r\n", "hello"
			if coded {
				fields, body = "Transfer-Encoding: chunked\r\n", chunked("hello")
			}
			c.send("POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\n" + fields + "\r\n")
			if a := c.answer("POST"); a.StatusCode != 100 {
				t.Fatalf("got %d, want 100", a.StatusCode)
			}
			c.send(body)
			c.answer("POST").want(t, 200, "hello")
			c.alive()
		}
		c := w.client()
		c.send("POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello") // does not wait
		c.final("POST").want(t, 200, "hello")
		c.alive()
	})
}

// A refusal without 100 (Continue) leaves the client free not to send its body: what it sends next must not be taken
// for that body, nor that body for a request (CVE-2024-24791).
func TestSuiteExpectRefused(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.start(proxy.WithPool(w.pool(b.addr)), proxy.WithMaxBody(10))
		c := w.client()
		c.send("POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
		c.answer("POST").wantStatus(t, 413)
		_ = c.say(get("/smuggled", ""))
		c.closeWriteQuietly()
		if a, err := c.tryAnswer("GET"); err == nil && a.StatusCode != 400 {
			t.Errorf("got %d after the refusal, want the connection closed", a.StatusCode)
		}
		if n := len(b.requests()); n != 0 {
			t.Errorf("the backend saw %d requests, want none", n)
		}
	})
}

// golang/go#40747: a peer answers and closes while a large body is still being sent. The answer must arrive whole.
func TestSuiteEarlyAnswer(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		page := text(40 << 10)
		b := w.backend(func(c *conn) {
			if _, err := c.head(); err != nil {
				return
			}
			// Closing with the rest of the body unread resets the connection.
			_ = c.say("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: " + itoa(len(page)) + "\r\n\r\n" + page)
		})
		w.reach(b)
		for range 20 {
			for _, raw := range []string{
				put("POST", "/", strings.Repeat("x", 5<<20)),
				"PUT / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(strings.Repeat("x", 5<<20)),
			} {
				c := w.client()
				c.stream(raw)
				a := c.answer("POST")
				if a.StatusCode != 403 || a.err != nil || sum(a.body) != sum(page) {
					t.Fatalf("got %d %s (%v), want %s", a.StatusCode, sum(a.body), a.err, sum(page))
				}
				c.Close()
			}
		}
	})
}

// A peer that answers early and goes on reading: the answer does not wait for the rest of the body.
func TestSuiteEarlyAnswerBodyGoesOn(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		body := text(1 << 20)
		b := w.backend(func(c *conn) {
			if _, err := c.head(); err == nil {
				_ = c.say(ok("early"))
				c.wait()
			}
		})
		w.reach(b)
		c := w.client()
		c.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n")
		c.stream(body)
		c.answer("POST").want(t, 200, "early")
		// Whether the rest is sent is the proxy's choice; the answer must not wait for it.
	})
}

// A client that shuts its sending side after its request may be taken for gone, as nginx does; if not, it gets the whole answer.
func TestSuiteHalfClosedClient(t *testing.T) {
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(string(r.body)) })
		w.reach(b)
		c := w.client()
		c.send(put("POST", "/", "hello"))
		c.closeWrite()
		if a, err := c.tryAnswer("POST"); err == nil {
			a.want(t, 200, "hello")
			c.ended()
		}
	})
}

func TestSuiteHTTP10(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			if r.URL.Path == "/chunked" {
				return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked("hello")
			}
			return ok(r.Proto + string(r.body))
		})
		w.reach(b)

		c := w.client()
		c.send("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n")
		c.answer("GET").want(t, 200, "HTTP/1.1") // we speak for ourselves to the peer
		c.ended()

		c = w.client()
		for range 2 {
			c.send("POST / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi")
			a := c.answer("POST")
			a.want(t, 200, "HTTP/1.1hi")
			if !strings.EqualFold(a.Header.Get("Connection"), "keep-alive") {
				t.Errorf("Connection: %q, want keep-alive", a.Header.Get("Connection"))
			}
		}

		// Chunks are not for HTTP/1.0: the end of the connection ends the body.
		c.send("GET /chunked HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n")
		a := c.answer("GET")
		a.want(t, 200, "hello")
		if len(a.TransferEncoding) > 0 || !a.Close && a.Header.Get("Content-Length") != "5" { // net/http may find the length
			t.Errorf("coding %v, close %v, want an answer until close", a.TransferEncoding, a.Close)
		}
		if a.Close {
			c.ended()
		}

		c = w.client()
		c.send("GET / HTTP/1.0\r\n\r\n")
		c.answer("GET").want(t, 200, "HTTP/1.1")
		c.ended()
	})
}

func TestSuiteKeepAlive(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			if r.URL.Path == "/bye" {
				return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"
			}
			return ok(fmt.Sprintf("%d.%d", r.conn, r.nth))
		})
		w.reach(b)
		c := w.client()
		for i := range 10 {
			c.send(get("/", ""))
			c.answer("GET").want(t, 200, "1."+itoa(i+1))
		}
		d := w.client() // another client goes over the same connection
		d.send(get("/", "Connection: close\r\n"))
		a := d.answer("GET")
		a.want(t, 200, "1.11")
		if !a.Close {
			t.Error("a close that was asked for is not announced")
		}
		d.ended()

		c.send(get("/bye", "")) // the peer's close is not the client's
		a = c.answer("GET")
		a.want(t, 200, "bye")
		if a.Close {
			t.Error("the peer's Connection: close was passed on")
		}
		c.send(get("/", ""))
		c.answer("GET").want(t, 200, "2.1")
		if s := w.proxy.Snapshot(); s.Dials != 2 || s.Reused != 11 {
			t.Errorf("%d dials and %d reused, want 2 and 11", s.Dials, s.Reused)
		}
	})
}

// A peer of HTTP/1.0 is asked again on the same connection only if it says keep-alive.
func TestSuiteOldBackend(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			body := fmt.Sprintf("%d.%d", r.conn, r.nth)
			head := "HTTP/1.0 200 OK\r\nContent-Length: " + itoa(len(body)) + "\r\n"
			if r.URL.Path == "/keep" {
				head += "Connection: Keep-Alive\r\n"
			}
			return head + "\r\n" + body
		})
		w.reach(b)
		c := w.client()
		for _, q := range []struct{ target, want string }{{"/keep", "1.1"}, {"/keep", "1.2"}, {"/", "1.3"}, {"/", "2.1"}, {"/keep", "3.1"}, {"/keep", "3.2"}} {
			c.send(get(q.target, ""))
			a := c.answer("GET")
			a.want(t, 200, q.want)
			if a.ProtoMinor != 1 {
				t.Errorf("the client got HTTP/1.%d, want our own version", a.ProtoMinor)
			}
		}
	})
}

// The engine serves what any listener accepts: TLS here, which the peer is told.
func TestSuiteTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	conf := &tls.Config{Certificates: s.TLS.Certificates}
	s.Close()
	through(t, engines, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(r.Header.Get("X-Forwarded-Proto") + sum(r.body)) })
		w.reach(b)
		ln := tls.NewListener(w.listen(), conf)
		w.wg.Go(func() { _ = w.server.Serve(ln) })
		nc, err := w.dialContext(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		w.later(tc)
		c := &conn{Conn: tc, r: bufio.NewReader(tc), w: w}
		for range 2 {
			body := text(100 << 10)
			c.stream(put("POST", "/", body))
			c.answer("POST").want(t, 200, "https"+sum(body))
		}
	})
}

func TestSuiteUpstreamKeepAliveLimits(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(fmt.Sprintf("%d.%d", r.conn, r.nth)) })
		w.reach(b, proxy.WithUpstreamKeepAlive(8, 60e9, 3))
		c := w.client()
		for _, want := range []string{"1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "3.1"} {
			c.send(get("/", ""))
			c.answer("GET").want(t, 200, want)
		}
	})
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(fmt.Sprintf("%d.%d", r.conn, r.nth)) })
		w.reach(b, proxy.WithUpstreamKeepAlive(0, 60e9, 1000))
		c := w.client()
		for _, want := range []string{"1.1", "2.1", "3.1"} {
			c.send(get("/", ""))
			c.answer("GET").want(t, 200, want)
		}
	})
}

// Many clients at once: every one gets its own answers.
func TestSuiteConcurrent(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			if strings.HasPrefix(r.RequestURI, "/chunked") {
				return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(r.RequestURI+string(r.body))
			}
			return ok(r.RequestURI + string(r.body))
		})
		w.reach(b)
		done := make(chan error, 16)
		for i := range cap(done) {
			c := w.client()
			w.wg.Go(func() {
				for k := range 50 {
					target := fmt.Sprintf("/%d/%d", i, k)
					if k%3 == 0 {
						target = "/chunked" + target
					}
					raw, want := get(target, ""), target
					if k%2 == 0 {
						body := strings.Repeat(target, 1+k*40)
						raw, want = put("POST", target, body), target+body
					}
					if err := c.say(raw); err != nil {
						done <- err
						return
					}
					a, err := c.tryAnswer("POST")
					if err != nil || a.err != nil || a.body != want {
						done <- fmt.Errorf("%s: %.60q, %v, %v", target, a.body, err, a.err)
						return
					}
				}
				done <- nil
			})
		}
		for range cap(done) {
			if err := receive(t, w, "a client", done); err != nil {
				t.Error(err)
			}
		}
	})
}
