package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// TestReadmeCommands runs the README's commands literally, at the root of the module, where they leave a program.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("ten seconds of real time")
	}
	if !need.NamespaceAgain(t, 3) {
		return
	}
	need.Program(t, "bash", "go", "ip", "mount", "timeout", "unshare")
	const binary = "../../vrrpd"
	if _, err := os.Stat(binary); errors.Is(err, os.ErrNotExist) {
		t.Cleanup(func() { _ = os.Remove(binary) })
	}
	commands, prints := readme(t)
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "bash")
	cmd.Dir = "../.."
	cmd.Stdin = strings.NewReader("mount -t tmpfs run /run\n" + commands + "kill %1; wait\n")
	log := newLines()
	cmd.Stderr = log
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v\n%s\n%s", err, out, log)
	}

	// The end of the second one, by kill, is not in the README.
	const end = "iface=right0 from=active to=initialize"
	var got []string
	moved := false
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.Contains(line, "vrid=") && !strings.Contains(line, end):
			got = append(got, masked(line))
		case strings.Contains(line, "192.0.2.100/24"):
			moved = strings.Contains(line, " right0 ") && !strings.Contains(line, " left0 ")
		}
	}
	if !moved {
		t.Errorf("the right host has not the address:\n%s\n%s", out, log)
	}
	var want []string
	for line := range strings.Lines(prints) {
		want = append(want, masked(line))
	}
	slices.Sort(got) // two programs write at the same time
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("vrrpd prints, times masked:\n%sthe README shows:\n%s%s", strings.Join(got, ""), strings.Join(want, ""), log)
	}
}

// masked replaces the time.
func masked(line string) string {
	return regexp.MustCompile(`^\S+Z `).ReplaceAllString(line, "T ")
}
