//go:build !linux

package need

import (
	"runtime"
	"testing"
)

func namespace(t *testing.T, _ int) bool {
	t.Helper()
	Skip(t, "no network namespaces on "+runtime.GOOS)
	return false
}
