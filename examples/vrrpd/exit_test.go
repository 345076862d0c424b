package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// program is the test binary in a role.
func program(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// exited runs a program to its end.
func exited(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string // in what is printed
	}{
		{"help", []string{"-h"}, 0, []string{"usage: vrrpd", "-unicast-peer"}},
		{"build", []string{"-build"}, 0, []string{"github.com/mainstay-ha/mainstay"}},
		{"dry run", append(strings.Fields(least), "-dry-run"), 0, []string{"1 virtual routers, no problem found"}},
		{"no flags", nil, 2, []string{"vrrpd: no flags"}},
		{"bad flags", []string{"-interface", "eth0", "-vrid", "300", "-nope"}, 2, []string{`vrrpd: -vrid "300": want 1 to 255`, "vrrpd: -vip is missing", "-nope"}},
		{"bad flags in a dry run", []string{"-vrid", "1", "-dry-run"}, 2, []string{"vrrpd: -interface is missing"}},
		{"no such interface", strings.Fields(least + "-interface nosuchlink0"), 4, []string{"vrrpd: -interface nosuchlink0 does not exist"}},
		{"no such interface to listen on", []string{"-listen", "-interface", "nosuchlink0"}, 4, []string{"nosuchlink0 does not exist"}},
		{"nodes that fit", []string{"-check", least + "-priority 150", least}, 0, []string{"ok"}},
		{"nodes that do not fit", []string{"-check", least, least}, 1, []string{"warning: vrid 51: -priority"}},
		{"nodes with bad flags", []string{"-check", least + "-vrid 0", least}, 2, []string{`vrrpd: A: -vrid "0"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := exited(t, program(t, "vrrpd", c.args...))
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out+errs, want) {
					t.Errorf("%q is not in:\n%s%s", want, out, errs)
				}
			}
		})
	}
}
