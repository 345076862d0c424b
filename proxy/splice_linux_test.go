package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/upstream"
)

// Large bodies between two sockets go through a pipe, whole, in both directions; and the pipe is kept for the next.
func TestSplice(t *testing.T) {
	body := make([]byte, 5<<20+123)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(body)
	sum := sha256.Sum256(body)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			got, err := io.ReadAll(r.Body)
			if err != nil || sha256.Sum256(got) != sum {
				w.WriteHeader(http.StatusBadRequest)
			}
			return
		}
		w.Header().Set("Content-Length", "5243003")
		_, _ = w.Write(body)
	}))
	defer backend.Close()
	pool, err := upstream.New(upstream.WithServer(strings.TrimPrefix(backend.URL, "http://")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(WithPool(pool), WithMaxBody(0))
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
	tr := &http.Transport{}
	c := &http.Client{Transport: tr}
	for range 3 {
		resp, err := c.Get("http://" + ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || sha256.Sum256(got) != sum {
			t.Fatalf("got %d bytes of %d: %v", len(got), len(body), err)
		}
		put, err := http.NewRequest("PUT", "http://"+ln.Addr().String(), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err = c.Do(put); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("the backend got another body: %d", resp.StatusCode)
		}
	}
	tr.CloseIdleConnections()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	<-served
	if n := len(p.pipes.idle); n != 1 {
		t.Errorf("%d idle pipes, want the one that was used", n)
	}
	if got := p.Snapshot(); got.BytesIn != 3*int64(len(body)) || got.BytesOut != 3*int64(len(body)) {
		t.Errorf("counted %d in, %d out", got.BytesIn, got.BytesOut)
	}
	p.Close()
	if n := len(p.pipes.idle); n != 0 {
		t.Errorf("%d idle pipes after Close", n)
	}
}

// A pipe that something was left in is not used again.
func TestPipesKeepOnlyEmptyOnes(t *testing.T) {
	var s pipes
	p := s.get()
	if p == nil {
		t.Skip("no pipes to be had")
	}
	p.n = 1
	s.put(p)
	if len(s.idle) != 0 {
		t.Error("a pipe with something in it was kept")
	}
	p, q := s.get(), s.get()
	s.put(p)
	s.close()
	s.put(q)
	if len(s.idle) != 0 {
		t.Error("pipes are kept after close")
	}
}
