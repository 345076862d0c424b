package leak

import (
	"runtime"
	"strings"
)

// goroutine is one paragraph of runtime.Stack.
type goroutine struct {
	id      string
	stack   string
	creator string // the function that started it; empty for the main goroutine
}

// goroutines lists all goroutines except the one that asks. The runtime leaves
// its system goroutines out of the list.
func goroutines() []goroutine {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			return parse(string(buf[:n]))
		}
		buf = make([]byte, 2*len(buf))
	}
}

// parse reads the output of runtime.Stack, whose first paragraph is the caller's.
func parse(dump string) []goroutine {
	var all []goroutine
	for i, stack := range strings.Split(strings.TrimSpace(dump), "\n\n") {
		head, rest, _ := strings.Cut(stack, "\n")
		id, ok := strings.CutPrefix(head, "goroutine ")
		if !ok || i == 0 {
			continue
		}
		id, _, _ = strings.Cut(id, " ")
		g := goroutine{id: id, stack: stack}
		if at := strings.LastIndex("\n"+rest, "\ncreated by "); at >= 0 {
			g.creator, _, _ = strings.Cut(rest[at+len("created by "):], " ")
		}
		all = append(all, g)
	}
	return all
}

// ours reports whether g belongs to the runtime or to the test harness rather
// than to the code under test.
func (g goroutine) ours() bool {
	for _, prefix := range []string{
		"runtime.",       // finalizers, cleanups, signal masks, readers of traces
		"runtime/",       // profile and trace writers
		"testing.",       // the tests themselves, benchmarks, fuzz targets
		"testing/",       // bubbles
		"internal/fuzz.", // the fuzzing coordinator
		"internal/synctest.",
	} {
		if strings.HasPrefix(g.creator, prefix) {
			return true
		}
	}
	return strings.Contains(g.stack, "\nos/signal.loop(") // one a process, never ends
}
