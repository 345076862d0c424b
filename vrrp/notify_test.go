package vrrp

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// transitionTo is a transition as far as notifiers look at it.
func transitionTo(to State, priority uint8) Transition {
	return Transition{VRID: 51, To: to, Priority: priority}
}

func TestNotifyWords(t *testing.T) {
	for state, want := range map[State]string{Active: "MASTER", Backup: "BACKUP", Fault: "FAULT", Initialize: "STOP"} {
		if got := stateWord(state); got != want {
			t.Errorf("stateWord(%v) = %v, want %v", state, got, want)
		}
	}
}

func TestNotifyRefuses(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	makeExec := func(name string, opts ...NotifyOption) error { _, err := ExecNotify(name, opts...); return err }
	makeFIFO := func(name string, opts ...NotifyOption) error { _, err := FIFONotify(name, fifo, opts...); return err }
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"no name", makeExec("", NotifyScript("/x")), "a name of 1 to 255 bytes"},
		{"a quote", makeExec(`a"b`, NotifyScript("/x")), "without quotes"},
		{"a newline", makeFIFO("a\nb"), "without quotes and control characters"},
		{"a long name", makeFIFO(strings.Repeat("x", 256)), "a name of 1 to 255 bytes"},
		{"nil option", makeExec("x", nil), "option 1 is nil"},
		{"no timeout", makeExec("x", NotifyScript("/x"), NotifyTimeout(0)), "timeout 0s is not positive"},
		{"no wait", makeFIFO("x", NotifyWait(-1)), "wait -1ns is negative"},
		{"environment", makeExec("x", NotifyScript("/x"), NotifyEnv("A=1", "B")), `"B" is not KEY=value`},
		{"environment, no key", makeExec("x", NotifyScript("/x"), NotifyEnv("=1")), `"=1" is not KEY=value`},
		{"nothing to do", makeExec("x"), `vrrp: notify "x": no program is given`},
		{"a FIFO's option", makeExec("x", NotifyScript("/x"), NotifyWait(1), NotifyCreate()), "NotifyCreate, NotifyWait: not for a program"},
		{"a program's option", makeFIFO("x", NotifyMaster("/x"), NotifyTimeout(1)), "NotifyMaster, NotifyTimeout: not for a FIFO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("%v, want %q", c.err, c.want)
			}
		})
	}
	if _, err := os.Stat(fifo); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused notifier made its FIFO: %v", err)
	}
	if runtime.GOOS == "windows" {
		for _, err := range []error{makeExec("x", NotifyScript("/x")), makeFIFO("x")} {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%v, want errors.ErrUnsupported", err)
			}
		}
	}
}

func TestObserver(t *testing.T) {
	status := func(s State, priority uint8, losing uint64) Status {
		return Status{State: s, EffectivePriority: priority, Statistics: Statistics{LosingAdverts: losing}}
	}
	var o observer
	for i, c := range []struct {
		status Status
		want   string
	}{
		{status(Backup, 100, 3), ""},
		{status(Backup, 100, 3), ""},
		{status(Backup, 80, 3), "BACKUP_PRIORITY"},
		{status(Active, 100, 3), ""}, // the transition tells
		{status(Active, 90, 3), "MASTER_PRIORITY"},
		{status(Active, 90, 4), "MASTER_RX_LOWER_PRI"},
		{status(Active, 100, 6), "MASTER_PRIORITY MASTER_RX_LOWER_PRI"},
		{status(Fault, 80, 6), ""},
		{status(Fault, 100, 6), ""},
		{status(Backup, 100, 7), ""},
		{status(Backup, 100, 8), ""},
		{status(Active, 100, 8), ""},
	} {
		if got := strings.Join(o.observe(c.status), " "); got != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
	}
}

func TestLineLog(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes []string
		want   []string
		lost   string
	}{
		{"lines", []string{"one\ntwo\n"}, []string{"output=one", "output=two"}, ""},
		{"in pieces", []string{"o", "ne\nt", "wo"}, []string{"output=one", "output=two"}, ""},
		{"empty ones", []string{"\n\none\n\n"}, []string{"output=one"}, ""},
		{"nothing", nil, nil, ""},
		{"a long one", []string{strings.Repeat("x", 1500), strings.Repeat("x", 100) + "\nnext"},
			[]string{"output=" + strings.Repeat("x", 1024), "output=next"}, "output_lost_bytes=576"},
		{"many", []string{strings.Repeat("y\n", 70)}, slices.Repeat([]string{"output=y"}, 64), "output_lost_bytes=6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l logs
			out := newLineLog(slog.New(slog.NewTextHandler(&l, nil)))
			for _, w := range c.writes {
				if n, err := out.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatalf("Write() = %d, %v", n, err)
				}
			}
			out.close()
			var got []string
			lost := ""
			for _, line := range strings.Split(strings.TrimSpace(l.String()), "\n") {
				if _, field, ok := strings.Cut(line, ` msg="notify script" `); ok && strings.HasPrefix(field, "output=") {
					got = append(got, field)
				} else if ok {
					lost = field
				}
			}
			if !slices.Equal(got, c.want) || lost != c.lost {
				t.Errorf("logged %d lines %.80q, %q, want %d lines %.80q, %q", len(got), got, lost, len(c.want), c.want, c.lost)
			}
		})
	}
}

func TestNotifyDefaults(t *testing.T) {
	c, err := newNotifyConfig("x", nil)
	if err != nil || c.timeout != 30*time.Second || c.wait != time.Second {
		t.Errorf("%+v, %v", c, err)
	}
}
