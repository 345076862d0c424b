package vrrp

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/need"
	"github.com/mainstay-ha/mainstay/vrrp/internal/procconn"
)

func TestProcessMatches(t *testing.T) {
	line := func(words ...string) []byte { return []byte(strings.Join(words, "\x00") + "\x00") }
	for _, c := range []struct {
		name string
		spec ProcessSpec
		line []byte
		want bool
	}{
		{"any parameters", ProcessSpec{}, line("x", "a", "b"), true},
		{"exact", ProcessSpec{Params: []string{"a", "b"}}, line("x", "a", "b"), true},
		{"one more", ProcessSpec{Params: []string{"a"}}, line("x", "a", "b"), false},
		{"one less", ProcessSpec{Params: []string{"a", "b"}}, line("x", "a"), false},
		{"another order", ProcessSpec{Params: []string{"a", "b"}}, line("x", "b", "a"), false},
		{"partial", ProcessSpec{Params: []string{"a"}, ParamMatch: ParamsPartial}, line("x", "a", "b"), true},
		{"partial, all", ProcessSpec{Params: []string{"a", "b"}, ParamMatch: ParamsPartial}, line("x", "a", "b"), true},
		{"partial, longer", ProcessSpec{Params: []string{"a"}, ParamMatch: ParamsPartial}, line("x", "ab"), false},
		{"partial, too few", ProcessSpec{Params: []string{"a", "b"}, ParamMatch: ParamsPartial}, line("x", "a"), false},
		{"initial", ProcessSpec{Params: []string{"a", "--p="}, ParamMatch: ParamsInitial}, line("x", "a", "--p=1", "c"), true},
		{"initial, first longer", ProcessSpec{Params: []string{"a", "b"}, ParamMatch: ParamsInitial}, line("x", "aa", "b"), false},
		{"initial, too few", ProcessSpec{Params: []string{"a", "b"}, ParamMatch: ParamsInitial}, line("x", "a"), false},
		{"none", ProcessSpec{ParamMatch: ParamsNone}, line("x"), true},
		{"none, and one", ProcessSpec{ParamMatch: ParamsNone}, line("x", "a"), false},
		{"none, empty", ProcessSpec{ParamMatch: ParamsNone}, nil, false},
		{"full", ProcessSpec{FullCommand: true, Name: "/usr/bin/x"}, line("/usr/bin/x", "a"), true},
		{"full, base", ProcessSpec{FullCommand: true, Name: "x"}, line("/usr/bin/x", "a"), false},
		{"full, parameters", ProcessSpec{FullCommand: true, Name: "x", Params: []string{"a"}}, line("x", "a"), true},
		{"a title", ProcessSpec{FullCommand: true, Name: "x: master process"}, []byte("x: master process\x00\x00\x00\x00"), true},
		{"a title without parameters", ProcessSpec{FullCommand: true, Name: "x: m", ParamMatch: ParamsNone}, []byte("x: m\x00\x00\x00"), true},
		{"a kernel thread", ProcessSpec{FullCommand: true, Name: "x"}, nil, false},
		{"only NULs", ProcessSpec{FullCommand: true, Name: "x"}, []byte{0, 0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.spec.matchesLine(c.line); got != c.want {
				t.Errorf("%q: %v, want %v", c.line, got, c.want)
			}
		})
	}
	for stat, want := range map[string]bool{
		"1 (x) S 0": true, "1 (x) R 0": true, "1 (x) Z 0": false, "1 (x) X 0": false,
		"1 (a) Z) S 0": true, "1 (x) Z": false, "1 (x)": false, "": false,
	} {
		if got := statAlive([]byte(stat)); got != want {
			t.Errorf("statAlive(%q) = %v, want %v", stat, got, want)
		}
	}
}

// procHost is a /proc of its own, and the events of its kernel.
type procHost struct {
	t      *testing.T
	root   string
	events chan []procconn.Event
	errs   chan error
	closed chan struct{}
}

func newProcHost(t *testing.T) *procHost {
	h := &procHost{t, t.TempDir(), make(chan []procconn.Event), make(chan error), make(chan struct{})}
	for _, dir := range []string{"self", "sys"} {
		if err := os.Mkdir(filepath.Join(h.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// put makes a process, or another of it. state is as in stat.
func (h *procHost) put(pid int, comm, state string, words ...string) {
	h.t.Helper()
	dir := filepath.Join(h.root, strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	for file, text := range map[string]string{
		"comm": comm + "\n", "cmdline": strings.Join(append(words, ""), "\x00"),
		"stat": strconv.Itoa(pid) + " (" + comm + ") " + state + " 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *procHost) kill(pid int) {
	h.t.Helper()
	if err := os.RemoveAll(filepath.Join(h.root, strconv.Itoa(pid))); err != nil {
		h.t.Fatal(err)
	}
}

func (h *procHost) Receive(ev []procconn.Event, until time.Time) (int, error) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case batch := <-h.events:
		return copy(ev, batch), nil
	case err := <-h.errs:
		return 0, err
	case <-timer.C:
		return 0, os.ErrDeadlineExceeded
	case <-h.closed:
		return 0, os.ErrClosed
	}
}

func (h *procHost) Close() error { close(h.closed); return nil }

// changed tells that processes changed.
func (h *procHost) changed(pids ...int) {
	var batch []procconn.Event
	for _, pid := range pids {
		batch = append(batch, procconn.Event{PID: pid})
	}
	h.events <- batch
	synctest.Wait()
}

func (h *procHost) ended(pid int) {
	h.kill(pid)
	h.events <- []procconn.Event{{PID: pid, Gone: true}}
	synctest.Wait()
}

func TestProcessTable(t *testing.T) {
	h := newProcHost(t)
	h.put(1, "init", "S", "/sbin/init")
	h.put(10, "nginx", "S", "nginx: master process nginx")
	h.put(11, "nginx", "S", "nginx: worker process")
	h.put(12, "nginx", "Z")
	h.put(13, "nginx-debug", "S", "nginx", "-g", "daemon off;")
	h.put(14, "ngin", "S", "x")
	h.put(15, "sh", "S", "sh", "nginx")
	for _, c := range []struct {
		name string
		spec ProcessSpec
		want []int
	}{
		{"name", ProcessSpec{Name: "nginx"}, []int{10, 11}},
		{"command", ProcessSpec{Name: "nginx: worker process", FullCommand: true}, []int{11}},
		{"command and parameters", ProcessSpec{Name: "nginx", FullCommand: true, Params: []string{"-g"}, ParamMatch: ParamsPartial}, []int{13}},
		{"name and parameters", ProcessSpec{Name: "sh", Params: []string{"nginx"}}, []int{15}},
		{"nobody", ProcessSpec{Name: "apache2"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := newProcessTable(&c.spec, h.root)
			if err := table.scan(); err != nil {
				t.Fatal(err)
			}
			var got []int
			for pid := range table.pids {
				got = append(got, pid)
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v", got, c.want)
			}
		})
	}
	if err := newProcessTable(&ProcessSpec{}, filepath.Join(h.root, "none")).scan(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("scan() without /proc = %v", err)
	}
}

// A program that is out of descriptors does not take processes for dead.
func TestProcessTableOutOfDescriptors(t *testing.T) {
	h := newProcHost(t)
	h.put(10, "nginx", "S", "nginx")
	table := newProcessTable(&ProcessSpec{Name: "nginx"}, h.root)
	if err := table.scan(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"comm", "stat"} {
		table.read = func(path string) ([]byte, error) {
			if filepath.Base(path) == file {
				return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
			}
			return os.ReadFile(path)
		}
		if err := table.look(10); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("look() = %v without descriptors", err)
		}
		if err := table.scan(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("scan() = %v without descriptors", err)
		}
		if len(table.pids) != 1 {
			t.Fatal("a process that could not be looked at was forgotten")
		}
	}
}

// watching runs a watch of a host in a bubble.
func watching(t *testing.T, h *procHost, spec ProcessSpec, events bool) (j *journal, end func() error) {
	j = newJournal()
	if err := spec.validate(func(bool) {}); err != nil {
		t.Fatal(err)
	}
	var source processEvents
	if events {
		source = h
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- newProcessWatch(&spec, h.root, source).run(ctx, func(up bool) { j.add("%v", up) })
	}()
	synctest.Wait()
	return j, func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
}

func TestProcessWatchListens(t *testing.T) {
	h := newProcHost(t)
	synctest.Test(t, func(t *testing.T) {
		h.events, h.errs, h.closed = make(chan []procconn.Event), make(chan error), make(chan struct{})
		h.put(10, "sh", "S", "sh")
		j, end := watching(t, h, ProcessSpec{Name: "nginx", Min: 2, Max: 3}, true)
		j.expect(t, "0s false")
		h.put(20, "nginx", "S")
		h.changed(20, 20)
		h.put(21, "nginx", "S")
		h.changed(99, 21) // 99 has ended since
		j.expect(t, "0s true")
		h.put(22, "nginx", "S")
		h.put(23, "nginx", "S")
		h.changed(22, 23)
		j.expect(t, "0s false")
		h.ended(22)
		h.ended(10)
		j.expect(t, "0s true")
		h.put(23, "less", "S") // another program
		h.changed(23)
		h.ended(21)
		j.expect(t, "0s false")

		h.put(24, "nginx", "S")
		h.errs <- procconn.ErrLost
		synctest.Wait()
		j.expect(t, "0s true")
		h.kill(24)
		h.errs <- procconn.ErrLost // so soon: looks a little later
		synctest.Wait()
		j.expect(t)
		pass(100 * time.Millisecond)
		j.expect(t, "100ms false")
		h.put(24, "nginx", "S") // not told
		pass(processResync)
		j.expect(t, "1m0.1s true")
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestProcessWatchDelays(t *testing.T) {
	h := newProcHost(t)
	synctest.Test(t, func(t *testing.T) {
		h.events, h.errs, h.closed = make(chan []procconn.Event), make(chan error), make(chan struct{})
		h.put(20, "nginx", "S")
		j, end := watching(t, h, ProcessSpec{Name: "nginx", ForkDelay: 2 * time.Second, TerminateDelay: time.Second}, true)
		h.ended(20)
		pass(900 * time.Millisecond)
		h.put(21, "nginx", "S") // restarted in time
		h.changed(21)
		pass(5 * time.Second)
		h.ended(21)
		pass(5 * time.Second)
		h.put(22, "nginx", "S")
		h.changed(22)
		pass(5 * time.Second)
		j.expect(t, "0s true", "6.9s false", "12.9s true")
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestProcessWatchPolls(t *testing.T) {
	h := newProcHost(t)
	synctest.Test(t, func(t *testing.T) {
		j, end := watching(t, h, ProcessSpec{Name: "nginx", Interval: 3 * time.Second}, false)
		h.put(20, "nginx", "S")
		pass(5 * time.Second)
		h.kill(20)
		pass(2 * time.Second)
		j.expect(t, "0s false", "3s true", "6s false")
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestProcessWatchBreaks(t *testing.T) {
	h := newProcHost(t)
	for _, insist := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h.events, h.errs, h.closed = make(chan []procconn.Event), make(chan error), make(chan struct{})
			j, end := watching(t, h, ProcessSpec{Name: "nginx", RequireEvents: insist}, true)
			h.errs <- syscall.EBADF
			synctest.Wait()
			if insist {
				if err := end(); err != syscall.EBADF {
					t.Errorf("returned %v, want its cause", err)
				}
				return
			}
			h.put(20, "nginx", "S")
			pass(2 * time.Second)
			j.expect(t, "0s false", "1s true")
			h.kill(20)
			if err := end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// namedEnv makes a copy of the test binary wait until its input ends.
const namedEnv = "MAINSTAY_TEST_PROCESS"

func TestProcessThatWaits(t *testing.T) {
	if os.Getenv(namedEnv) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
}

// runNamed starts a process of that name; end ends it and waits for it.
func runNamed(t *testing.T, name string) (end func()) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(binary, link); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(link, "-test.run=^TestProcessThatWaits$")
	cmd.Env = append(os.Environ(), namedEnv+"=1", "GORACE=atexit_sleep_ms=0")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			stdin.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	t.Cleanup(end)
	return end
}

// Real processes, with the kernel's events and without.
func TestTrackProcess(t *testing.T) {
	for _, c := range []struct {
		name string
		spec ProcessSpec
		run  func(context.Context, ProcessSpec, func(bool)) error
	}{
		{"events", ProcessSpec{RequireEvents: true}, TrackProcess},
		{"interval", ProcessSpec{Interval: 10 * time.Millisecond}, func(ctx context.Context, spec ProcessSpec, set func(bool)) error {
			if err := spec.validate(set); err != nil {
				return err
			}
			return newProcessWatch(&spec, "/proc", nil).run(ctx, set)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if conn, err := procconn.Dial(); err == nil {
				conn.Close()
			} else if c.spec.RequireEvents {
				need.Skip(t, "process events: "+err.Error())
			}
			ctx, cancel := context.WithCancel(untilDeadline(t))
			defer cancel()
			c.spec.Name = "ms" + strconv.Itoa(os.Getpid()) + c.name[:2]
			first := runNamed(t, c.spec.Name)
			told, done := newVerdicts(), make(chan error, 1)
			go func() { done <- c.run(ctx, c.spec, told.set) }()
			told.expect(t, ctx, true)
			first()
			told.expect(t, ctx, false)
			second, third := runNamed(t, c.spec.Name), runNamed(t, c.spec.Name)
			told.expect(t, ctx, true)
			second()
			third()
			told.expect(t, ctx, false)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Where the kernel refuses its events, it is said or done without.
func TestTrackProcessWithoutEvents(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	err := TrackProcess(t.Context(), ProcessSpec{Name: "x", RequireEvents: true}, func(bool) {})
	if !errors.Is(err, procconn.ErrRefused) && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EPERM) {
		t.Errorf("TrackProcess() = %v, want the kernel's refusal", err)
	}
	ctx, cancel := context.WithCancel(untilDeadline(t))
	var l logs
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	told, done := newVerdicts(), make(chan error, 1)
	spec := ProcessSpec{Name: strings.TrimSpace(string(comm)), Logger: l.logger()}
	go func() { done <- TrackProcess(ctx, spec, told.set) }()
	told.expect(t, ctx, true)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if l.count("no process events, looking at an interval") != 1 {
		t.Errorf("logged %s", l.String())
	}
}

func BenchmarkProcessScan(b *testing.B) {
	table := newProcessTable(&ProcessSpec{Name: "no such process"}, "/proc")
	for b.Loop() {
		if err := table.scan(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProcessLook(b *testing.B) {
	table := newProcessTable(&ProcessSpec{Name: "no such process"}, "/proc")
	for b.Loop() {
		if err := table.look(1); err != nil {
			b.Fatal(err)
		}
	}
}
