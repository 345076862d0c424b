package upstream

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
)

const haproxyConf = `
global
	nbthread 1
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
	option httpclose
listen l
	bind fd@3
	balance first
`

// startHAProxy runs haproxy until the test ends and returns its address.
func startHAProxy(t *testing.T, servers string) string {
	need.Program(t, "haproxy")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := ln.Addr().String()
	f, err := ln.(*net.TCPListener).File()
	must(t, err)
	must(t, ln.Close())
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	must(t, os.WriteFile(conf, []byte(haproxyConf+servers), 0o600))

	var out strings.Builder
	cmd := exec.Command("haproxy", "-db", "-f", conf)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err = cmd.Start()
	f.Close()
	must(t, err)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy said:\n%s", out.String())
		}
	})
	return addr
}

// TestHAProxyFirst: requests that stay and go in any order fill the same servers
// as under HAProxy's balance first. A request is over when HAProxy has closed its
// connection.
func TestHAProxyFirst(t *testing.T) {
	limits := []int{2, 1, 3, 1}
	room := 0
	arrived := make(chan held)
	opts := []Option{WithBalancer(First())}
	var servers strings.Builder
	for i, n := range limits {
		b := &nginxBackend{id: string(rune('a' + i)), arrived: arrived}
		addr := serve(t, b, false)
		fmt.Fprintf(&servers, "\tserver %s %s maxconn %d\n", b.id, addr, n)
		opts = append(opts, server(b.id, MaxConns(n)))
		room += n
	}
	addr := startHAProxy(t, servers.String())
	p := newPool(t, opts...)

	type request struct {
		conn    net.Conn
		release chan struct{}
		lease   Lease
	}
	var live []request
	end := func(i int) {
		r := live[i]
		live = append(live[:i], live[i+1:]...)
		close(r.release)
		answer, err := io.ReadAll(r.conn)
		r.conn.Close()
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Errorf("answer = %q, %v", answer, err)
		}
		r.lease.Done(t0, Success)
	}
	t.Cleanup(func() {
		for len(live) > 0 {
			end(0)
		}
	})
	rng := rand.New(rand.NewPCG(11, 12))
	for i := range 300 {
		if len(live) == room || len(live) > 0 && rng.IntN(5) < 2 {
			end(rng.IntN(len(live)))
			continue
		}
		conn, err := net.Dial("tcp", addr)
		must(t, err)
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: first.example\r\nX-Hold: 1\r\n\r\n")
		must(t, err)
		theirs := <-arrived
		ours, l := pick(p, t0)
		live = append(live, request{conn, theirs.release, l})
		if ours != theirs.id {
			t.Fatalf("request %d went to %s, HAProxy's to %s", i, ours, theirs.id)
		}
	}
}
