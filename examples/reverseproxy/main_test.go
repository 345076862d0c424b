package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestFlagsRefused(t *testing.T) {
	for _, c := range []struct{ name, args, want string }{
		{"no server", "", "no -upstream"},
		{"unknown flag", "-nope", "-nope"},
		{"stray argument", "-upstream 127.0.0.1:1 extra", `"extra"`},
		{"unknown parameter", "-upstream 127.0.0.1:1,wait=3", `"wait=3"`},
		{"weight is no number", "-upstream 127.0.0.1:1,weight=x", `weight="x"`},
		{"weight out of range", "-upstream 127.0.0.1:1,weight=0", "weight"},
		{"max_fails is no number", "-upstream 127.0.0.1:1,max_fails=", `max_fails=""`},
		{"slow_start is no duration", "-upstream 127.0.0.1:1,slow_start=10", `slow_start="10"`},
		{"slow_start of a hash", "-balance maglev -upstream 127.0.0.1:1,slow_start=10s", "slow_start 10s with maglev"},
		{"priority out of range", "-upstream 127.0.0.1:1,priority=255", "priority 255"},
		{"fail_timeout is no duration", "-upstream 127.0.0.1:1,fail_timeout=10", `fail_timeout="10"`},
		{"backup takes no value", "-upstream 127.0.0.1:1,backup=yes", "backup takes no value"},
		{"no address", "-upstream ,backup", "no address"},
		{"no port", "-upstream 127.0.0.1", "127.0.0.1"},
		{"twice", "-upstream 127.0.0.1:1 -upstream 127.0.0.1:1", "127.0.0.1:1"},
		{"unknown balancer", "-upstream 127.0.0.1:1 -balance fastest", `"fastest"`},
		{"unknown door", "-upstream 127.0.0.1:1 -door back", `"back"`},
		{"negative body", "-upstream 127.0.0.1:1 -max-body -1", "-max-body -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := run(ctx, strings.Fields(c.args), io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("run(%s) = %v, want an error that names %s", c.args, err, c.want)
			}
		})
	}
}

// Every balancer answers.
func TestBalancers(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer backend.Close()
	for _, b := range balancers {
		pool, err := upstream.New(upstream.WithServer(backend.Listener.Addr().String()), upstream.WithServer("127.0.0.1:1", upstream.Backup()), upstream.WithBalancer(b.is))
		if err != nil {
			t.Fatal(err)
		}
		p, err := proxy.New(proxy.WithPool(pool))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", "/path?query", nil))
		if w.Code != 200 || w.Body.String() != "hello" {
			t.Errorf("-balance %s: %d %q", b.name, w.Code, w.Body)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	err = run(context.Background(), []string{"-upstream", "127.0.0.1:1", "-listen", ln.Addr().String()}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-listen") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("run = %v, want an error about -listen and an address in use", err)
	}
}

// TestServesAndDrains sends requests through each door while it drains: the one under way is answered.
func TestServesAndDrains(t *testing.T) {
	for _, door := range []string{"engine", "handler"} {
		t.Run(door, func(t *testing.T) {
			arrived, release := make(chan struct{}), make(chan struct{})
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					close(arrived)
					<-release
				}
				io.WriteString(w, "hello")
			}))
			defer backend.Close()

			ctx, stop := context.WithCancel(context.Background())
			output := newLines()
			done := make(chan error, 1)
			go func() {
				done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-door", door, "-upstream", strings.TrimPrefix(backend.URL, "http://"), "-balance", "least_conn"}, output)
			}()
			addr := strings.TrimPrefix(<-output.lines, "reverseproxy: listening on ")

			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			if got := body(t, client, addr, "/"); got != "hello" {
				t.Fatalf("body = %q", got)
			}
			slow := make(chan string, 1)
			go func() { slow <- body(t, client, addr, "/slow") }()
			<-arrived
			stop()
			close(release)
			if got := <-slow; got != "hello" {
				t.Errorf("the request under way got %q", got)
			}
			transport.CloseIdleConnections()
			if err := <-done; err != nil {
				t.Errorf("run = %v after a drain", err)
			}
			if _, err := net.Dial("tcp", addr); err == nil {
				t.Error("the address still accepts")
			}
		})
	}
}

func body(t *testing.T, client *http.Client, addr, path string) string {
	answer, err := client.Get("http://" + addr + path)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// lines is a writer that hands out the lines written to it.
type lines struct {
	mu    sync.Mutex // guards part
	part  bytes.Buffer
	lines chan string
}

func newLines() *lines { return &lines{lines: make(chan string, 16)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part.Write(p)
	for {
		line, rest, ok := strings.Cut(l.part.String(), "\n")
		if !ok {
			return len(p), nil
		}
		l.lines <- line
		l.part.Reset()
		l.part.WriteString(rest)
	}
}
