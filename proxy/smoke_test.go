package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

// bothDoors serves p both ways, and runs f with the base URL of each.
func bothDoors(t *testing.T, opts []proxy.Option, f func(t *testing.T, url string)) {
	t.Run("engine", func(t *testing.T) {
		p, err := proxy.New(opts...)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := p.Server(proxy.WithLinger(0))
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		f(t, "http://"+ln.Addr().String())
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Run("handler", func(t *testing.T) {
		p, err := proxy.New(opts...)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		s := httptest.NewServer(p)
		defer s.Close()
		f(t, s.URL)
	})
}

// client returns an HTTP client of its own connections.
func client(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestSmoke(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/echo":
			b, _ := io.ReadAll(r.Body) // net/http drops what is not read before the answer
			_, _ = w.Write(b)
		case r.URL.Path == "/stream":
			for i := range 3 {
				fmt.Fprintf(w, "part %d\n", i)
				w.(http.Flusher).Flush()
			}
		default:
			fmt.Fprintf(w, "%s %s xff=%s host=%s", r.Method, r.URL, r.Header.Get("X-Forwarded-For"), r.Host)
		}
	}))
	defer backend.Close()
	addr := strings.TrimPrefix(backend.URL, "http://")
	pool, err := upstream.New(upstream.WithServer(addr))
	if err != nil {
		t.Fatal(err)
	}
	local := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "local %d", len(b))
	})
	opts := []proxy.Option{proxy.WithPool(pool), proxy.WithHandler("/local", local), proxy.WithMaxBody(8 << 20)}
	bothDoors(t, opts, func(t *testing.T, url string) {
		c := client(t)
		defer c.CloseIdleConnections()
		for range 3 {
			want := "GET /a%20b?x=1 xff=127.0.0.1 host=" + strings.TrimPrefix(url, "http://")
			if got := fetch(t, c, "GET", url+"/a%20b?x=1", nil); got != want {
				t.Errorf("GET = %q, want %q", got, want)
			}
			if got, want := fetch(t, c, "GET", url+"/stream", nil), "part 0\npart 1\npart 2\n"; got != want {
				t.Errorf("stream = %q, want %q", got, want)
			}
			for _, n := range []int{1, 100, 40_000, 5 << 20} {
				body := bytes.Repeat([]byte("x"), n)
				if got := fetch(t, c, "POST", url+"/echo", bytes.NewReader(body)); got != string(body) {
					t.Errorf("echo of %d bytes gave %d", n, len(got))
				}
				if got := fetch(t, c, "POST", url+"/echo", io.MultiReader(bytes.NewReader(body))); got != string(body) {
					t.Errorf("chunked echo of %d bytes gave %d", n, len(got))
				}
				if got, want := fetch(t, c, "PUT", url+"/local", bytes.NewReader(body)), fmt.Sprintf("local %d", n); got != want {
					t.Errorf("local = %q, want %q", got, want)
				}
			}
		}
	})
}

func fetch(t *testing.T, c *http.Client, method, url string, body io.Reader) string {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Errorf("%s %s = %d %s", method, url, resp.StatusCode, b)
	}
	return string(b)
}
