package need

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// All reports whether MAINSTAY_TEST=all asks that nothing be skipped.
func All() bool { return os.Getenv("MAINSTAY_TEST") == "all" }

// Program skips t unless every one of the named programs is in PATH.
func Program(t testing.TB, names ...string) {
	t.Helper()
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		Skip(t, "not in PATH: "+strings.Join(missing, ", "))
	}
}

// Skip skips t for a reason that is the machine's, or fails it under
// MAINSTAY_TEST=all. It does not return.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if All() {
		t.Fatalf("need: %s (MAINSTAY_TEST=all forbids to skip)", reason)
	}
	t.Skip("need: " + reason)
}
