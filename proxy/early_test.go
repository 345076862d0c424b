package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
	"github.com/mainstay-ha/mainstay/upstream"
)

// peerOf serves connections to a peer in memory with f, and returns a pool of it.
func peerOf(t *testing.T, mem *memnet.Streams, f func(net.Conn)) (pool *upstream.Pool, stop func()) {
	t.Helper()
	ln, err := mem.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when stop closes the listener
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	if pool, err = upstream.New(upstream.WithServer(ln.Addr().String())); err != nil {
		t.Fatal(err)
	}
	return pool, func() { ln.Close(); <-done }
}

// A peer that answers before it has the body is heard at once, also when the client has stopped sending to wait for
// the answer.
func TestEarlyAnswerToWaitingClient(t *testing.T) {
	for _, framing := range []string{"Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n"} {
		for _, door := range []string{"engine", "handler"} {
			t.Run(door, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStand(t, WithHandler("/", http.HandlerFunc(hello)), WithMaxBody(0))
					defer s.stop()
					pool, stop := peerOf(t, s.mem, func(c net.Conn) {
						if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
							fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
						}
					})
					defer stop()
					if err := s.proxy.Update(WithPool(pool)); err != nil {
						t.Fatal(err)
					}
					conn := s.dial()
					if door == "handler" {
						conn.Close()
						ln, err := s.mem.Listen("127.0.0.1:0")
						if err != nil {
							t.Fatal(err)
						}
						server := &http.Server{Handler: s.proxy}
						served := make(chan struct{})
						go func() { defer close(served); _ = server.Serve(ln) }()
						defer func() {
							server.Close()
							<-served
							time.Sleep(time.Minute) // net/http waits a moment before it closes
						}()
						if conn, err = s.mem.DialContext(t.Context(), "tcp", ln.Addr().String()); err != nil {
							t.Fatal(err)
						}
					}
					defer conn.Close()
					resp, body := say(t, conn, "POST / HTTP/1.1\r\nHost: a.example\r\n"+framing+"hel")
					if resp.StatusCode != 403 || body != "no" || !resp.Close {
						t.Errorf("got %d %q, close announced: %v", resp.StatusCode, body, resp.Close)
					}
				})
			})
		}
	}
}

// To an HTTP/1.0 client the end of the connection is the end of the body. An answer that was cut must not end so.
func TestCutIsSeenByOldClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, WithHandler("/", http.HandlerFunc(hello)))
		defer s.stop()
		pool, stop := peerOf(t, s.mem, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			}
		})
		defer stop()
		if err := s.proxy.Update(WithPool(pool)); err != nil {
			t.Fatal(err)
		}
		c := s.dial()
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
		if b, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %q, then %v, want a reset", b, err)
		}
	})
}
