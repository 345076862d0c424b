package race

import (
	"runtime/debug"
	"testing"
)

func TestEnabled(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the test binary has no build information")
	}
	want := false
	for _, s := range info.Settings {
		if s.Key == "-race" {
			want = s.Value == "true"
		}
	}
	if Enabled != want {
		t.Errorf("Enabled = %v, built with -race: %v", Enabled, want)
	}
}
