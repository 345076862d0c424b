//go:build unix

package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/healthcheck"
	"github.com/mainstay-ha/mainstay/internal/leak"
)

// running starts checks that end with the test.
func running(t *testing.T) *checks {
	t.Helper()
	c, err := newChecks(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

func command(t *testing.T, value string) track {
	t.Helper()
	tr, err := trackOf("track")(value)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestCommandsAreFollowed(t *testing.T) {
	c := running(t)
	file := filepath.Join(t.TempDir(), "up")
	tr := command(t, "0,interval=20ms,timeout=19ms:test -e "+file)
	verdicts := make(chan bool, 100)
	end, err := c.follow(tr, func(up bool) { verdicts <- up })
	if err != nil {
		t.Fatal(err)
	}
	if <-verdicts {
		t.Error("the first verdict is up, without the file")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !<-verdicts {
		t.Error("the second verdict is down, with the file")
	}

	// A second follower of the same hears what is known at once, and runs nothing of its own.
	more := make(chan bool, 100)
	endMore, err := c.follow(tr, func(up bool) { more <- up })
	if err != nil {
		t.Fatal(err)
	}
	if len(more) != 1 || !<-more {
		t.Error("the second follower was not told at once")
	}
	if n := len(c.manager.Snapshot().Targets); n != 1 {
		t.Errorf("%d targets, want 1", n)
	}
	end()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if <-more {
		t.Error("up without the file")
	}
	if len(verdicts) != 0 {
		t.Error("a verdict came after the end")
	}
	endMore()
	endMore()
	if n := len(c.manager.Snapshot().Targets); n != 0 {
		t.Errorf("%d targets are left", n)
	}
}

// TestSlowCommandIsEnded gives a command no time; what it has started ends with it.
func TestSlowCommandIsEnded(t *testing.T) {
	leak.Check(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	results := make(chan healthcheck.Result, 1)
	go func() {
		results <- script{"(trap '' TERM; sleep 40) > " + fifo + " & sleep 40 > " + fifo}.Check(ctx, healthcheck.Target{})
	}()
	f, err := os.Open(fifo) // waits for a writer
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if r := <-results; r.Status != healthcheck.Fail {
		t.Errorf("result = %+v, want a failure", r)
	}
	if _, err := io.ReadAll(f); err != nil { // ends when nobody can write any more
		t.Error(err)
	}
}

func TestCommandResults(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name, command string
		ctx           context.Context
		want          healthcheck.Status
	}{
		{"success", "exit 0", context.Background(), healthcheck.Pass},
		{"failure", "exit 3", context.Background(), healthcheck.Fail},
		{"death by a signal", "kill -9 $$", context.Background(), healthcheck.Fail},
		{"not found", "/nowhere/command", context.Background(), healthcheck.Fail},
		{"a pipeline", "echo a | grep -q a", context.Background(), healthcheck.Pass},
		{"called off", "exit 0", canceled, healthcheck.Local},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := (script{c.command}).Check(c.ctx, healthcheck.Target{}); r.Status != c.want {
				t.Errorf("result = %+v, want %v", r, c.want)
			}
		})
	}
}
