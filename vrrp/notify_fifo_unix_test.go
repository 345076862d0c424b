//go:build unix && !aix

package vrrp

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func mustFIFO(t *testing.T, name, path string, opts ...NotifyOption) *FIFONotifier {
	t.Helper()
	n, err := FIFONotify(name, path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// fifoReader opens a FIFO as another program would; Close is up to the test.
func fifoReader(t *testing.T, path string) *bufio.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return bufio.NewReader(f)
}

func TestFIFONotifyLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	n := mustFIFO(t, "VI_1", path, NotifyCreate())
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeNamedPipe|0o600 {
		t.Fatalf("%v, %v, want a FIFO of mode 0600", info, err)
	}
	group := mustFIFO(t, "VG 1", path, NotifyGroup(), NotifyCreate()) // there already

	n.Notify(transitionTo(Backup, 100)) // before anybody reads
	r := fifoReader(t, path)
	n.Notify(transitionTo(Active, 254))
	group.Notify(transitionTo(Fault, 80))
	n.Notify(transitionTo(Fault, 1))
	n.Notify(transitionTo(Initialize, 100))
	n.Observe(Status{State: Active, EffectivePriority: 100})
	n.Observe(Status{State: Active, EffectivePriority: 80, Statistics: Statistics{LosingAdverts: 1}})
	n.Observe(Status{State: Backup, EffectivePriority: 80})
	n.Observe(Status{State: Backup, EffectivePriority: 90})
	for _, want := range []string{
		`INSTANCE "VI_1" BACKUP 100`, `INSTANCE "VI_1" MASTER 254`, `GROUP "VG 1" FAULT 0`,
		`INSTANCE "VI_1" FAULT 1`, `INSTANCE "VI_1" STOP 100`,
		`INSTANCE "VI_1" MASTER_PRIORITY 80`, `INSTANCE "VI_1" MASTER_RX_LOWER_PRI 80`, `INSTANCE "VI_1" BACKUP_PRIORITY 90`,
	} {
		if got, err := r.ReadString('\n'); err != nil || got != want+"\n" {
			t.Fatalf("read %q, %v, want %q", got, err, want)
		}
	}
	if got := n.Snapshot(); got != (NotifyStatus{Name: "VI_1", Notified: 7}) {
		t.Errorf("Snapshot() = %+v", got)
	}
}

// fill fills a FIFO, and returns the number of lines that went in.
func fill(t *testing.T, n *FIFONotifier) (lines uint64) {
	t.Helper()
	wait := n.config.wait
	defer func() { n.config.wait = wait }()
	n.config.wait = 0
	for {
		n.Notify(transitionTo(Backup, 100))
		if now := n.Snapshot().Notified; now == lines {
			return lines
		} else {
			lines = now
		}
	}
}

// A full FIFO costs a wait and a line, which is counted and said.
func TestFIFONotifyFull(t *testing.T) {
	var l logs
	path := filepath.Join(t.TempDir(), "fifo")
	n := mustFIFO(t, "VI_1", path, NotifyCreate(), NotifyLogger(l.logger()), NotifyWait(time.Millisecond))
	lines := fill(t, n)
	n.Notify(transitionTo(Active, 100)) // after a wait
	if got := n.Snapshot(); got.Dropped != 2 || got.Errors != 0 || got.Notified != lines {
		t.Errorf("Snapshot() = %+v, want 2 dropped", got)
	}
	if l.count("level=ERROR msg=\"notify FIFO is full, line dropped\"") != 2 || l.count("state=MASTER name=VI_1") != 1 {
		t.Errorf("logged:\n%s", l.String())
	}
	r := fifoReader(t, path)
	for i := range lines {
		if got, err := r.ReadString('\n'); err != nil || got != "INSTANCE \"VI_1\" BACKUP 100\n" {
			t.Fatalf("line %d of %d: %q, %v", i, lines, got, err)
		}
	}
	n.Notify(transitionTo(Fault, 100))
	if got, err := r.ReadString('\n'); err != nil || !strings.Contains(got, "FAULT") {
		t.Errorf("after the full FIFO: %q, %v", got, err)
	}
}

// Room that comes in time is used.
func TestFIFONotifyWaitsForRoom(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("the poller knows no pipes there")
	}
	path := filepath.Join(t.TempDir(), "fifo")
	n := mustFIFO(t, "VI_1", path, NotifyCreate(), NotifyWait(time.Hour))
	lines := fill(t, n)
	var wg sync.WaitGroup
	wg.Go(func() { n.Notify(transitionTo(Active, 100)) })
	r := fifoReader(t, path)
	last := ""
	for range lines + 1 {
		var err error
		if last, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if last != "INSTANCE \"VI_1\" MASTER 100\n" || n.Snapshot().Dropped != 1 {
		t.Errorf("the last line is %q, %+v", last, n.Snapshot())
	}
}

// Close ends a wait, and lines after it are errors.
func TestFIFONotifyClose(t *testing.T) {
	var l logs
	path := filepath.Join(t.TempDir(), "fifo")
	n := mustFIFO(t, "VI_1", path, NotifyCreate(), NotifyLogger(l.logger()), NotifyWait(time.Hour))
	fill(t, n)
	var wg sync.WaitGroup
	if runtime.GOOS != "darwin" {
		wg.Go(func() { n.Notify(transitionTo(Active, 100)) })
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	n.Notify(transitionTo(Active, 100))
	if err := n.Close(); err != nil {
		t.Errorf("a second Close() = %v", err)
	}
	if got := n.Snapshot(); got.Errors == 0 || got.Dropped != 1 {
		t.Errorf("Snapshot() = %+v", got)
	}
	if l.count("msg=\"notify FIFO\"") == 0 {
		t.Errorf("logged:\n%s", l.String())
	}
}

func TestFIFONotifyOpens(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := FIFONotify("VI_1", filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), `vrrp: notify "VI_1": `) {
		t.Errorf("without a FIFO: %v", err)
	}
	for _, opts := range [][]NotifyOption{nil, {NotifyCreate()}} {
		if _, err := FIFONotify("VI_1", plain, opts...); err == nil || !strings.Contains(err.Error(), "is no named pipe") {
			t.Errorf("a file: %v", err)
		}
	}
	if _, err := FIFONotify("VI_1", filepath.Join(dir, "none", "fifo"), NotifyCreate()); !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "mkfifo") {
		t.Errorf("without a directory: %v", err)
	}
}
