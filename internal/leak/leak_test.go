package leak

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

// briefly is the grace in tests that leak on purpose.
const briefly = 10 * time.Millisecond

// linger starts a goroutine that lasts until the test ends.
func linger(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		<-stop
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tests func(t *testing.T) int
		code  int
		want  string // in the output
	}{
		{"clean", func(*testing.T) int { return 0 }, 0, ""},
		{"failed tests keep their code", func(t *testing.T) int { linger(t); return 3 }, 3, ""},
		{"goroutine", func(t *testing.T) int { linger(t); return 0 }, 1, "leak.linger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			code := run(func() int { return tt.tests(t) }, &out, briefly)
			if code != tt.code || !strings.Contains(out.String(), tt.want) || (tt.want == "") != (out.Len() == 0) {
				t.Errorf("run() = %d, want %d; output:\n%s\nwant %q", code, tt.code, &out, tt.want)
			}
		})
	}
}

// TestGrace lets a leftover end after the first look at it.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := take()
		go time.Sleep(grace / 2)
		if left := before.diff(); len(left) != 1 {
			t.Errorf("%d leftovers at first, want 1", len(left))
		}
		if left := before.leftovers(grace); len(left) != 0 {
			t.Errorf("left over: %s", strings.Join(left, "\n\n"))
		}
	})
}

// recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	cleanup func()
	failed  bool
	errors  []string
}

func (r *recorder) Helper()           {}
func (r *recorder) Name() string      { return "TestX" }
func (r *recorder) Failed() bool      { return r.failed }
func (r *recorder) Cleanup(fn func()) { r.cleanup = fn }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		failed bool
		body   func(t *testing.T)
		want   int
	}{
		{"clean", false, func(*testing.T) {}, 0},
		{"goroutine", false, linger, 1},
		{"two goroutines", false, func(t *testing.T) { linger(t); linger(t) }, 2},
		{"failed anyway", true, linger, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &recorder{failed: tt.failed}
			check(r, briefly)
			tt.body(t)
			r.cleanup()
			if len(r.errors) != tt.want {
				t.Errorf("errors %q, want %d", r.errors, tt.want)
			}
			for _, e := range r.errors {
				if !strings.Contains(e, "leak: left over after TestX:\ngoroutine ") || !strings.Contains(e, "leak.linger") {
					t.Errorf("error %q, want the stack of linger", e)
				}
			}
		})
	}
}

func TestCheckInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		Check(t)
		go time.Sleep(time.Second) // ends within the grace, in the bubble's time
	})
}

// TestHarness has the testing package start goroutines of its own, which the
// leak check of this binary must not count.
func TestHarness(t *testing.T) {
	for range 2 {
		t.Run("parallel", func(t *testing.T) {
			Check(t)
			t.Parallel()
		})
	}
}

// FuzzNothing is for TestBinary.
func FuzzNothing(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(*testing.T, int) {})
}

// scene makes TestScene misbehave in a copy of this binary.
const scene = "MAINSTAY_LEAK_SCENE"

func TestScene(t *testing.T) {
	switch os.Getenv(scene) {
	case "goroutine":
		go func() { select {} }()
	case "descriptor":
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, r, w)
	case "failure":
		go func() { select {} }()
		t.Error("broken on purpose")
	}
}

var kept []*os.File

// TestBinary runs this binary again, as go test would.
func TestBinary(t *testing.T) {
	type row struct {
		name, scene string
		args        []string
		code        int
		want        string
	}
	rows := []row{
		{"clean", "", []string{"-test.run=^TestScene$"}, 0, "PASS"},
		{"goroutine", "goroutine", []string{"-test.run=^TestScene$"}, 1, "leak.TestScene"},
		{"run filter leaves the leak out", "goroutine", []string{"-test.run=^TestHarness$"}, 0, "PASS"},
		{"failing test", "failure", []string{"-test.run=^TestScene$"}, 1, "broken on purpose"},
		{"list", "", []string{"-test.list=."}, 0, "TestScene"},
		{"fuzzing", "", []string{"-test.run=^$", "-test.fuzz=^FuzzNothing$", "-test.fuzztime=50x", "-test.parallel=2"}, 0, "PASS"},
		{"profiles", "", []string{"-test.run=^TestHarness$", "-test.cpuprofile=cpu", "-test.trace=trace"}, 0, "PASS"},
	}
	if runtime.GOOS == "linux" {
		rows = append(rows, row{"descriptor", "descriptor", []string{"-test.run=^TestScene$"}, 1, ": pipe:["})
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, code := copyOfThis(t, tt.scene, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.want) {
				t.Errorf("exit code %d, want %d; output:\n%s\nwant %q", code, tt.code, out, tt.want)
			}
			if tt.scene == "failure" && strings.Contains(out, "left over") {
				t.Errorf("a failing test is reported as a leak too:\n%s", out)
			}
		})
	}
}

// copyOfThis runs this test binary and returns its output and exit code.
func copyOfThis(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(binary, append(args, "-test.outputdir="+dir, "-test.fuzzcachedir="+dir)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), scene+"="+name, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
