package lab

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// wrapped names the file that stands in for /etc/group in a wrapped program.
const wrapped = "MAINSTAY_LAB_GROUPS"

// The test binary itself is the wrapper: it prepares its process, and becomes
// the program.
func init() {
	if groups := os.Getenv(wrapped); groups != "" {
		fmt.Fprintln(os.Stderr, "lab: wrap:", wrap(groups))
		os.Exit(1)
	}
}

// wrap shows the program another /etc/group, and lets setgroups succeed without
// doing anything: a user namespace has root's group alone, and forbids the call.
func wrap(groups string) error {
	runtime.LockOSThread()
	if err := unix.Mount(groups, "/etc/group", "", unix.MS_BIND, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4}, // the number of the call
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_SETGROUPS, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO}, // errno 0
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", err)
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_SECCOMP", err)
	}
	runtime.KeepAlive(filter)
	if err := os.Unsetenv(wrapped); err != nil {
		return err
	}
	return os.NewSyscallError("execve", syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
}
