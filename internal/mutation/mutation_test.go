package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutationsApply keeps the committed mutations from rotting: each parses and finds its text exactly once.
func TestMutationsApply(t *testing.T) {
	all, err := load("mutations")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no mutation found")
	}
	for _, m := range all {
		b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(m.file)))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if _, err := m.mutate(string(b)); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

func TestParse(t *testing.T) {
	const good = "why: a reason\nfile: a/b.go\ntest: go test ./a -run '^TestB$'\n--- old\nx\n--- new\ny\n---\n"
	m, err := parse(good)
	if err != nil {
		t.Fatal(err)
	}
	if m.why != "a reason" || m.file != "a/b.go" || m.old != "x" || m.new != "y" || m.test[4] != "^TestB$" {
		t.Errorf("parse() = %+v", m)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"no old text", "--- old\n", "", "--- old"},
		{"no new text", "--- new\n", "", "--- new"},
		{"no end", "\n---\n", "\n", "does not end"},
		{"unknown line", "why:", "when:", "unknown line"},
		{"no reason", "why: a reason", "", "why and file"},
		{"not a test", "go test", "rm -rf", "go test command"},
		{"open quote", "$'", "$", "quote"},
		{"no change", "--- new\ny\n", "--- new\nx\n", "equals"},
	} {
		if _, err := parse(strings.Replace(good, c.old, c.new, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: parse() = %v, want an error about %q", c.name, err, c.want)
		}
	}
}

func TestMutate(t *testing.T) {
	m := mutation{file: "f", old: "a", new: "b"}
	if got, err := m.mutate("xay"); err != nil || got != "xby" {
		t.Errorf("mutate() = %q, %v", got, err)
	}
	for _, source := range []string{"xy", "xaya"} {
		if _, err := m.mutate(source); err == nil {
			t.Errorf("mutate(%q) succeeds", source)
		}
	}
}

// TestApply leaves the file as it was after undo.
func TestApply(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "f.go")
	if err := os.WriteFile(p, []byte("one two"), 0o644); err != nil {
		t.Fatal(err)
	}
	undo, err := mutation{file: "f.go", old: "two", new: "three"}.apply(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(p); string(b) != "one three" {
		t.Errorf("after apply: %q", b)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(p); string(b) != "one two" {
		t.Errorf("after undo: %q", b)
	}
}
