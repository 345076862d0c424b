package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
	"github.com/mainstay-ha/mainstay/internal/race"
)

// stand is an engine in memory.
type stand struct {
	t      *testing.T
	proxy  *Proxy
	server *Server
	mem    *memnet.Streams
	addr   string
	served chan error
}

func newStand(t *testing.T, opts ...Option) *stand {
	t.Helper()
	s := &stand{t: t, mem: memnet.NewStreams(), served: make(chan error, 1)}
	var err error
	if s.proxy, err = New(append([]Option{WithDialer(s.mem.DialContext)}, opts...)...); err != nil {
		t.Fatal(err)
	}
	ln, err := s.mem.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.server = s.proxy.Server()
	go func() { s.served <- s.server.Serve(ln) }()
	synctest.Wait()
	return s
}

func (s *stand) stop() {
	s.t.Helper()
	if err := s.server.Shutdown(context.Background()); err != nil {
		s.t.Error(err)
	}
	if err := <-s.served; err != nil {
		s.t.Error(err)
	}
	if err := s.proxy.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *stand) dial() net.Conn {
	s.t.Helper()
	c, err := s.mem.DialContext(context.Background(), "tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// say sends raw and reads one answer.
func say(t *testing.T, c net.Conn, raw string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 1<<20), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

const getRoot = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// An idle client holds no exchange and waits in a goroutine that has not served, whose stack is small.
func TestIdleClientHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		s := newStand(t, WithHandler("/", http.HandlerFunc(hello)))
		defer s.stop()
		before := stacks()
		var conns []net.Conn
		for range n {
			c := s.dial()
			defer c.Close()
			say(t, c, getRoot)
			conns = append(conns, c)
		}
		time.Sleep(2 * parkAfter)
		synctest.Wait()
		s.server.mu.Lock()
		clients := 0
		for c := s.server.clients; c != nil; c = c.next {
			clients++
			if c.ex != nil || c.grown {
				t.Errorf("an idle client holds an exchange: %v; its goroutine has served: %v", c.ex != nil, c.grown)
			}
		}
		s.server.mu.Unlock()
		if clients != n {
			t.Errorf("%d clients, want %d", clients, n)
		}
		if got := (stacks() - before) / n; !race.Enabled && got > 3<<10 {
			t.Errorf("%d bytes of stack for an idle client, want what a goroutine is born with", got)
		}
		for _, c := range conns { // and it serves again
			if _, body := say(t, c, getRoot); body != "hello" {
				t.Fatalf("got %q", body)
			}
		}
	})
}

func stacks() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.StackInuse)
}

// failing is a listener whose Accept fails as told.
type failing struct {
	net.Listener
	mu     sync.Mutex // guards errs, closed
	errs   []error
	closed bool
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		f.mu.Unlock()
		return nil, err
	}
	f.mu.Unlock()
	return f.Listener.Accept()
}

func (f *failing) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	return f.Listener.Close()
}

// Running out of descriptors is waited out and logged once; another error of the listener ends Serve.
func TestServeAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		p, err := New(WithHandler("/", http.HandlerFunc(hello)), WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
		if err != nil {
			t.Fatal(err)
		}
		mem := memnet.NewStreams()
		inner, err := mem.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		full := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		ln := &failing{Listener: inner, errs: []error{full, full, full, syscall.ECONNABORTED}}
		s := p.Server()
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		c, err := mem.DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t0 := time.Now()
		if _, body := say(t, c, getRoot); body != "hello" {
			t.Errorf("got %q", body)
		}
		if waited := time.Since(t0); waited != 75*time.Millisecond { // 5 + 10 + 20 + 40
			t.Errorf("waited for %v", waited)
		}
		c.Close()
		if n := strings.Count(logged.String(), "cannot accept"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, logged.String())
		}
		ln.mu.Lock()
		ln.errs = []error{syscall.EINVAL}
		ln.mu.Unlock()
		c, err = mem.DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := <-served; !errors.Is(err, syscall.EINVAL) || !strings.HasPrefix(err.Error(), "proxy: accept: ") {
			t.Errorf("Serve = %v", err)
		}
		if !ln.closed {
			t.Error("Serve has not closed the listener")
		}
		_ = s.Close()
		if err := s.Serve(ln); err != nil {
			t.Errorf("Serve after Close = %v", err)
		}
	})
}

// Shutdown closes its own descriptor of a listening socket and does nothing to the socket: another descriptor goes on
// accepting, also what arrived in between.
func TestShutdownLeavesTheSocket(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := first.(*net.TCPListener).File()
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	p, err := New(WithHandler("/", http.HandlerFunc(hello)))
	if err != nil {
		t.Fatal(err)
	}
	addr := first.Addr().String()
	for term := range 3 {
		ln := first
		if term > 0 {
			if ln, err = net.FileListener(f); err != nil {
				t.Fatal(err)
			}
		}
		waiting, err := net.Dial("tcp", addr) // before anybody accepts in this term
		if err != nil {
			t.Fatalf("term %d: %v", term, err)
		}
		s := p.Server(WithLinger(0))
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		if _, body := say(t, waiting, getRoot); body != "hello" {
			t.Errorf("term %d: got %q", term, body)
		}
		waiting.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("term %d: Shutdown = %v", term, err)
		}
		if err := <-served; err != nil {
			t.Errorf("term %d: Serve = %v", term, err)
		}
	}
	f.Close()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("somebody still listens")
	}
}

// A panic in a gate ends its connection and nothing else.
func TestGatePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		left := 0
		s := newStand(t, WithHandler("/", http.HandlerFunc(hello)), WithLogger(slog.New(slog.NewTextHandler(&logged, nil))),
			WithGate(Gate{Enter: func(*Request) Verdict { return Verdict{} }, Leave: func(uint64) { left++ }}),
			WithGate(Gate{Enter: func(r *Request) Verdict {
				if r.Path() == "/panic" {
					panic("on purpose")
				}
				return Verdict{}
			}}))
		defer s.stop()
		c := s.dial()
		fmt.Fprint(c, "GET /panic HTTP/1.1\r\nHost: a.example\r\n\r\n")
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d bytes, want a reset", n)
		}
		c.Close()
		c = s.dial()
		defer c.Close()
		if _, body := say(t, c, getRoot); body != "hello" {
			t.Errorf("got %q", body)
		}
		synctest.Wait()
		if left != 2 || s.proxy.Snapshot().Panics != 1 || !strings.Contains(logged.String(), "on purpose") {
			t.Errorf("left the gate %d times, %d panics, logged %q", left, s.proxy.Snapshot().Panics, logged.String())
		}
	})
}
