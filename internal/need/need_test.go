package need

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// scene says which need TestScene has, in a copy of this binary.
const scene = "MAINSTAY_NEED_SCENE"

func TestScene(t *testing.T) {
	switch os.Getenv(scene) {
	case "program":
		Program(t, "go-this-program-is-nowhere", "nor-is-this")
	case "namespace":
		if !Namespace(t) {
			return
		}
	case "inside fails":
		if !Namespace(t) {
			return
		}
		t.Error("broken on purpose")
	case "inside skips":
		if !Namespace(t) {
			return
		}
		t.Skip("not today")
	default:
		return // only for those below
	}
	t.Log("body ran")
}

// play runs TestScene and returns its output and whether it passed.
func play(t *testing.T, name string, env ...string) (string, bool) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run=^TestScene$", "-test.v")
	cmd.Env = append(os.Environ(), scene+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func TestProgram(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		out, ok := play(t, "program", "MAINSTAY_TEST=")
		if !ok || !strings.Contains(out, "--- SKIP: TestScene") ||
			!strings.Contains(out, "not in PATH: go-this-program-is-nowhere, nor-is-this") {
			t.Errorf("passed: %v, output:\n%s\nwant a skip that names both programs", ok, out)
		}
	})
	t.Run("missing under all", func(t *testing.T) {
		out, ok := play(t, "program", "MAINSTAY_TEST=all")
		if ok || !strings.Contains(out, "not in PATH: go-this-program-is-nowhere") {
			t.Errorf("passed: %v, output:\n%s\nwant a failure that names the program", ok, out)
		}
	})
	t.Run("present", func(t *testing.T) {
		binary, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		Program(t, binary)
	})
}

func TestAll(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  bool
	}{{"", false}, {"1", false}, {"all", true}} {
		t.Setenv("MAINSTAY_TEST", tt.value)
		if got := All(); got != tt.want {
			t.Errorf("MAINSTAY_TEST=%q: All() = %v, want %v", tt.value, got, tt.want)
		}
	}
}
