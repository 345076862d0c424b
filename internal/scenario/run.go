package scenario

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "replace the outputs in scenario scripts by what comes out")

// Run runs every script that matches glob as a subtest named for the file,
// without its extension. newFn is called once for each file and returns the
// function that plays its commands, so what it declares is the state of one
// script. It is an error when nothing matches.
func Run(t *testing.T, glob string, newFn func(t *testing.T) func(t *testing.T, c *Cmd) string) {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) == 0 {
		t.Fatalf("scenario: %s: no such files (%v)", glob, err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, filepath.Ext(name)), func(t *testing.T) {
			File(t, path, newFn(t))
		})
	}
}

// File plays one script in the calling test: play gets each command in turn and
// returns its output. It makes no subtest, so it can be called in a
// testing/synctest bubble. A newline is added to an output that lacks one.
func File(t *testing.T, path string, play func(t *testing.T, c *Cmd) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("scenario: %v", err)
	}
	s, err := parse(path, string(text))
	if err != nil {
		t.Fatalf("scenario: %v", err)
	}
	diffs := s.play(func(c *Cmd) string { return play(t, c) })
	if !*update {
		for _, d := range diffs {
			t.Errorf("%s: %s\ngot:\n%s\nwant:\n%s", d.cmd.Pos, d.cmd.Name, indent(d.got), indent(d.want))
		}
		return
	}
	if t.Failed() {
		t.Fatalf("scenario: %s: not updated, since a command failed", path)
	}
	if len(diffs) == 0 {
		return
	}
	if again, err := parse(path, s.String()); err != nil || again.String() != s.String() || !slices.Equal(again.wants(), s.wants()) {
		t.Fatalf("scenario: %s: not updated, since an output holds doubled %s or carriage returns", path, dashes)
	}
	if err := os.WriteFile(path, []byte(s.String()), 0o644); err != nil {
		t.Fatalf("scenario: %v", err)
	}
}

// diff is an output that was not the expected one.
type diff struct {
	cmd       Cmd
	got, want string
}

// play runs every command and makes what came out the expected output.
func (s *script) play(play func(*Cmd) string) []diff {
	var diffs []diff
	for i := range s.blocks {
		b := &s.blocks[i]
		got := play(&b.cmd)
		if got != "" && !strings.HasSuffix(got, "\n") {
			got += "\n"
		}
		if got != b.want {
			diffs = append(diffs, diff{b.cmd, got, b.want})
			b.want = got
		}
	}
	return diffs
}

func (s *script) wants() []string {
	var all []string
	for _, b := range s.blocks {
		all = append(all, b.want)
	}
	return all
}

// indent sets an output off from the text around it.
func indent(s string) string {
	if s == "" {
		return "    (nothing)"
	}
	return "    " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n    ")
}
