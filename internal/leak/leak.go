package leak

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// Main runs the tests of m and exits: with the code of the tests when they
// failed, with 1 when they passed and left goroutines or descriptors behind,
// whose stacks and link targets it prints on standard error, with 0 otherwise.
func Main(m *testing.M) {
	os.Exit(run(m.Run, os.Stderr, grace))
}

// run is Main with the tests, the printer and the patience given.
func run(tests func() int, out io.Writer, grace time.Duration) int {
	before := take()
	if code := tests(); code != 0 {
		return code // what a failed test left open is not news
	}
	left := before.leftovers(grace)
	if len(left) == 0 {
		return 0
	}
	fmt.Fprintf(out, "leak: left over after the tests: %d\n\n%s\n", len(left), strings.Join(left, "\n\n"))
	return 1
}

// Check fails t if it leaves goroutines or descriptors behind. Call it first:
// it compares in a cleanup, and cleanups run last in, first out. It cannot
// tell the goroutines of tests that run in parallel with t from those of t.
func Check(t testing.TB) {
	t.Helper()
	check(t, grace)
}

func check(t testing.TB, grace time.Duration) {
	t.Helper()
	before := take()
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			return
		}
		for _, l := range before.leftovers(grace) {
			t.Errorf("leak: left over after %s:\n%s", t.Name(), l)
		}
	})
}

// state is what existed at one moment.
type state struct {
	goroutines map[string]bool // by number
	files      map[file]bool
}

func take() state {
	initPoller() // its epoll and eventfd are the runtime's: they come first, once
	s := state{goroutines: map[string]bool{}, files: map[file]bool{}}
	for _, g := range goroutines() {
		s.goroutines[g.id] = true
	}
	for _, f := range files() {
		s.files[f] = true
	}
	return s
}

// grace is how long leftovers may take to end; the pauses between two looks
// double up to maxPause.
const (
	grace    = 2 * time.Second
	maxPause = 100 * time.Millisecond
)

// leftovers describes what exists now and did not in s, after waiting at most
// about grace for it to end. In a synctest bubble that is the bubble's time.
func (s state) leftovers(grace time.Duration) []string {
	left := s.diff()
	for waited, pause := time.Duration(0), time.Millisecond; len(left) > 0 && waited < grace; waited += pause {
		pause = min(2*pause, maxPause)
		time.Sleep(pause)
		left = s.diff()
	}
	return left
}

func (s state) diff() []string {
	var left []string
	for _, g := range goroutines() {
		if !s.goroutines[g.id] && !g.ours() {
			left = append(left, g.stack)
		}
	}
	for _, f := range files() {
		if !s.files[f] {
			left = append(left, fmt.Sprintf("descriptor %d: %s", f.fd, f.target))
		}
	}
	return left
}
