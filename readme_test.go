package mainstay

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeProgram holds the program in the README to the one in examples/minimal, which every build compiles.
func TestReadmeProgram(t *testing.T) {
	want, err := os.ReadFile("examples/minimal/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if got := fenced(t, "```go\n"); got != string(want) {
		t.Errorf("the README's program is not examples/minimal/main.go:\n%s", got)
	}
}

// TestReadmeCommands keeps the README's two commands, and that they come first.
func TestReadmeCommands(t *testing.T) {
	if got, want := fenced(t, "```\n"), "go run ./examples/quickstart -interval 100ms\ngo test ./...\n"; got != want {
		t.Errorf("the first commands are %q, want %q", got, want)
	}
}

// fenced returns the first block of the README that opens with the fence.
func fenced(t *testing.T, open string) string {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), open)
	if !ok {
		t.Fatalf("README.md has no block that opens with %q", open)
	}
	block, _, _ := strings.Cut(rest, "```\n")
	return block
}
