package proxy_test

import (
	"net"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy"
)

func TestSuiteRequestHeader(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.reach(b)
		for _, q := range []struct{ name, fields, want string }{
			{"nothing is added but the client's address", "", ""},
			{"end-to-end fields", "Accept: a\r\nAuthorization: a\r\nCookie: a\r\nX-Custom: a\r\nCache-Control: a\r\nIf-None-Match: a\r\n",
				"Accept Authorization Cache-Control Cookie If-None-Match X-Custom"},
			{"hop-by-hop fields", "Keep-Alive: a\r\nProxy-Connection: a\r\nTE: trailers\r\nTrailer: X\r\nProxy-Authorization: a\r\nProxy-Authenticate: a\r\nX-Custom: a\r\n",
				"X-Custom"},
			{"fields named in Connection", "Connection: keep-alive, X-One, x-two\r\nX-One: a\r\nX-Two: a\r\nX-Three: a\r\n", "X-Three"},
			{"fields that must not be named", "Connection: Authorization, Cookie, X-Forwarded-For, Cache-Control, Host, X-Real-IP\r\nAuthorization: a\r\nCookie: a\r\nCache-Control: a\r\n",
				"Authorization Cache-Control Cookie"},
			{"upgrade", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", "Sec-Websocket-Version"},
			{"h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", ""},
			{"claims about the client", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 203.0.113.10\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Server: a\r\nX-Forwarded-Prefix: /a\r\nX-Real-IP: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n", ""},
			{"claims with underscores", "X_Forwarded_For: 203.0.113.9\r\nX_Real_IP: 203.0.113.9\r\n", ""},
			{"expect without body", "Expect: 100-continue\r\n", ""},
		} {
			c := w.client()
			c.send(get("/", q.fields))
			c.final("GET").wantStatus(t, 200)
			r := b.last(t)
			h := r.Header.Clone()
			ip, _, _ := net.SplitHostPort(c.LocalAddr().String())
			for name, want := range map[string]string{"X-Forwarded-For": ip, "X-Real-Ip": ip, "X-Forwarded-Proto": "http", "X-Forwarded-Host": "a.example"} {
				if got := strings.Join(h.Values(name), "|"); got != want {
					t.Errorf("%s: %s is %q, want %q", q.name, name, got, want)
				}
				h.Del(name)
			}
			if got := names(h); got != q.want {
				t.Errorf("%s: the backend got %q, want %q", q.name, got, q.want)
			}
			if r.Host != "a.example" {
				t.Errorf("%s: Host %q", q.name, r.Host)
			}
			if r.Close {
				t.Errorf("%s: the client's Connection was passed on", q.name)
			}
			c.Close()
		}
	})
}

func TestSuiteRequestValues(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.reach(b)
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: A.Example:8080\r\nx-lower: a\r\nX-Spaces:   a b  \r\nX-Empty:\r\nX-Tab: a\tb\r\nX-Latin: caf\xe9\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n")
		c.answer("GET").wantStatus(t, 200)
		r := b.last(t)
		for name, want := range map[string]string{"X-Lower": "a", "X-Spaces": "a b", "X-Empty": "", "X-Tab": "a\tb", "X-Latin": "caf\xe9", "X-Twice": "1|2"} {
			if got := strings.Join(r.Header.Values(name), "|"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if _, ok := r.Header["X-Empty"]; !ok {
			t.Error("the empty field was dropped")
		}
		if r.Host != "A.Example:8080" {
			t.Errorf("Host %q, want it as it was sent", r.Host)
		}
	})
}

func TestSuiteAbsoluteForm(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok(r.Host + r.RequestURI) })
		w.reach(b)
		c := w.client()
		c.send("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n")
		c.answer("GET").want(t, 200, "a.example/x?y")
		c.send("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n")
		c.answer("OPTIONS").wantStatus(t, 200) // net/http answers it itself
		c.send("GET http://a.example/old HTTP/1.0\r\n\r\n")
		c.answer("GET").want(t, 200, "a.example/old")
	})
}

func TestSuiteResponseHeader(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string {
			return "HTTP/1.1 200 Fine By Me\r\nConnection: keep-alive, X-One, Set-Cookie\r\nX-One: a\r\nX-Two: a\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n" +
				"Keep-Alive: timeout=5\r\nProxy-Authenticate: a\r\nProxy-Connection: a\r\nTrailer: X\r\nUpgrade: h2c\r\nContent-Type: text/x\r\n" +
				"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Latin: caf\xe9\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok"
		})
		w.reach(b, proxy.WithResponseHeader("X-Served-By", "mainstay"), proxy.WithResponseHeader("Strict-Transport-Security", "max-age=1"))
		c := w.client()
		c.send(get("/", ""))
		a := c.answer("GET")
		a.want(t, 200, "ok")
		h := a.Header
		for name, want := range map[string]string{
			"Set-Cookie": "a=b|c=d", "X-Two": "a", "Content-Type": "text/x", "X-Latin": "caf\xe9", "X-Empty": "", "X-Served-By": "mainstay",
			"Strict-Transport-Security": "max-age=1", "Content-Length": "2",
			"X-One": "", "Keep-Alive": "", "Proxy-Authenticate": "", "Proxy-Connection": "", "Trailer": "", "Upgrade": "", "Connection": "", "Transfer-Encoding": "",
		} {
			if got := strings.Join(h.Values(name), "|"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if n := len(h.Values("Date")); n != 1 {
			t.Errorf("%d Date fields, want 1", n)
		}
		c.alive()
	})
}

// An answer the peer gives no Date gets one (RFC 9110 section 6.6.1), and no Content-Type is made up.
func TestSuiteResponseDefaults(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("<html>") })
		w.reach(b)
		c := w.client()
		c.send(get("/", ""))
		a := c.answer("GET")
		a.want(t, 200, "<html>")
		if n := len(a.Header.Values("Date")); n != 1 {
			t.Errorf("%d Date fields, want 1", n)
		}
		if got := a.Header.Get("Content-Type"); got != "" {
			t.Errorf("Content-Type %q was made up", got)
		}
	})
}

// Own answers are whole messages too.
func TestSuiteOwnAnswers(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		w.start(proxy.WithPool(w.pool(w.nobody())), proxy.WithResponseHeader("X-Served-By", "mainstay"))
		c := w.client()
		for _, m := range []string{"GET", "HEAD", "POST"} {
			c.send(m + " / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n")
			a := c.answer(m)
			a.wantStatus(t, 502)
			if a.Header.Get("X-Served-By") != "mainstay" || a.Header.Get("Date") == "" || a.Header.Get("Content-Length") == "" {
				t.Errorf("%s: header %v", m, a.Header)
			}
			if m == "HEAD" && a.body != "" {
				t.Error("HEAD has a body")
			}
		}
	})
}

func TestSuiteRoutes(t *testing.T) {
	through(t, every, func(t *testing.T, w *world) {
		at := func(name string) *backend {
			return w.answering(func(r request) string { return ok(name + r.RequestURI) })
		}
		w.start(proxy.WithPool(w.pool(at("root").addr)), proxy.WithRoute("/api/", w.pool(at("api").addr)), proxy.WithRoute("= /api/x", w.pool(at("exact").addr)))
		c := w.client()
		for target, want := range map[string]string{"/": "root/", "/api": "root/api", "/api/": "api/api/", "/api/y?z": "api/api/y?z", "/api/x": "exact/api/x", "/api/x?y": "exact/api/x?y", "/api/x/": "api/api/x/"} {
			c.send(get(target, ""))
			c.answer("GET").want(t, 200, want)
		}
	})
	through(t, every, func(t *testing.T, w *world) {
		b := w.answering(func(r request) string { return ok("") })
		w.start(proxy.WithRoute("/api/", w.pool(b.addr)))
		c := w.client()
		c.send(get("/", ""))
		c.answer("GET").wantStatus(t, 404)
		c.send(get("/api/", ""))
		c.answer("GET").wantStatus(t, 200)
	})
}
