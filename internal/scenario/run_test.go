package scenario

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// player knows the commands of testdata.
func player(t *testing.T) func(*testing.T, *Cmd) string {
	count := 0
	return func(t *testing.T, c *Cmd) string {
		switch c.Name {
		case "silent":
			return ""
		case "count":
			count++
			return fmt.Sprint(count)
		case "echo":
			return c.Body
		case "call":
			var out strings.Builder
			list := func(name string, words []string) {
				out.WriteString(name + ":")
				for _, w := range words {
					fmt.Fprintf(&out, " %q", w)
				}
				out.WriteString("\n")
			}
			list("args", c.Args)
			list("positional", c.Positional())
			if prio, ok := c.Arg("prio"); ok {
				fmt.Fprintf(&out, "prio: %q\n", prio)
			}
			if c.Body != "" {
				fmt.Fprintf(&out, "body: %q\n", c.Body)
			}
			return out.String()
		}
		t.Fatalf("%s: no command %q", c.Pos, c.Name)
		return ""
	}
}

func TestRun(t *testing.T) { Run(t, "testdata/*.txt", player) }

func TestFileInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t0 := time.Now()
		path := filepath.Join(t.TempDir(), "clock.txt")
		write(t, path, "sleep 1h\n----\n1h0m0s\n")
		File(t, path, func(t *testing.T, c *Cmd) string {
			d, err := time.ParseDuration(c.Args[0])
			if err != nil {
				t.Fatalf("%s: %v", c.Pos, err)
			}
			time.Sleep(d)
			return time.Since(t0).String()
		})
	})
}

func TestUpdate(t *testing.T) {
	setUpdate(t)
	path := filepath.Join(t.TempDir(), "s.txt")
	write(t, path, "# kept\ncount\n----\n7\n\n\n# kept too\necho\na\n\nb\n----\n----\nold\n\n----\n----\n# end\n")
	const want = "# kept\ncount\n----\n1\n\n\n# kept too\necho\na\n\nb\n----\n----\na\n\nb\n----\n----\n\n# end\n"
	for range 2 { // the second time changes nothing
		File(t, path, player(t))
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Fatalf("updated to %q, want %q", got, want)
		}
	}
}

func setUpdate(t *testing.T) {
	old := *update
	*update = true
	t.Cleanup(func() { *update = old })
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestFailures runs this binary again for the scripts that must fail.
func TestFailures(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"other output", "count\n----\n1\n\ncount\n----\n7\n", "s.txt:5: count got: 2 want: 7"},
		{"too much output", "count\n----\n", "got: 1 want: (nothing)"},
		{"not a script", "count\n", "s.txt:1: no ---- after count"},
		{"unknown command", "# c\nnope\n----\n", `s.txt:2: no command "nope"`},
		{"no file", "", "no such files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.text != "" {
				write(t, filepath.Join(dir, "s.txt"), tt.text)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestPlayed$")
			cmd.Env = append(os.Environ(), played+"="+filepath.Join(dir, "*.txt"))
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(strings.Join(strings.Fields(string(out)), " "), tt.want) {
				t.Errorf("%v, output:\n%s\nwant a failure with:\n%s", err, out, tt.want)
			}
		})
	}
}

// played names the scripts for TestPlayed.
const played = "MAINSTAY_SCENARIO"

func TestPlayed(t *testing.T) {
	glob := os.Getenv(played)
	if glob == "" {
		return // only for TestFailures
	}
	Run(t, glob, player)
}

func TestUpdateRefuses(t *testing.T) {
	s, err := parse("f", "echo\n----\n")
	if err != nil {
		t.Fatal(err)
	}
	s.play(func(*Cmd) string { return "a\n\n----\n----\nb" })
	again, err := parse("f", s.String())
	if err == nil && len(again.blocks) == 1 && again.wants()[0] == s.wants()[0] {
		t.Error("an output with doubled dashes can be written: the refusal of -update is needless")
	}
}
