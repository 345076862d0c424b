package need

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deathSignal is the signal that the process gets when its parent dies. It belongs to the thread that the parent made, and
// the runtime initialises packages on that one; a test may run on any.
var deathSignal = func() (sig int32) {
	if err := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0); err != nil {
		panic(err)
	}
	return sig
}()

func TestNamespace(t *testing.T) {
	if !Namespace(t) {
		return
	}
	if uid := os.Getuid(); uid != 0 {
		t.Errorf("uid %d, want 0", uid)
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(ifaces) != 1 || ifaces[0].Name != "lo" || ifaces[0].Flags&net.FlagUp == 0 {
		t.Errorf("interfaces %+v, want lo alone, and up", ifaces)
	}
	l, err := net.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatalf("a privileged port on lo: %v", err)
	}
	defer l.Close()
	raw, err := net.ListenIP("ip4:112", nil)
	if err != nil {
		t.Fatalf("a raw socket: %v", err)
	}
	defer raw.Close()

	if deathSignal != int32(unix.SIGKILL) {
		t.Errorf("signal at the parent's death: %d, want SIGKILL", deathSignal)
	}
	t.Run("subtest of the same namespace", func(t *testing.T) {
		if !Namespace(t) {
			t.Error("a second namespace was made")
		}
	})
}

// TestNamespaceSubtests shows that a subtest runs alone, whatever its name.
func TestNamespaceSubtests(t *testing.T) {
	for _, name := range []string{"plain", "a/b", "two words (and|more) [x]*.$", "plain", "héé\t"} {
		t.Run(name, func(t *testing.T) {
			made := os.Getenv(marker)
			if made != "" && made != t.Name() {
				t.Fatalf("runs in the namespace made for %s", made)
			}
			if Namespace(t) && made == "" {
				t.Error("inside without a namespace")
			}
		})
	}
}

func TestNamespaceVerdicts(t *testing.T) {
	if !Namespace(t) { // so that it is known to be possible
		return
	}
	const outside = marker + "="
	for _, tt := range []struct {
		name, scene    string
		pass           bool
		verdict, cause string
	}{
		{"passes", "namespace", true, "\n--- PASS: TestScene", "body ran"},
		{"fails", "inside fails", false, "\n--- FAIL: TestScene", "broken on purpose"},
		{"skips", "inside skips", true, "\n--- SKIP: TestScene", "not today"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, ok := play(t, tt.scene, outside)
			if ok != tt.pass || !strings.Contains(out, tt.verdict) || !strings.Contains(out, tt.cause) {
				t.Errorf("passed: %v, output:\n%s\nwant %v, %q and %q", ok, out, tt.pass, tt.verdict, tt.cause)
			}
			if got := strings.Count(out, "body ran"); got > 1 {
				t.Errorf("the body ran %d times:\n%s", got, out)
			}
		})
	}
}

// TestNamespaceRefused takes the right to make namespaces away, in one where
// that is allowed.
func TestNamespaceRefused(t *testing.T) {
	if !Namespace(t) {
		return
	}
	forbid := func(kind string) {
		t.Helper()
		path := "/proc/sys/user/max_" + kind + "_namespaces"
		if err := os.WriteFile(path, []byte("0"), 0); err != nil {
			Skip(t, fmt.Sprintf("cannot forbid %s namespaces here: %v", kind, err))
		}
	}
	const outside = marker + "="
	forbid("user")
	out, ok := play(t, "namespace", outside)
	if !ok || !strings.Contains(out, "body ran") {
		t.Errorf("root without user namespaces, passed: %v, output:\n%s\nwant a network namespace alone", ok, out)
	}
	forbid("net")
	out, ok = play(t, "namespace", outside, "MAINSTAY_TEST=")
	if !ok || !strings.Contains(out, "--- SKIP: TestScene") || strings.Count(out, "(ENOSPC)") != 2 {
		t.Errorf("refused, passed: %v, output:\n%s\nwant a skip that names ENOSPC twice", ok, out)
	}
	out, ok = play(t, "namespace", outside, "MAINSTAY_TEST=all")
	if ok || !strings.Contains(out, "(ENOSPC)") {
		t.Errorf("refused under all, passed: %v, output:\n%s\nwant a failure that names ENOSPC", ok, out)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name, out string
		err       error
		skipped   bool
		want      string
	}{
		{name: "passed", out: "=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\n"},
		{name: "subtest passed", out: "    --- PASS: TestA (0.00s)\n"},
		{name: "no newline before", out: "done--- PASS: TestA (0.00s)\n"},
		{name: "skipped", out: "--- SKIP: TestA (0.00s)\n", skipped: true},
		{name: "failed", out: "--- PASS: TestA (0.00s)\n", err: errors.New("exit status 1"), want: "the test failed there: exit status 1"},
		{name: "another test", out: "--- PASS: TestAb (0.00s)\n", want: "the test did not run there"},
		{name: "no test", out: "testing: warning: no tests to run\nPASS\n", want: "the test did not run there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			skipped, err := verdict("TestA", tt.out, tt.err)
			if err != nil {
				got = err.Error()
			}
			if skipped != tt.skipped || got != tt.want {
				t.Errorf("verdict() = %v, %q, want %v, %q", skipped, got, tt.skipped, tt.want)
			}
		})
	}
}

func TestIsFor(t *testing.T) {
	for _, tt := range []struct {
		made, test string
		want       bool
	}{
		{"", "TestA", false},
		{"TestA", "TestA", true},
		{"TestA", "TestA/b", true},
		{"TestA/b", "TestA", false},
		{"TestA", "TestAb", false},
	} {
		if got := isFor(tt.made, tt.test); got != tt.want {
			t.Errorf("isFor(%q, %q) = %v, want %v", tt.made, tt.test, got, tt.want)
		}
	}
}
