package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// withoutPrivilege becomes vrrpd without a capability, whoever runs it.
func withoutPrivilege() int {
	runtime.LockOSThread()
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) // refused to those that have none
	}
	err := unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), roleVariable+"=vrrpd"))
	fmt.Fprintln(os.Stderr, err)
	return 99
}

func TestWithoutPrivilege(t *testing.T) {
	for _, line := range []string{"-interface lo -vrid 51 -vip 192.0.2.100", "-listen -interface lo"} {
		code, out, errs := exited(t, program(t, "unprivileged", strings.Fields(line)...))
		if code != exitPrivilege {
			t.Errorf("vrrpd %s: exit code %d, want %d\n%s%s", line, code, exitPrivilege, out, errs)
		}
		for _, want := range []string{"CAP_NET_RAW", "CAP_NET_ADMIN"} {
			if !strings.Contains(errs, want) {
				t.Errorf("vrrpd %s: the error does not name %s:\n%s", line, want, errs)
			}
		}
	}
}
