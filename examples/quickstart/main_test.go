//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/leak"
)

// TestMain lets the test binary stand in for the program: its children are the test binary again.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" || os.Getenv(mainVariable) != "" {
		os.Args = append(os.Args[:1], strings.Fields(os.Getenv(mainVariable))...)
		os.Unsetenv(mainVariable)
		main()
		return
	}
	leak.Main(m)
}

// mainVariable makes the test binary run main with these arguments.
const mainVariable = "QUICKSTART_TEST_ARGS"

func TestFlagsRefused(t *testing.T) {
	for _, c := range []struct{ name, args, want string }{
		{"stray argument", "extra", `"extra"`},
		{"unknown flag", "-nope", "-nope"},
		{"rate too small", "-rate 0", "-rate 0"},
		{"rate too large", "-rate 10001", "-rate 10001"},
		{"interval too short", "-interval 9ms", "-interval 9ms"},
		{"interval too long", "-interval 41s", "-interval 41s"},
		{"interval between steps", "-interval 15ms", "-interval 15ms"},
		{"too short for the timeline", "-for 17s", "18s"},
		{"too short at this interval", "-for 8s -interval 100ms", "8.1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseFlags(strings.Fields(c.args), io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("parseFlags(%s) = %v, want an error that names %s", c.args, err, c.want)
			}
		})
	}
	if o, err := parseFlags(nil, io.Discard); err != nil || o.listen != "127.0.0.1:8080" || o.interval != time.Second || o.rate != 500 || o.lasts != 0 {
		t.Errorf("defaults = %+v, %v", o, err)
	}
}

func TestVerdict(t *testing.T) {
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	broken := errors.New("broken")
	whole := func() *tally {
		return &tally{begun: t0, requests: 100, last: at(20), killed: at(5), victim: "a", taken: at(8)}
	}
	for _, c := range []struct {
		name   string
		change func(*tally)
		want   string // "" is success
	}{
		{"all answered", func(*tally) {}, ""},
		{"failed during the takeover", func(l *tally) { l.failures = []failure{{at(5), broken}, {at(8), broken}} }, ""},
		{"failed before the kill", func(l *tally) { l.failures = []failure{{at(4), broken}} }, "before the node was killed"},
		{"failed after the takeover", func(l *tally) { l.failures = []failure{{at(9), broken}} }, "after the peer's first answer"},
		{"never taken over", func(l *tally) { l.taken = time.Time{} }, "never answered"},
		{"dead at the end", func(l *tally) { l.last = at(10) }, "silent"},
		{"nothing sent", func(l *tally) { *l = tally{} }, "no request"},
		{"failed without a kill", func(l *tally) { l.killed, l.taken = time.Time{}, time.Time{}; l.failures = []failure{{at(9), broken}} }, "before the node was killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := whole()
			c.change(l)
			err := l.verdict(at(20), time.Second)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("verdict = %v, want %q", err, c.want)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := &tally{requests: 7, failures: make([]failure, 2), killed: t0, taken: t0.Add(321456 * time.Microsecond), gap: 1500 * time.Millisecond}
	if got, want := l.summary(), "quickstart: requests=7 failed=2 takeover=321.5ms gap=1.5s"; got != want {
		t.Errorf("summary = %q, want %q", got, want)
	}
}

// program is the quickstart as a process of its own.
type program struct {
	*exec.Cmd
	out     *bufio.Scanner
	printed []string // by until
	err     bytes.Buffer
}

func launch(t *testing.T, args string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), mainVariable+"="+args)
	p.Stderr = &p.err
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(stdout)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// until returns the first line that contains the text.
func (p *program) until(t *testing.T, text string) string {
	t.Helper()
	for p.out.Scan() {
		p.printed = append(p.printed, p.out.Text())
		if strings.Contains(p.out.Text(), text) {
			return p.out.Text()
		}
	}
	_ = p.Wait()
	t.Fatalf("the output ended before %q; standard error:\n%s", text, p.err.String())
	return ""
}

var lastLine = regexp.MustCompile(`^quickstart: requests=[1-9]\d* failed=\d+ takeover=\S+ gap=\S+$`)

// TestMainJob is the whole timeline, in real time and with real processes. It judges by the program's own verdict.
func TestMainJob(t *testing.T) {
	if testing.Short() {
		t.Skip("nine seconds of real time")
	}
	p := launch(t, "-listen 127.0.0.1:0 -interval 100ms -for 9s -rate 200")
	var printed []string
	for p.out.Scan() {
		printed = append(printed, p.out.Text())
	}
	if err := p.Wait(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, strings.Join(printed, "\n"), p.err.String())
	}
	t.Logf("\n%s", strings.Join(printed, "\n"))
	if last := printed[len(printed)-1]; !lastLine.MatchString(last) {
		t.Errorf("last line = %q", last)
	}
}

// readmeShows holds what the README shows to what the program printed.
func readmeShows(t *testing.T, printed []string) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(b), "Ctrl-C to end it.\n\n```\n")
	shown, _, _ = strings.Cut(shown, "```\n")
	if got, want := masked(strings.Join(printed, "\n")+"\n"), masked(shown); got != want {
		t.Errorf("the program prints, numbers masked:\n%s\nthe README shows:\n%s", got, want)
	}
}

// masked replaces what differs from run to run.
func masked(s string) string {
	s = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(s, "ADDR")
	s = regexp.MustCompile(`(?m)^ *\d+\.\d+s`).ReplaceAllString(s, "T")
	return regexp.MustCompile(`=\d+(\.\d+)?([mµ]?s)?|\d+(\.\d+)?[mµ]?s\b`).ReplaceAllString(s, "N")
}

// TestStatusAndInterrupt asks for the pages of the service, then ends the program by Ctrl-C: the end is clean, and the
// children end too.
func TestStatusAndInterrupt(t *testing.T) {
	p := launch(t, "-listen 127.0.0.1:0 -interval 50ms -rate 50")
	line := p.until(t, "listening on ")
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	p.until(t, "node a is Active")

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	answer, err := client.Get("http://" + addr + "/status")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]map[string]any
	err = json.NewDecoder(answer.Body).Decode(&document)
	answer.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"a", "b"} {
		for _, part := range []string{"vrrp", "upstream", "proxy", "healthcheck"} {
			if document[node][part] == nil {
				t.Errorf("/status has no %s of node %s: %v", part, node, document[node])
			}
		}
	}
	limited := false
	for range 20 {
		answer, err := client.Get("http://" + addr + "/limited")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		limited = limited || answer.StatusCode == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("/limited let 20 requests in a row pass")
	}

	p.until(t, "serving until Ctrl-C")
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var last string
	for p.out.Scan() {
		last = p.out.Text()
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, p.err.String())
	}
	if !lastLine.MatchString(last) {
		t.Errorf("last line = %q", last)
	}
	readmeShows(t, append(p.printed, last))
}

// TestKilledParentLeavesNothing kills the parent with SIGKILL. Its output ends only when every process that inherited it
// has ended, and the service's address is free again.
func TestKilledParentLeavesNothing(t *testing.T) {
	p := launch(t, "-listen 127.0.0.1:0 -interval 50ms -rate 50")
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(p.until(t, "listening on "))
	p.until(t, "node a is Active")
	p.Process.Signal(syscall.SIGKILL)
	p.Wait() // waits for the end of standard error, which every child holds
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial %s after the end = %v, want a refusal", addr, err)
	}
}

func TestAddressInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := newShow(options{listen: ln.Addr().String()}); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "-listen") {
		t.Errorf("newShow = %v, want an error about -listen and an address in use", err)
	}
}
