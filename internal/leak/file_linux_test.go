package leak

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDescriptors(t *testing.T) {
	must := func(fd int, err error) io.Closer {
		if err != nil {
			t.Fatal(err)
		}
		return fdCloser(fd)
	}
	for _, tt := range []struct {
		name string
		open func() (io.Closer, error)
		want string // empty: not counted
	}{
		{"listener", func() (io.Closer, error) { return net.Listen("tcp", "127.0.0.1:0") }, "socket:["},
		{"unix socket", func() (io.Closer, error) {
			return must(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)), nil
		}, "socket:["},
		{"pipe", func() (io.Closer, error) {
			r, w, err := os.Pipe()
			if err == nil {
				w.Close()
			}
			return r, err
		}, "pipe:["},
		{"timerfd", func() (io.Closer, error) {
			return must(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)), nil
		}, "anon_inode:[timerfd]"},
		{"own epoll", func() (io.Closer, error) { return must(unix.EpollCreate1(unix.EPOLL_CLOEXEC)), nil }, "anon_inode:[eventpoll]"},
		{"own eventfd", func() (io.Closer, error) { return must(unix.Eventfd(0, unix.EFD_CLOEXEC)), nil }, "anon_inode:[eventfd]"},
		{"namespace", func() (io.Closer, error) { return os.Open("/proc/self/ns/net") }, "net:["},
		{"file", func() (io.Closer, error) { return os.Create(filepath.Join(t.TempDir(), "f")) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			var c io.Closer
			code := run(func() (_ int) {
				var err error
				if c, err = tt.open(); err != nil {
					t.Fatal(err)
				}
				return 0
			}, &out, briefly)
			defer c.Close()
			if tt.want == "" {
				if code != 0 {
					t.Errorf("run() = %d, output:\n%s\nwant nothing counted", code, &out)
				}
				return
			}
			if code != 1 || !strings.Contains(out.String(), ": "+tt.want) {
				t.Errorf("run() = %d, output:\n%s\nwant 1 and %s", code, &out, tt.want)
			}
		})
	}
}

// TestDescriptorsBefore shows that what was open before does not count, and
// that one of the same kind in addition does.
func TestDescriptorsBefore(t *testing.T) {
	open := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	open()
	before := take()
	if left := before.diff(); len(left) != 0 {
		t.Errorf("left over at once: %q", left)
	}
	l := open()
	if left := before.diff(); len(left) != 1 || !strings.HasPrefix(left[0], "descriptor ") {
		t.Errorf("left over: %q, want one descriptor", left)
	}
	l.Close()
	if left := before.leftovers(grace); len(left) != 0 {
		t.Errorf("left over after the close: %q", left)
	}
}

type fdCloser int

func (c fdCloser) Close() error {
	if err := unix.Close(int(c)); err != nil {
		return fmt.Errorf("close %d: %w", int(c), err)
	}
	return nil
}
