//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mainstay-ha/mainstay/vrrp"
)

// TestDaemonTracks has a command decide whether the router may take part, and another one about its priority.
func TestDaemonTracks(t *testing.T) {
	dir := t.TempDir()
	nginx, db := filepath.Join(dir, "nginx"), filepath.Join(dir, "db")
	s := newScene(t, alone("-priority 100 -track '0,interval=20ms,timeout=19ms:test -e "+nginx+"' -track '-30,interval=20ms,timeout=19ms:test -e "+db+"'"))
	s.run()
	s.lines.until(t, "to=fault reason=fault")
	touch(t, nginx)
	s.lines.until(t, "from=fault to=backup reason=recovered")
	if line := s.lines.until(t, "to=active"); !strings.Contains(line, "priority=70") {
		t.Errorf("without the second file: %s", line)
	}
	s.holds("192.0.2.100/24", true)
	if err := os.Remove(nginx); err != nil {
		t.Fatal(err)
	}
	s.lines.until(t, "from=active to=fault reason=fault")
	s.holds("192.0.2.100/24", false)

	// What is tracked changes while the router runs.
	s.flags = alone("-priority 100 -track '-30,interval=20ms,timeout=19ms:test -e " + db + "'")
	s.signals <- syscall.SIGHUP
	s.lines.until(t, "to=active")
	s.flags = alone("-priority 90 -track '-9,interval=20ms,timeout=19ms:true' -track '0,interval=20ms,timeout=19ms:test -e " + db + "'")
	touch(t, db)
	s.signals <- syscall.SIGHUP
	s.log.until(t, "msg=updated")
	if err := os.Remove(db); err != nil {
		t.Fatal(err)
	}
	s.lines.until(t, "from=active to=fault")

	s.flags = alone("-priority 255") // which no weight goes with
	s.signals <- syscall.SIGHUP
	s.lines.until(t, "to=active", "priority=255")
	s.stop(syscall.SIGTERM)
	if n := len(s.checks.manager.Snapshot().Targets); n != 0 {
		t.Errorf("%d commands are left", n)
	}
}

// TestReloadedTrackerDoesNotResign adds a command without a weight to an Active router: while it has no verdict, the
// router stays Active.
func TestReloadedTrackerDoesNotResign(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, alone(""))
	s.run()
	s.lines.until(t, "to=active")
	s.flags = alone("-track '0,interval=10s:cat " + gate + "'")
	s.signals <- syscall.SIGHUP
	f, err := os.OpenFile(gate, os.O_WRONLY, 0) // waits until the command runs
	if err != nil {
		t.Fatal(err)
	}
	if got := s.snapshot(loopback + "-51"); got.State != vrrp.Active || got.Statistics.MasterTransitions != 1 {
		t.Errorf("while the command runs: %+v", got)
	}
	f.Close()
	s.stop(syscall.SIGTERM)
	if n := strings.Count(s.lines.String(), "to=fault"); n != 0 {
		t.Errorf("%d faults:\n%s", n, s.lines)
	}
}

// TestDaemonNotifies runs a script and fills a FIFO in keepalived's formats.
func TestDaemonNotifies(t *testing.T) {
	dir := t.TempDir()
	script, said, fifo := filepath.Join(dir, "notify"), filepath.Join(dir, "said"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" >"+said+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	news := newLines()
	for _, path := range []string{said, fifo} {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan struct{})
		go func() { // joined by the cleanup
			defer close(read)
			buf := make([]byte, 4096)
			for {
				n, err := f.Read(buf)
				if err != nil {
					return
				}
				_, _ = news.Write(buf[:n])
			}
		}()
		t.Cleanup(func() { f.Close(); <-read })
	}
	s := newScene(t, alone("-name VI_1 -notify '"+script+" extra' -notify-fifo "+fifo))
	s.run()
	for _, want := range []string{`extra INSTANCE VI_1 MASTER 100`, `INSTANCE "VI_1" MASTER 100`} {
		news.again()
		news.until(t, want)
	}
	s.stop(syscall.SIGTERM)
	news.again()
	news.until(t, `INSTANCE "VI_1" STOP 100`)
}

func TestScriptThatIsNotThere(t *testing.T) {
	s := newScene(t, alone("-notify /nowhere/notify.sh"))
	s.run()
	if err := <-s.ended; exitCode(err) != exitFlags || !strings.Contains(err.Error(), "-notify: ") || !strings.Contains(err.Error(), "/nowhere/notify.sh") {
		t.Errorf("run = %v, code %d", err, exitCode(err))
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
