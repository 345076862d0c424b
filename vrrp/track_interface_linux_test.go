package vrrp

import (
	"context"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/need"
)

func TestTrackInterfaceOfTheKernel(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	ctx, cancel := context.WithCancel(untilDeadline(t))
	told, done := newVerdicts(), make(chan error, 1)
	go func() {
		err := TrackInterface(ctx, "lo", told.set)
		if err != nil {
			cancel()
		}
		done <- err
	}()
	for _, up := range []bool{true, false, true} {
		if err := setLoopback(up); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skipf("links cannot be watched here: %v", err)
			}
			t.Fatal(err)
		case got := <-told.c:
			if got != up {
				t.Fatalf("told %v, want %v", got, up)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func setLoopback(up bool) error {
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
	flags := ifr.Uint16() &^ unix.IFF_UP
	if up {
		flags |= unix.IFF_UP
	}
	ifr.SetUint16(flags)
	return os.NewSyscallError("ioctl SIOCSIFFLAGS", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}
