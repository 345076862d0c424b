package need

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// marker names the test that an environment was made for.
const marker = "MAINSTAY_NAMESPACE"

// isFor reports whether an environment made for one test serves another: itself
// and its subtests.
func isFor(made, test string) bool {
	return made != "" && (test == made || strings.HasPrefix(test, made+"/"))
}

func namespace(t *testing.T, tries int) bool {
	t.Helper()
	if isFor(os.Getenv(marker), t.Name()) {
		if os.Getenv(marker) == t.Name() {
			enter(t)
		}
		return true
	}
	var refusals []string
	for _, attr := range attempts() {
		if err := probe(attr); err != nil {
			refusals = append(refusals, flagNames(attr.Cloneflags)+": "+describe(err))
			continue
		}
		skipped, err := again(t, tries, func() (bool, error) {
			out, err := rerun(t, attr)
			return verdict(t.Name(), out, err)
		})
		if err != nil {
			t.Fatalf("need: namespace: %v", err)
		}
		if skipped {
			t.Skip("need: skipped in its namespace, see above")
		}
		return false
	}
	Skip(t, "network namespace: "+strings.Join(refusals, "; "))
	return false
}

// again calls run until it succeeds, tries times at most.
func again(t *testing.T, tries int, run func() (skipped bool, err error)) (skipped bool, err error) {
	for try := 1; ; try++ {
		if skipped, err = run(); err == nil || try >= tries {
			return skipped, err
		}
		t.Logf("need: namespace: try %d of %d: %v", try, tries, err)
	}
}

// attempts lists the ways to a network namespace, the least privileged first.
func attempts() []*syscall.SysProcAttr {
	all := []*syscall.SysProcAttr{{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}}
	if os.Geteuid() == 0 {
		all = append(all, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL})
	}
	return all
}

// probe returns why the kernel does not start a process as attr says, or nil. It
// tries the clone alone first: package syscall forgets to close the pipe that it
// makes for the mappings when clone fails.
func probe(attr *syscall.SysProcAttr) error {
	for _, attr := range []*syscall.SysProcAttr{{Cloneflags: attr.Cloneflags}, attr} {
		pid, err := syscall.ForkExec("", nil, &syscall.ProcAttr{Sys: attr})
		if err == nil { // no system runs a program without a name
			syscall.Wait4(pid, nil, 0, nil)
		} else if !errors.Is(err, unix.ENOENT) { // which is execve's: the rest has worked
			return err
		}
	}
	return nil
}

// describe is err with the name of its errno, which is what one searches for.
func describe(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return fmt.Sprintf("%v (%s)", err, unix.ErrnoName(errno))
	}
	return err.Error()
}

func flagNames(flags uintptr) string {
	if flags&unix.CLONE_NEWUSER != 0 {
		return "CLONE_NEWUSER|CLONE_NEWNET"
	}
	return "CLONE_NEWNET"
}

// enter finishes the namespace from the inside. A policy such as AppArmor's may
// let the namespace be made and refuse its use.
func enter(t *testing.T) {
	t.Helper()
	if err := loopbackUp(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		Skip(t, "network namespace: lo up: "+describe(err))
	} else if err != nil {
		t.Fatalf("need: namespace: lo up: %v", err)
	}
}

// loopbackUp sets the interface lo up, which a new namespace has down.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return os.NewSyscallError("ioctl SIOCGIFFLAGS", err)
	}
	ifr.SetUint16(ifr.Uint16() | unix.IFF_UP)
	return os.NewSyscallError("ioctl SIOCSIFFLAGS", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}
