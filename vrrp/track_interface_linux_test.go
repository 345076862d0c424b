package vrrp

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// told waits for what set is told.
type verdicts struct{ c chan bool }

func newVerdicts() verdicts { return verdicts{make(chan bool, 100)} }

func (v verdicts) set(up bool) { v.c <- up }

// expect wants one verdict; the test's own deadline is the limit.
func (v verdicts) expect(t *testing.T, ctx context.Context, want bool) {
	t.Helper()
	select {
	case got := <-v.c:
		if got != want {
			t.Fatalf("told %v, want %v", got, want)
		}
	case <-ctx.Done():
		t.Fatalf("not told %v: %v", want, ctx.Err())
	}
}

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

// untilDeadline ends a little before the test binary is ended.
func untilDeadline(t *testing.T) context.Context {
	ctx := t.Context()
	if at, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, at.Add(-time.Second))
		t.Cleanup(cancel)
	}
	return ctx
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
