package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// handlers are targets whose answers the engine must give as net/http gives them.
var handlers = map[string]http.HandlerFunc{
	"nothing":    func(http.ResponseWriter, *http.Request) {},
	"short":      hello,
	"sniffed":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
	"typed":      func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "a/b"); hello(w, nil) },
	"status":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) },
	"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
	"no content but a body": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"not modified": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", `"x"`); w.WriteHeader(304) },
	"declared": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		hello(w, nil)
	},
	"too much": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		hello(w, nil)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	},
	"large": func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			_, _ = w.Write(bytes.Repeat([]byte("0123456789abcdef"), 100))
		}
	},
	"large piece": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) },
	"flushed": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one,")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "two")
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
	},
	"flushed first":   func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); hello(w, nil) },
	"two values":      func(w http.ResponseWriter, _ *http.Request) { w.Header()["X"] = []string{"1", "2"} },
	"status twice":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) },
	"header too late": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.Header().Set("X", "late") },
	"close":           func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close"); hello(w, nil) },
	"own date":        func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "today") },
	"reads":           func(w http.ResponseWriter, r *http.Request) { b, err := io.ReadAll(r.Body); fmt.Fprint(w, len(b), err) },
	"reads not":       hello,
	"the request": func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Header, r.ContentLength, r.TransferEncoding, r.Host, r.RequestURI, r.Form, r.Close)
	},
}

// Handlers answer through the engine as they do through net/http, but for what is said about the connection.
func TestHandlersLikeNetHTTP(t *testing.T) {
	requests := []string{
		"GET /a%20b?c=d HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nx-a: 2\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000),
	}
	for name, h := range handlers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, WithHandler("/", h))
				defer s.stop()
				ln, err := s.mem.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				theirs := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
				done := make(chan struct{})
				go func() { defer close(done); _ = theirs.Serve(ln) }()
				defer func() { theirs.Close(); <-done }()
				for _, raw := range requests {
					us := s.dial()
					got := describe(t, us, raw)
					us.Close()
					them, err := s.mem.DialContext(t.Context(), "tcp", ln.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					want := describe(t, them, raw)
					them.Close()
					if got != want {
						t.Errorf("%.20q: got\n%s\nwant\n%s", raw, got, want)
					}
				}
			})
		})
	}
}

// describe writes down what an answer says.
func describe(t *testing.T, c net.Conn, raw string) string {
	t.Helper()
	resp, body := say(t, c, raw)
	if resp.Header.Get("Date") == "" {
		t.Error("no Date")
	}
	if resp.Header.Get("Date") != "today" {
		resp.Header.Del("Date")
	}
	resp.Header.Del("Connection")
	if len(body) > 100 {
		body = fmt.Sprint(len(body))
	}
	return fmt.Sprint(resp.StatusCode, resp.Header, resp.ContentLength, resp.TransferEncoding, body)
}

func TestHandlerPanics(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		status  int // 0: cut
		logged  bool
	}{
		{"before the answer", func(http.ResponseWriter, *http.Request) { panic("on purpose") }, 500, true},
		{"with a held answer", func(w http.ResponseWriter, _ *http.Request) { hello(w, nil); panic("on purpose") }, 500, true},
		{"after the head", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); panic("on purpose") }, 0, true},
		{"abort", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, 0, false},
		{"fewer bytes than declared", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			hello(w, nil)
		}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				s := newStand(t, WithHandler("/", c.handler), WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
				defer s.stop()
				conn := s.dial()
				defer conn.Close()
				if c.status != 0 {
					if resp, _ := say(t, conn, getRoot); resp.StatusCode != c.status {
						t.Errorf("status %d, want %d", resp.StatusCode, c.status)
					}
				} else {
					_, _ = io.WriteString(conn, getRoot)
					if b, err := io.ReadAll(conn); err == nil {
						t.Errorf("the answer ends well: %q", b)
					}
				}
				if got := strings.Contains(logged.String(), "panic in a handler"); got != c.logged {
					t.Errorf("logged %q", logged.String())
				}
			})
		})
	}
}

// A handler's context ends when its client leaves.
func TestHandlerContext(t *testing.T) {
	ended := make(chan bool, 1)
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			ended <- true
		case <-time.After(20 * time.Second):
			ended <- false
		}
	})
	p, err := New(WithHandler("/", h))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := p.Server(WithLinger(0))
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, getRoot); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if !<-ended {
		t.Error("the context has not ended with the connection")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-served
}

// What a handler must not say about framing is not sent, and no value can begin a line of its own.
func TestHandlerFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, WithResponseHeader("X-Policy", "on"), WithHandler("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h["Transfer-Encoding"] = []string{"gzip"}
			h["Upgrade"] = []string{"h2c"}
			h["X-Split"] = []string{"a\r\nX-Injected: 1"}
			h["Bad Name"] = []string{"x"}
			h.Set("X-Good", " spaced ")
			hello(w, r)
		})))
		defer s.stop()
		c := s.dial()
		defer c.Close()
		resp, body := say(t, c, getRoot)
		want := http.Header{"X-Good": {"spaced"}, "X-Policy": {"on"}, "Content-Length": {"5"}, "Content-Type": {"text/plain; charset=utf-8"}}
		resp.Header.Del("Date")
		if fmt.Sprint(resp.Header) != fmt.Sprint(want) || body != "hello" {
			t.Errorf("got %v %q, want %v", resp.Header, body, want)
		}
	})
}

func TestHandlerInterim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, WithHandler("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			hello(w, r)
		})))
		defer s.stop()
		for raw, want := range map[string]string{
			getRoot:                  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n",
			"GET / HTTP/1.0\r\n\r\n": "HTTP/1.1 200 OK\r\n",
		} {
			c := s.dial()
			_, _ = io.WriteString(c, raw)
			time.Sleep(time.Second)
			buf := make([]byte, 1000)
			n, _ := c.Read(buf)
			if !strings.HasPrefix(string(buf[:n]), want) {
				t.Errorf("got %q, want %q", buf[:n], want)
			}
			c.Close()
		}
	})
}

// The handler door runs handlers behind the same limits and with the same end for a panic.
func TestHandlerDoorTargets(t *testing.T) {
	var logged bytes.Buffer
	p, err := New(WithMaxBody(10), WithResponseHeader("X-Policy", "on"), WithLogger(slog.New(slog.NewTextHandler(&logged, nil))),
		WithHandler("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprint(w, len(b), err)
		})),
		WithHandler("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("on purpose") })))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/", "hello", 200, "5 <nil>"},
		{"/", "more than ten bytes", 413, "413 Content Too Large\n"},
		{"/panic", "", 500, "500 Internal Server Error\n"},
	} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("POST", c.path, strings.NewReader(c.body)))
		if w.Code != c.status || w.Body.String() != c.want || w.Header().Get("X-Policy") != "on" {
			t.Errorf("%s %q = %d %q %v, want %d %q", c.path, c.body, w.Code, w.Body.String(), w.Header(), c.status, c.want)
		}
	}
	if n := p.Snapshot().Panics; n != 1 || !strings.Contains(logged.String(), "on purpose") {
		t.Errorf("%d panics, logged %q", n, logged.String())
	}
}
