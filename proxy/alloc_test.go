package proxy_test

import (
	"bytes"
	"context"
	"net"
	"runtime/debug"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/race"
	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

const (
	plainGet = "GET /index.html?q=1 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: wrk\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n"
	plainOK  = "HTTP/1.1 200 OK\r\nServer: test\r\nDate: Thu, 20 Nov 2025 12:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 130\r\nConnection: keep-alive\r\n\r\n"
)

// lines serves every connection to ln with the same answer to every head, without allocating.
func serveLines(tb testing.TB, answer []byte) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, n := make([]byte, 4096), 0
				for {
					m, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					if n += m; !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						continue
					}
					n = 0
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln
}

// plainEngine serves a proxy in front of a backend with small answers. It returns a function that makes one request
// on a kept connection without allocating.
func plainEngine(tb testing.TB, opts ...proxy.Option) (request func()) {
	answer := append([]byte(plainOK), bytes.Repeat([]byte("x"), 130)...)
	backend := serveLines(tb, answer)
	pool, err := upstream.New(upstream.WithServer(backend.Addr().String()))
	if err != nil {
		tb.Fatal(err)
	}
	opts = append([]proxy.Option{proxy.WithPool(pool), proxy.WithUpstreamKeepAlive(64, 1<<40, 1<<30), proxy.WithKeepAlive(1<<40, 1<<30)}, opts...)
	p, err := proxy.New(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := p.Server(proxy.WithLinger(0))
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		conn.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
		if err := <-served; err != nil {
			tb.Error(err)
		}
		p.Close()
	})
	ask, buf := []byte(plainGet), make([]byte, 4096)
	return func() {
		if _, err := conn.Write(ask); err != nil {
			tb.Fatal(err)
		}
		for n := 0; n < len(answer)-len("Connection: keep-alive\r\n"); {
			m, err := conn.Read(buf[n:])
			if err != nil {
				tb.Fatal(err)
			}
			n += m
		}
	}
}

// A plain GET on kept connections allocates nothing.
func TestEngineAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	request := plainEngine(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pool of exchanges
	got := testing.AllocsPerRun(10, func() {
		for range 1000 {
			request()
		}
	})
	if got != 0 {
		t.Errorf("1000 requests made %v allocations, want none", got)
	}
}

func BenchmarkEngine(b *testing.B) {
	request := plainEngine(b)
	b.ReportAllocs()
	for b.Loop() {
		request()
	}
}
