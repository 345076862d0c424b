package upstream

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// These tests put the same history through a real nginx and through a Pool.
// nginx runs one worker in front of scripted backends, and says in a header
// which peers it tried for each request.

// nginxBackend is a server that answers, cuts the connection when told to fail,
// and holds a request back when asked to.
type nginxBackend struct {
	id      string
	addr    string
	fail    atomic.Bool
	arrived chan held
}

// held is a request that waits in a backend.
type held struct {
	id      string
	release chan struct{}
}

func (b *nginxBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.fail.Load() {
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("X-Hold") != "" {
		h := held{b.id, make(chan struct{})}
		b.arrived <- h
		<-h.release
	}
	io.WriteString(w, b.id)
}

// nginxRig is an nginx with an upstream of len(servers) backends.
type nginxRig struct {
	t        *testing.T
	url      string
	client   *http.Client
	backends []*nginxBackend
	names    map[string]string // by address
	arrived  chan held
	opts     []Option // of the pool
	pool     *Pool
}

func newNginx(t *testing.T, leastConn bool, servers []nginxServer) *nginxRig {
	if leastConn {
		return newNginxBy(t, "least_conn;", LeastConn(), servers)
	}
	return newNginxBy(t, "", RoundRobin(), servers)
}

// newNginxBy starts backends and nginx, with a method and the same as ours. A
// server is nginx's own options, as in "weight=5 max_fails=2", and the same as
// ours; the words unix and same in front put it on a unix socket, or at the
// address of the one before.
func newNginxBy(t *testing.T, method string, bal Balancer, servers []nginxServer) *nginxRig {
	need.Program(t, "nginx")
	rig := &nginxRig{
		t:       t,
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		names:   map[string]string{},
		arrived: make(chan held),
	}
	t.Cleanup(rig.client.CloseIdleConnections)

	rig.opts = append(rig.opts, WithBalancer(bal))
	var lines strings.Builder
	for i, s := range servers {
		id := string(rune('a' + i))
		words, same := strings.CutPrefix(s.nginx, "same")
		words, socket := strings.CutPrefix(words, "unix")
		if !same {
			b := &nginxBackend{id: id, arrived: rig.arrived}
			b.addr = serve(t, b, socket)
			rig.backends = append(rig.backends, b)
			rig.names[b.addr] = b.id
		}
		addr := rig.backends[len(rig.backends)-1].addr
		fmt.Fprintf(&lines, "server %s %s;\n", addr, words)
		rig.opts = append(rig.opts, WithServer(addr, append([]ServerOption{ID(id)}, s.ours...)...))
	}
	rig.pool = newPool(t, rig.opts...)
	rig.url = "http://" + startNginx(t, method+"\n"+lines.String()) + "/"
	return rig
}

type nginxServer struct {
	nginx string
	ours  []ServerOption
}

// serve runs a server on loopback, or on a unix socket, until the test ends.
func serve(t *testing.T, h http.Handler, socket bool) string {
	network, addr := "tcp", "127.0.0.1:0"
	if socket {
		dir, err := os.MkdirTemp("", "s") // t's own may be too long for an address
		must(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		network, addr = "unix", filepath.Join(dir, "s")
	}
	ln, err := net.Listen(network, addr)
	must(t, err)
	srv := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	t.Cleanup(func() { srv.Close(); wg.Wait() })
	if socket {
		return "unix:" + addr
	}
	return ln.Addr().String()
}

const nginxConf = `
daemon off;
user root;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[1]s/t1;
	proxy_temp_path %[1]s/t2;
	fastcgi_temp_path %[1]s/t3;
	uwsgi_temp_path %[1]s/t4;
	scgi_temp_path %[1]s/t5;
	set_real_ip_from 127.0.0.0/8;
	real_ip_header X-Real-IP;
	upstream u {
		%[2]s
	}
	server {
		listen %[3]s;
		location / {
			set $began $msec;
			proxy_pass http://u;
			add_header X-Tried $upstream_addr always;
			add_header X-Time "$began $msec" always;
		}
	}
}
`

// startNginx runs nginx until the test ends and returns its address. nginx
// inherits the listening socket, as in its own upgrades, so that a connection
// made before it is ready waits instead of being refused.
func startNginx(t *testing.T, upstream string) string {
	dir := t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := ln.Addr().String()
	f, err := ln.(*net.TCPListener).File()
	must(t, err)
	must(t, ln.Close())
	conf := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, upstream, addr), 0o600))

	cmd := exec.Command("nginx", "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log"))
	cmd.Env = append(os.Environ(), "NGINX=3;")
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err = cmd.Start()
	f.Close()
	must(t, err)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if !t.Failed() {
			return
		}
		if log, err := os.ReadFile(filepath.Join(dir, "error.log")); err == nil {
			t.Logf("nginx's log:\n%s", log)
		}
	})
	return addr
}

// nginx sends one request and returns the peers that nginx tried.
func (rig *nginxRig) nginx() string {
	rig.t.Helper()
	resp, err := rig.client.Get(rig.url)
	return rig.finish(resp, err)
}

// finish returns the peers that nginx tried for an answer.
func (rig *nginxRig) finish(resp *http.Response, err error) string {
	rig.t.Helper()
	must(rig.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	must(rig.t, err)
	resp.Body.Close()
	return rig.tried(resp)
}

func (rig *nginxRig) tried(resp *http.Response) string {
	var ids []string
	for _, a := range strings.Split(resp.Header.Get("X-Tried"), ", ") {
		if id := rig.names[a]; id != "" {
			a = id
		}
		if a == "u" { // nginx names the upstream when it has no peer
			a = "none"
		}
		ids = append(ids, a)
	}
	return strings.Join(ids, " ")
}

// ours sends the same request through the pool at time now.
func (rig *nginxRig) ours(now int64) string { return rig.oursFor(now, new(Request)) }

func (rig *nginxRig) oursFor(now int64, r *Request) string {
	var ids []string
	for r.Tries() < rig.pool.Peers() {
		id, l := pickFor(rig.pool, now, r)
		if l.Backend() == nil {
			ids = append(ids, id)
			break
		}
		id = rig.names[l.Backend().spec.address]
		ids = append(ids, id)
		if !rig.backend(id).fail.Load() {
			l.Done(now, Success)
			break
		}
		l.Done(now, Failure)
	}
	return strings.Join(ids, " ")
}

func (rig *nginxRig) backend(id string) *nginxBackend {
	for _, b := range rig.backends {
		if b.id == id {
			return b
		}
	}
	rig.t.Fatalf("no backend %q", id)
	return nil
}

// servers builds the options of both sides.
func nginxServers(specs ...string) []nginxServer {
	var out []nginxServer
	for _, spec := range specs {
		s := nginxServer{nginx: spec}
		for _, word := range strings.Fields(spec) {
			var n int
			switch name, value, _ := strings.Cut(word, "="); name {
			case "weight":
				fmt.Sscan(value, &n)
				s.ours = append(s.ours, Weight(n))
			case "max_fails":
				fmt.Sscan(value, &n)
				s.ours = append(s.ours, MaxFails(n))
			case "max_conns":
				fmt.Sscan(value, &n)
				s.ours = append(s.ours, MaxConns(n))
			case "fail_timeout":
				fmt.Sscan(value, &n)
				s.ours = append(s.ours, FailTimeout(time.Duration(n)*time.Second))
			case "backup":
				s.ours = append(s.ours, Backup())
			case "down":
				s.ours = append(s.ours, Down())
			}
		}
		out = append(out, s)
	}
	return out
}

// TestNginxSequence: the same peers in the same order, first when all is well,
// then while backends fail and return at random. fail_timeout is an hour, so
// no window ends.
func TestNginxSequence(t *testing.T) {
	tests := []struct {
		name    string
		servers []nginxServer
	}{
		{"5 1 1", nginxServers("weight=5", "weight=1", "weight=1")},
		{"4 3 2", nginxServers("weight=4", "weight=3", "weight=2")},
		{"equal", nginxServers("", "", "", "")},
		{"single", nginxServers("max_fails=1")},
		{"penalties", nginxServers("weight=10 max_fails=500", "weight=7 max_fails=3", "weight=60 max_fails=25", "weight=1 max_fails=100")},
		{"never out", nginxServers("weight=3 max_fails=0", "weight=2 max_fails=0")},
		{"backups", nginxServers("weight=2", "weight=1", "weight=3 backup", "backup")},
		{"backup of one", nginxServers("max_fails=2", "backup max_fails=2")},
		{"down", nginxServers("weight=2", "weight=5 down", "weight=1 max_fails=4")},
		{"disabled", nginxServers("weight=2 max_fails=2", "weight=5 max_fails=3", "weight=1 max_fails=40")},
	}
	for i := range tests {
		for j := range tests[i].servers {
			s := &tests[i].servers[j]
			s.nginx += " fail_timeout=3600s"
			s.ours = append(s.ours, FailTimeout(time.Hour))
		}
	}
	for _, tt := range tests {
		for _, least := range []bool{false, true} {
			name := tt.name + "/round_robin"
			if least {
				name = tt.name + "/least_conn"
			}
			t.Run(name, func(t *testing.T) {
				rig := newNginx(t, least, tt.servers)
				rng := rand.New(rand.NewPCG(1, 2))
				for i := range 200 {
					if i >= 50 && i%5 == 0 {
						b := rig.backends[rng.IntN(len(rig.backends))]
						b.fail.Store(!b.fail.Load())
					}
					if got, want := rig.ours(t0), rig.nginx(); got != want {
						t.Fatalf("request %d went to %s, nginx's to %s", i, got, want)
					}
				}
			})
		}
	}
}

// TestNginxRecovery: after fail_timeout nginx sends one probe and takes the
// peer back on its success. At which request its window ended cannot be seen
// from outside, but for one of the last before the probe, our pool must make
// the same of the whole history when its clock passes the window there.
func TestNginxRecovery(t *testing.T) {
	servers := nginxServers("weight=5 max_fails=1 fail_timeout=1", "weight=2 fail_timeout=1", "fail_timeout=1")
	rig := newNginx(t, false, servers)
	a := rig.backend("a")
	var history []string
	ask := func() string {
		if len(history) > 1_000_000 {
			t.Fatal("nginx does not come back to a")
		}
		history = append(history, rig.nginx())
		return history[len(history)-1]
	}
	a.fail.Store(true)
	for !strings.HasPrefix(ask(), "a") {
	}
	failed := len(history)
	a.fail.Store(false)
	for !strings.HasPrefix(ask(), "a") {
	}
	probed := len(history)
	for range 50 {
		ask()
	}
	t.Logf("nginx's window lasted %d requests", probed-failed)

	const unseen = 20 // more rounds than a peer of weight 5 can miss
	for over := max(failed, probed-unseen); over < probed; over++ {
		rig.pool = newPool(t, rig.opts...)
		now, same := t0, true
		for i, want := range history {
			a.fail.Store(i < failed)
			if i == over {
				now += int64(time.Hour)
			}
			same = same && rig.ours(now) == want
		}
		if same {
			return
		}
	}
	t.Errorf("no end of the window makes our pool follow nginx: %q", history[max(0, probed-unseen):])
}

// TestNginxInFlight: requests that stay in flight, least_conn and max_conns.
func TestNginxInFlight(t *testing.T) {
	tests := []struct {
		name    string
		least   bool
		servers []nginxServer
	}{
		{"round_robin max_conns", false, nginxServers("weight=3 max_conns=4", "max_conns=2", "weight=2 backup max_conns=3")},
		{"least_conn", true, nginxServers("weight=1", "weight=1", "weight=1")},
		{"least_conn weights", true, nginxServers("weight=5", "weight=2", "weight=1")},
		{"least_conn max_conns", true, nginxServers("weight=5 max_conns=3", "weight=2 max_conns=2", "max_conns=5 backup")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rig := newNginx(t, tt.least, tt.servers)
			rng := rand.New(rand.NewPCG(3, 4))
			type flight struct {
				held  held
				lease Lease
				done  chan error
			}
			var live []flight
			finish := func(i int) {
				f := live[i]
				live = append(live[:i], live[i+1:]...)
				close(f.held.release)
				must(t, <-f.done)
				f.lease.Done(t0, Success)
			}
			defer func() {
				for len(live) > 0 {
					finish(0)
				}
			}()
			for i := range 300 {
				if len(live) > 0 && rng.IntN(100) < 45 {
					finish(rng.IntN(len(live)))
					continue
				}
				done := make(chan error, 1)
				go func() {
					req, _ := http.NewRequest("GET", rig.url, nil)
					req.Header.Set("X-Hold", "1")
					resp, err := rig.client.Do(req)
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
						if resp.StatusCode != 200 {
							err = errors.New(rig.tried(resp))
						}
					}
					done <- err
				}()
				var f flight
				want := "none"
				select {
				case h := <-rig.arrived:
					f, want = flight{held: h, done: done}, h.id
				case err := <-done:
					if err == nil || err.Error() != want {
						t.Fatalf("request %d was not held: %v", i, err)
					}
				}
				id, lease := pick(rig.pool, t0)
				f.lease = lease
				if want != "none" {
					live = append(live, f)
				}
				if id == "busy" { // nginx has one word for both
					id = "none"
				}
				if id != want {
					t.Fatalf("request %d went to %s, nginx's to %s", i, id, want)
				}
			}
		})
	}
}
