//go:build unix && !aix

package vrrp

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// notifyProgram writes a shell script and returns its path.
func notifyProgram(t *testing.T, name, body string) string {
	t.Helper()
	need.Program(t, "sh")
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustExec(t *testing.T, name string, opts ...NotifyOption) *ExecNotifier {
	t.Helper()
	n, err := ExecNotify(name, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func fileLines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// The arguments are keepalived's, and the script of the state comes first.
func TestExecNotifyArguments(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	record := notifyProgram(t, "record", `for a in "$@"; do printf '[%s]' "$a"; done >>"`+out+`"; echo >>"`+out+`"`)
	for _, c := range []struct {
		name string
		opts []NotifyOption
		want []string
	}{
		{"generic", []NotifyOption{NotifyScript(record)}, []string{
			"[INSTANCE][VI 1][BACKUP][100]", "[INSTANCE][VI 1][MASTER][254]", "[INSTANCE][VI 1][FAULT][1]", "[INSTANCE][VI 1][STOP][80]"}},
		{"its own arguments first", []NotifyOption{NotifyScript(record, "-v", "$HOME ;")}, []string{
			"[-v][$HOME ;][INSTANCE][VI 1][BACKUP][100]", "[-v][$HOME ;][INSTANCE][VI 1][MASTER][254]",
			"[-v][$HOME ;][INSTANCE][VI 1][FAULT][1]", "[-v][$HOME ;][INSTANCE][VI 1][STOP][80]"}},
		{"group", []NotifyOption{NotifyScript(record), NotifyGroup()}, []string{
			"[GROUP][VI 1][BACKUP][0]", "[GROUP][VI 1][MASTER][0]", "[GROUP][VI 1][FAULT][0]", "[GROUP][VI 1][STOP][0]"}},
		{"by state", []NotifyOption{NotifyMaster(record, "m"), NotifyBackup(record, "b", "2"), NotifyFault(record, "f"), NotifyStop(record, "s")},
			[]string{"[b][2]", "[m]", "[f]", "[s]"}},
		{"both", []NotifyOption{NotifyScript(record), NotifyMaster(record, "m")}, []string{
			"[INSTANCE][VI 1][BACKUP][100]", "[m]", "[INSTANCE][VI 1][MASTER][254]", "[INSTANCE][VI 1][FAULT][1]", "[INSTANCE][VI 1][STOP][80]"}},
		{"one state", []NotifyOption{NotifyFault(record, "f")}, []string{"[f]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove(out)
			n := mustExec(t, "VI 1", c.opts...)
			n.Notify(transitionTo(Backup, 100))
			n.Notify(transitionTo(Active, 254))
			n.Notify(transitionTo(Fault, 1))
			n.Notify(transitionTo(Initialize, 80))
			if got := fileLines(t, out); !slices.Equal(got, c.want) {
				t.Errorf("run with:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if got := n.Snapshot(); got.Notified != uint64(len(c.want)) || got.Errors != 0 || got.Name != "VI 1" {
				t.Errorf("Snapshot() = %+v", got)
			}
		})
	}
}

func TestExecNotifyObserves(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	n := mustExec(t, "VI_1", NotifyMasterRxLowerPri(notifyProgram(t, "rx", `echo "$@" >>"`+out+`"`), "lower"), NotifyScript(notifyProgram(t, "all", "exit 1")))
	s := Status{State: Active, EffectivePriority: 100}
	n.Observe(s)
	s.EffectivePriority = 90 // no program for that
	n.Observe(s)
	s.Statistics.LosingAdverts = 2
	n.Observe(s)
	n.Observe(s)
	if got := fileLines(t, out); !slices.Equal(got, []string{"lower"}) {
		t.Errorf("ran %q, want once", got)
	}
}

// A program has a clean environment, no input, / as directory, and a process
// group of its own; what it prints is logged.
func TestExecNotifySurroundings(t *testing.T) {
	t.Setenv("MAINSTAY_TEST_SECRET", "leaked")
	var l logs
	n := mustExec(t, "VI_1", NotifyLogger(l.logger()), NotifyEnv("COLOUR=blue"), NotifyScript(notifyProgram(t, "look",
		`echo "secret=$MAINSTAY_TEST_SECRET colour=$COLOUR path=$PATH"; pwd; if read x; then echo input; fi
echo "to stderr" >&2
kill -s 0 -- -$$ && echo own group`)))
	n.Notify(transitionTo(Active, 100))
	for _, want := range []string{
		`state=MASTER output="secret= colour=blue path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"`,
		"output=/\n", `output="to stderr"`, `output="own group"`,
	} {
		if !strings.Contains(l.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, l.String())
		}
	}
	if strings.Contains(l.String(), "output=input") || strings.Contains(l.String(), "leaked") {
		t.Errorf("logged:\n%s", l.String())
	}
}

func TestExecNotifyFails(t *testing.T) {
	var l logs
	gone := notifyProgram(t, "gone", "exit 0")
	n := mustExec(t, "VI_1", NotifyLogger(l.logger()), NotifyMaster(notifyProgram(t, "fail", "exit 3")), NotifyBackup(gone), NotifyFault(notifyProgram(t, "die", "kill -9 $$")))
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	n.Notify(transitionTo(Active, 100))
	n.Notify(transitionTo(Backup, 100))
	n.Notify(transitionTo(Fault, 100))
	if got := n.Snapshot(); got.Errors != 3 || got.Notified != 0 {
		t.Errorf("Snapshot() = %+v, want 3 errors", got)
	}
	for _, want := range []string{`err="exit status 3"`, "no such file or directory", `err="signal: killed"`, "level=ERROR"} {
		if !strings.Contains(l.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, l.String())
		}
	}
}

// When the time is up, the whole group goes: those who obey SIGTERM, those who
// do not, and those whose leader has gone already.
func TestExecNotifyTimeout(t *testing.T) {
	for _, c := range []struct{ name, body string }{
		{"obeys", `sleep 1000 & echo $! >"$1"; wait`},
		{"ignores SIGTERM", `trap '' TERM; (trap '' TERM; sleep 1000) & echo $! >"$1"; while :; do wait; done`},
		{"leaves somebody who ignores it", `trap 'exit 0' TERM; (trap '' TERM; exec sleep 1000) & echo $! >"$1"; wait`},
	} {
		t.Run(c.name, func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			program := notifyProgram(t, "hang", c.body)
			text := ""
			for timeout := 200 * time.Millisecond; text == ""; timeout *= 2 { // until it has had the time to begin
				var l logs
				n := mustExec(t, "VI_1", NotifyLogger(l.logger()), NotifyTimeout(timeout), NotifyScript(program, pidFile))
				n.exec.grace = 200 * time.Millisecond
				n.Notify(transitionTo(Active, 100))
				if got := n.Snapshot(); got.Errors != 1 || l.count("not done after "+timeout.String()) != 1 {
					t.Errorf("Snapshot() = %+v, log:\n%s", got, l.String())
				}
				text = fileLines(t, pidFile)[0]
			}
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
			// It is dead, or a zombie until its new parent looks.
			for ctx := untilDeadline(t); syscall.Kill(pid, 0) == nil; runtime.Gosched() {
				if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(stat), ") Z ") {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("process %d lives on", pid)
				}
			}
		})
	}
}

// Somebody left in the background, with the program's output, is not waited for
// until it ends, and not killed.
func TestExecNotifyBackground(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	n := mustExec(t, "VI_1", NotifyScript(notifyProgram(t, "daemon", `sleep 1000 & echo $! >"$1"`), pidFile))
	n.exec.linger = 10 * time.Millisecond
	n.Notify(transitionTo(Active, 100))
	if got := n.Snapshot(); got.Notified != 1 || got.Errors != 0 {
		t.Errorf("Snapshot() = %+v", got)
	}
	pid, err := strconv.Atoi(fileLines(t, pidFile)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the process in the background: %v", err)
	}
}

// Transitions do not wait for programs: only callbacks do.
func TestExecNotifyDelaysNothing(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	n := mustExec(t, "VI_1", NotifyBackup(notifyProgram(t, "wait", `read x <"$1"`), fifo))
	seen, logged := make(chan State, 10), make(lineChan, 10)
	r, err := New(51, vips4, WithTransport(newFake()), WithInterval(10*time.Millisecond),
		WithLogger(slog.New(slog.NewTextHandler(logged, nil))),
		WithOnTransition(n.Notify), WithOnTransition(func(tr Transition) { seen <- tr.To }))
	if err != nil {
		t.Fatal(err)
	}
	run := rerun(t, r)
	for ctx, line := untilDeadline(t), ""; !strings.Contains(line, "state=active"); {
		select {
		case line = <-logged:
		case <-ctx.Done():
			t.Fatal("the router waits for a program")
		}
	}
	select {
	case s := <-seen:
		t.Errorf("the next callback came before the program ended: %v", s)
	default:
	}
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := run.end(); err != nil {
		t.Fatal(err)
	}
	if got := []State{<-seen, <-seen, <-seen}; !slices.Equal(got, []State{Backup, Active, Initialize}) {
		t.Errorf("callbacks saw %v", got)
	}
}

// lineChan is what a logger writes.
type lineChan chan string

func (c lineChan) Write(b []byte) (int, error) { c <- string(b); return len(b), nil }

// One at a time, whoever calls.
func TestExecNotifyOneAtATime(t *testing.T) {
	dir := t.TempDir()
	n := mustExec(t, "VI_1", NotifyScript(notifyProgram(t, "alone", `mkdir "`+dir+`/lock" || exit 1; rmdir "`+dir+`/lock"`)))
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 5 {
				n.Notify(transitionTo(Active, 100))
			}
		}()
	}
	for range 4 {
		<-done
	}
	if got := n.Snapshot(); got.Notified != 20 || got.Errors != 0 {
		t.Errorf("Snapshot() = %+v, want 20 that succeeded", got)
	}
}

func TestExecNotifyUser(t *testing.T) {
	if _, err := ExecNotify("x", NotifyScript(notifyProgram(t, "s", "")), NotifyUser("no such user", "")); err == nil || !strings.Contains(err.Error(), "no such user") {
		t.Errorf("an unknown user: %v", err)
	}
	if _, err := ExecNotify("x", NotifyScript(notifyProgram(t, "s", "")), NotifyUser("54321", "")); err == nil || !strings.Contains(err.Error(), "give one") {
		t.Errorf("a number without a group: %v", err)
	}
	if _, err := ExecNotify("x", NotifyScript(notifyProgram(t, "s", "")), NotifyUser("", "0")); err == nil || !strings.Contains(err.Error(), "without a user") {
		t.Errorf("a group without a user: %v", err)
	}
	if _, err := ExecNotify("x", NotifyScript(notifyProgram(t, "s", "")), NotifyUser("0", "no such group")); err == nil || !strings.Contains(err.Error(), "no such group") {
		t.Errorf("an unknown group: %v", err)
	}
	if os.Geteuid() != 0 {
		if _, err := ExecNotify("x", NotifyScript(notifyProgram(t, "s", "")), NotifyUser("54321", "54321")); !errors.Is(err, syscall.EPERM) {
			t.Errorf("another user without privilege: %v, want EPERM", err)
		}
		need.Skip(t, "to run a program as another user: root")
	}
	var l logs
	need.Program(t, "id")
	path := notifyProgram(t, "who", `echo "$(id -u) $(id -g) $(id -G)"`)
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n := mustExec(t, "VI_1", NotifyLogger(l.logger()), NotifyUser("54321", "54322"), NotifyScript(path))
	n.Notify(transitionTo(Active, 100))
	if l.count(`output="54321 54322 54322"`) != 1 {
		t.Errorf("logged:\n%s", l.String())
	}
}

func TestTrustProgram(t *testing.T) {
	path := notifyProgram(t, "s", "")
	dir := filepath.Dir(path)
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"s.sh", `"s.sh" is not an absolute path`},
		{"", "not an absolute path"},
		{filepath.Join(dir, "none"), "no such file"},
		{dir, "not an executable file"},
		{plain, "not an executable file"},
		{path, ""},
	} {
		err := trustProgram(c.path, false)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v, want %q", c.path, err, c.want)
		}
	}
}

// fileOf is a file as far as trustFile looks at it.
type fileOf struct {
	fs.FileInfo
	mode     fs.FileMode
	uid, gid uint32
}

func (f fileOf) Mode() fs.FileMode { return f.mode }
func (f fileOf) Sys() any          { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

func TestTrustFile(t *testing.T) {
	for _, c := range []struct {
		name string
		file fileOf
		want bool
	}{
		{"root's", fileOf{mode: 0o755}, true},
		{"root's, with root's group", fileOf{mode: 0o775}, true},
		{"another group", fileOf{mode: 0o755, gid: 7}, true},
		{"another group that writes", fileOf{mode: 0o775, gid: 7}, false},
		{"everybody writes", fileOf{mode: 0o757}, false},
		{"another's", fileOf{mode: 0o700, uid: 7}, false},
		{"a directory", fileOf{mode: fs.ModeDir | 0o755}, true},
		{"everybody's directory", fileOf{mode: fs.ModeDir | 0o777}, false},
		{"everybody's directory, sticky", fileOf{mode: fs.ModeDir | fs.ModeSticky | 0o777}, true},
		{"another's directory, sticky", fileOf{mode: fs.ModeDir | fs.ModeSticky | 0o755, uid: 7}, false},
		{"a sticky file", fileOf{mode: fs.ModeSticky | 0o777}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := trustFile("/x", c.file); (err == nil) != c.want {
				t.Errorf("trustFile() = %v, want trust %v", err, c.want)
			}
		})
	}
}

// As root, nothing on the way to a program may be in the hands of others.
func TestTrustProgramOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		need.Skip(t, "files that belong to root: root")
	}
	base := t.TempDir()
	if err := trustPath(base); err != nil {
		need.Skip(t, "a temporary directory that others cannot write: "+err.Error())
	}
	do := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	at := func(parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
	for _, dir := range []string{"safe", "open", "sticky", "foreign", "group"} {
		do(os.Mkdir(at(dir), 0o755))
		do(os.WriteFile(at(dir, "run"), nil, 0o755))
	}
	do(os.Chmod(at("open"), 0o777))
	do(os.Chmod(at("sticky"), 0o777|fs.ModeSticky))
	do(os.Chown(at("foreign"), 54321, 0))
	do(os.Chown(at("group"), 0, 54321))
	do(os.Chmod(at("group"), 0o775))
	for name, mode := range map[string]fs.FileMode{"writable": 0o757, "groupwritable": 0o775} {
		do(os.WriteFile(at("safe", name), nil, 0o755))
		do(os.Chmod(at("safe", name), mode))
	}
	do(os.WriteFile(at("safe", "foreign"), nil, 0o755))
	do(os.Chown(at("safe", "foreign"), 54321, 0))
	do(os.WriteFile(at("sticky", "foreign"), nil, 0o755))
	do(os.Chown(at("sticky", "foreign"), 54321, 0))
	do(os.Symlink("run", at("safe", "relative")))
	do(os.Symlink(at("safe", "run"), at("safe", "absolute")))
	do(os.Symlink("../open/run", at("safe", "out")))
	do(os.Symlink("../safe", at("open", "in")))
	do(os.Symlink("../safe", at("sticky", "in")))
	do(os.Symlink("../safe", at("sticky", "theirs")))
	do(os.Lchown(at("sticky", "theirs"), 54321, 0))
	do(os.Symlink("loop", at("safe", "loop")))
	do(os.Symlink("../foreign/../safe/run", at("safe", "through")))
	for _, c := range []struct{ path, want string }{
		{"safe/run", ""},
		{"safe/../safe/./run", ""},
		{"safe/relative", ""},
		{"safe/absolute", ""},
		{"sticky/run", ""},
		{"sticky/in/run", ""},
		{"open/run", "open can be written by others than root"},
		{"open/in/run", "open can be written"},
		{"safe/out", "open can be written"},
		{"safe/through", "foreign does not belong to root"},
		{"foreign/run", "foreign does not belong to root"},
		{"group/run", "group can be written"},
		{"safe/writable", "writable can be written"},
		{"safe/groupwritable", ""}, // the group is root's
		{"safe/foreign", "foreign does not belong to root"},
		{"sticky/foreign", "foreign does not belong to root"},
		{"sticky/theirs/run", "theirs does not belong to root"},
		{"safe/loop", "too many levels of symbolic links"},
	} {
		t.Run(c.path, func(t *testing.T) {
			err := trustProgram(base+"/"+c.path, true)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := ExecNotify("x", NotifyScript(at("open", "run"))); err == nil || !strings.Contains(err.Error(), `vrrp: notify "x": not as root: `) {
		t.Errorf("ExecNotify() = %v", err)
	}
	if _, err := ExecNotify("x", NotifyScript(at("open", "run")), NotifyUser("54321", "54321")); err != nil {
		t.Errorf("as another user: %v", err)
	}
}
