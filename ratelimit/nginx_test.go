package ratelimit

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/internal/race"
)

var record = flag.Bool("record", false, "write what nginx does to testdata/nginx")

// setups are what the real nginx is asked: zones, and locations with their limits.
var setups = map[string]trace{
	"single": {
		zones: []string{"50r/s", "2000r/m", "200r/s"},
		locations: [][]traceLimit{
			{{zone: 0, burst: 4}}, {{zone: 1, burst: 5, delay: 2}}, {{zone: 2, burst: 2, delay: -1}}, {{zone: 2}},
		},
	},
	"chained": {
		zones: []string{"30r/s", "1000r/m", "100r/s", "80r/s"},
		locations: [][]traceLimit{
			{{zone: 0, burst: 4, delay: 2}, {zone: 1, burst: 3, delay: -1}, {zone: 2, burst: 6}},
			{{zone: 2, burst: 5, delay: 1}, {zone: 3, burst: 5, delay: 1}},
			{{zone: 3, burst: 8}, {zone: 0, burst: 8, delay: 3}, {zone: 1, burst: 8}},
			{{zone: 2, burst: 3}},
		},
	},
}

// TestNginx asks a real nginx, from eight clients at once, and compares every decision. With -record it keeps them.
func TestNginx(t *testing.T) {
	if race.Enabled {
		t.Skip("real peers are asked without the race detector")
	}
	need.Program(t, "nginx")
	if version, err := exec.Command("nginx", "-V").CombinedOutput(); err != nil || !bytes.Contains(version, []byte("--with-debug")) {
		need.Skip(t, "nginx is built without --with-debug: its log does not tell what it decides by")
	}
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			tr := setup
			tr.requests = runNginx(t, &tr, 800)
			tr.check(t)
			if *record && !t.Failed() {
				if err := tr.write(filepath.Join("testdata", "nginx", name+".trace")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// runNginx sends n requests to an nginx with the limits of the trace, and returns what it decided.
func runNginx(t *testing.T, tr *trace, n int) []traceRequest {
	t.Helper()
	dir := t.TempDir()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close() // nginx's from here
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(tr, dir, addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	log := nginxLog{ready: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nginx", "-p", dir, "-c", conf, "-e", "stderr")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { exited <- cmd.Wait() })
	defer wg.Wait()
	select {
	case <-log.ready:
	case err := <-exited:
		t.Fatalf("nginx: %v\n%s", err, log.text.String())
	}
	askErr := ask("http://"+addr, len(tr.locations), len(tr.zones), n)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("nginx: %v", err)
	}
	if err := <-exited; err != nil || askErr != nil {
		t.Fatalf("nginx: %v; %v", err, askErr)
	}
	requests, err := readNginxLog(tr, log.text.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) != n {
		t.Fatalf("nginx logged %d requests of %d", len(requests), n)
	}
	return requests
}

// nginxLog keeps the log, and tells when nginx has begun to take connections.
type nginxLog struct {
	text  bytes.Buffer
	ready chan struct{}
	told  bool
}

func (l *nginxLog) Write(b []byte) (int, error) {
	l.text.Write(b)
	if !l.told && bytes.Contains(l.text.Bytes(), []byte("epoll add event: ")) {
		l.told = true
		close(l.ready)
	}
	return len(b), nil
}

func nginxConf(tr *trace, dir, addr string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "daemon off; master_process off; pid %s/pid; error_log stderr debug;\n", dir)
	fmt.Fprintf(&b, "events { worker_connections 256; }\nhttp {\naccess_log off;\n")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	for i, rate := range tr.zones {
		fmt.Fprintf(&b, "limit_req_zone $http_x_key_%d zone=%d:1m rate=%s;\n", i, i, rate)
	}
	fmt.Fprintf(&b, "server { listen %s;\n", addr)
	for i, limits := range tr.locations {
		fmt.Fprintf(&b, "location = /%d { empty_gif;", i)
		for _, l := range limits {
			fmt.Fprintf(&b, " limit_req zone=%d", l.zone)
			if l.burst > 0 {
				fmt.Fprintf(&b, " burst=%d", l.burst)
			}
			if l.delay > 0 {
				fmt.Fprintf(&b, " delay=%d", l.delay)
			} else if l.delay < 0 {
				fmt.Fprint(&b, " nodelay")
			}
			fmt.Fprint(&b, ";")
		}
		fmt.Fprintln(&b, " }")
	}
	return b.String() + "} }\n"
}

// ask sends n requests from eight clients, each on a connection of its own: nginx then decides in the very turn of its
// event loop whose time it logs. What paces the clients is that nginx delays them.
func ask(url string, locations, zones, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport}
	errs := make(chan error, 8)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), uint64(time.Now().UnixNano())))
			for range n / 8 {
				req, err := http.NewRequestWithContext(ctx, "GET", url+"/"+strconv.Itoa(rng.IntN(locations)), nil)
				if err != nil {
					errs <- err
					return
				}
				for z := range zones {
					if k := rng.IntN(5); k > 0 {
						req.Header.Set(fmt.Sprintf("X-Key-%d", z), string(rune('a'+k)))
					}
				}
				resp, err := client.Do(req)
				if err != nil {
					errs <- err
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

var (
	logDelta   = regexp.MustCompile(`timer delta: (\d+)$`)
	logLine    = regexp.MustCompile(`^\S+ \S+ \[\w+\] \d+#\d+: \*(\d+) (.*)`)
	logRequest = regexp.MustCompile(`^http request line: "GET /(\d+) `)
	logKey     = regexp.MustCompile(`^http header: "X-Key-(\d+): (\w+)"`)
	logStep    = regexp.MustCompile(`^limit_req\[(\d+)\]: (-?\d+) (\d+)\.(\d{3})$`)
	logLimited = regexp.MustCompile(`^(limiting|delaying) requests?, excess: (\d+)\.(\d{3}),? by zone "(\d+)"`)
	logTimer   = regexp.MustCompile(`^event timer add: \d+: (\d+):\d+$`)
)

// readNginxLog reads the decisions from a debug log. Time is the sum of what the turns of the event loop say that they
// advanced it by; a turn says so after the decisions it made.
func readNginxLog(tr *trace, log string) ([]traceRequest, error) {
	number := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n }
	now := int64(1_000_000_000)
	var all []*traceRequest
	var turn []*traceRequest
	open := map[string]*traceRequest{}
	for text := range strings.Lines(log) {
		text = strings.TrimSpace(text)
		if m := logDelta.FindStringSubmatch(text); m != nil {
			now += number(m[1])
			for _, r := range turn {
				r.ms = now
			}
			turn = turn[:0]
			continue
		}
		line := logLine.FindStringSubmatch(text)
		if line == nil {
			continue
		}
		r, what := open[line[1]], line[2]
		if m := logRequest.FindStringSubmatch(what); m != nil {
			r = &traceRequest{location: int(number(m[1])), keys: make([]string, len(tr.zones)), outcome: "PASSED", zone: -1}
			open[line[1]] = r
			all, turn = append(all, r), append(turn, r)
			continue
		}
		if r == nil {
			continue
		}
		if m := logKey.FindStringSubmatch(what); m != nil {
			r.keys[number(m[1])] = m[2]
		} else if m := logStep.FindStringSubmatch(what); m != nil {
			r.steps = append(r.steps, refStep{number(m[1]), number(m[2]), number(m[3] + m[4])})
		} else if m := logLimited.FindStringSubmatch(what); m != nil {
			r.outcome, r.excess, r.zone = "REJECTED", number(m[2]+m[3]), int(number(m[4]))
			if m[1] == "delaying" {
				r.outcome, r.delay = "DELAYED", -1
			}
		} else if m := logTimer.FindStringSubmatch(what); m != nil && r.delay == -1 {
			r.delay = number(m[1])
		}
	}
	requests := make([]traceRequest, len(all))
	for i, r := range all {
		if r.ms == 0 || r.delay < 0 {
			return nil, fmt.Errorf("request %d is not told of to the end: %v", i, *r)
		}
		if len(r.steps) == 0 {
			r.outcome = "FREE"
		}
		requests[i] = *r
	}
	return requests, nil
}
