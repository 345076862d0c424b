package lab

import (
	"os/exec"
	"path/filepath"
)

// Build builds a program of this module, from the folder of the calling test,
// and returns its path.
func Build(t T, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		t.Fatalf("lab: go build %s: %v\n%s", pkg, err, text)
	}
	return out
}
