package main

import (
	"os"
	"strings"
	"testing"
)

// readme returns the two blocks of the README's section: the commands, and what vrrpd prints.
func readme(t *testing.T) (commands, prints string) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(b), "\n## A real VIP in two namespaces, in six commands\n")
	if !ok {
		t.Fatal("the README has no such section")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := strings.Split(section, "```\n")
	if len(blocks) != 5 {
		t.Fatalf("%d blocks in the section, want 2", len(blocks)/2)
	}
	return blocks[1], blocks[3]
}

func TestReadmeHasSixCommands(t *testing.T) {
	commands, _ := readme(t)
	if n := strings.Count(commands, "\n"); n != 6 {
		t.Errorf("%d commands:\n%s", n, commands)
	}
	for line := range strings.Lines(commands) {
		_, flags, ok := strings.Cut(line, "./vrrpd ")
		if !ok {
			continue
		}
		if _, err := parse(t, strings.Trim(flags, " &\n")); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
