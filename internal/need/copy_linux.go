package need

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rerun runs t alone in a copy of the test binary, logs what that prints and
// returns it. The copy dies with this process; the kernel ties that to the
// thread, hence the lock.
func rerun(t *testing.T, attr *syscall.SysProcAttr) (string, error) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		return "", err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out := &logWriter{t: t}
	cmd := exec.CommandContext(t.Context(), binary, arguments(t)...)
	cmd.Env = append(os.Environ(), marker+"="+t.Name(),
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // no idle second at the end of each copy
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attr
	cmd.WaitDelay = 5 * time.Second // for what the copy itself leaves running
	err = cmd.Run()
	out.flush()
	return out.all.String(), err
}

// arguments selects exactly t, and ends the copy a little before this process.
func arguments(t *testing.T) []string {
	args := []string{"-test.run=" + selector(t.Name()), "-test.count=1", "-test.v=true"}
	if at, ok := t.Deadline(); ok {
		left := time.Until(at)
		args = append(args, "-test.timeout="+max(left-left/10, time.Millisecond).String())
	}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	return args
}

// selector is the -test.run pattern for one test or subtest.
func selector(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// verdict reads what the copy made of the test. A copy that ran no test is an
// error, not a success.
func verdict(name, out string, err error) (skipped bool, _ error) {
	switch {
	case err != nil:
		return false, fmt.Errorf("the test failed there: %w", err)
	case strings.Contains(out, "--- SKIP: "+name+" ("):
		return true, nil
	case strings.Contains(out, "--- PASS: "+name+" ("):
		return false, nil
	}
	return false, errors.New("the test did not run there")
}

// logWriter logs what the copy prints, line by line, and keeps it.
type logWriter struct {
	t    *testing.T
	all  bytes.Buffer
	done int // bytes of all that were logged
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.all.Write(p)
	for {
		rest := w.all.Bytes()[w.done:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return len(p), nil
		}
		w.t.Log("| " + string(rest[:end]))
		w.done += end + 1
	}
}

// flush logs a last line that has no newline.
func (w *logWriter) flush() {
	if rest := w.all.Bytes()[w.done:]; len(rest) > 0 {
		w.t.Log("| " + string(rest))
		w.done = w.all.Len()
	}
}
