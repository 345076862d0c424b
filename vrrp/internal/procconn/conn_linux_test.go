package procconn

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mainstay-ha/mainstay/internal/need"
)

// refused reports that the kernel lets nobody in here listen.
func refused(err error) bool {
	return errors.Is(err, ErrRefused) || errors.Is(err, unix.EPERM) ||
		errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ECONNREFUSED)
}

// dial subscribes, or skips the test where the kernel refuses.
func dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial()
	if refused(err) {
		need.Skip(t, "process events: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// limit is when a test gives up.
func limit(t *testing.T) time.Time {
	if at, ok := t.Deadline(); ok {
		return at.Add(-time.Second)
	}
	return time.Time{}
}

// start starts a process that ends at once.
func start(t *testing.T) *os.Process {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	return child.Process
}

func TestConnHearsAProcess(t *testing.T) {
	c := dial(t)
	pid := start(t).Pid
	var seen []Event
	ev := make([]Event, 64)
	for {
		n, err := c.Receive(ev, limit(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ev[:n] {
			if e.PID != pid {
				continue
			}
			if seen = append(seen, e); e.Gone {
				if len(seen) < 3 {
					t.Errorf("heard %v, want a start, an exec and the end", seen)
				}
				return
			}
		}
	}
}

func TestConnClose(t *testing.T) {
	c := dial(t)
	done := make(chan error)
	go func() {
		for {
			if _, err := c.Receive(make([]Event, 1), time.Time{}); err != nil && err != ErrLost {
				done <- err
				return
			}
		}
	}()
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive() = %v after Close, want net.ErrClosed", err)
	}
	c.Close()
	if _, err := c.Receive(make([]Event, 1), time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a later Receive() = %v, want net.ErrClosed", err)
	}
}

func TestConnDeadline(t *testing.T) {
	c := dial(t)
	for {
		_, err := c.Receive(make([]Event, 64), time.Now())
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// More than the socket holds is not lost in silence.
func TestConnLosesAloud(t *testing.T) {
	c := dial(t)
	if err := c.nl.SetReadBuffer(1); err != nil { // the kernel's least: a few messages
		t.Fatal(err)
	}
	for range 10 {
		start(t)
	}
	for {
		if _, err := c.Receive(make([]Event, 64), limit(t)); err == ErrLost {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// In a namespace of its own the kernel is silent, and that is noticed.
func TestConnRefused(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	c, err := Dial()
	if err == nil {
		c.Close()
		t.Fatal("subscribed in another user namespace")
	}
	if !refused(err) {
		t.Errorf("Dial() = %v", err)
	}
	t.Log(err)
}
