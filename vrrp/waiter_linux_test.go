package vrrp

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// counting is a source that reads bytes from a descriptor.
type counting struct {
	fd    int
	limit int // bytes a drain reads
	read  atomic.Int64
	calls atomic.Int64
	ready chan struct{}
}

func (c *counting) drain() (more bool) {
	c.calls.Add(1)
	if c.fd < 0 {
		return false
	}
	buf := make([]byte, c.limit)
	n, err := unix.Read(c.fd, buf)
	if err != nil {
		return false
	}
	c.read.Add(int64(n))
	return n == c.limit
}

// pair is two connected sockets; the first does not block.
func pair(t *testing.T) (mine, others int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// eventually waits for something that other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}

func pollEngine(t *testing.T) *engine {
	t.Helper()
	w, err := newPollWaiter()
	if err != nil {
		t.Fatal(err)
	}
	return working(t, w)
}

// Every descriptor wakes the engine, again and again, and everything that was
// written is read, also what is more than one drain takes.
func TestPollWaiterDescriptors(t *testing.T) {
	e := pollEngine(t)
	const n = 40 // more than one look at the kernel returns
	var sources [n]*counting
	var ends [n]int
	for i := range sources {
		mine, others := pair(t)
		sources[i], ends[i] = &counting{fd: mine, limit: 3}, others
		e.call(func() {
			if err := e.waiter.add(sources[i], mine, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for round := 1; round <= 50; round++ {
		for _, fd := range ends {
			if _, err := unix.Write(fd, []byte("12345678901")); err != nil {
				t.Fatal(err)
			}
		}
		for i, s := range sources {
			eventually(t, "everything is read", func() bool { return s.read.Load() == int64(11*round) })
			_ = i
		}
	}
	// Only those that have something are asked.
	before := sources[1].calls.Load()
	_, _ = unix.Write(ends[0], []byte("x"))
	eventually(t, "one byte is read", func() bool { return sources[0].read.Load() == 50*11+1 })
	if after := sources[1].calls.Load(); after != before {
		t.Errorf("a source without data was drained %d times", after-before)
	}
	e.call(func() { e.waiter.remove(sources[0]) })
	_, _ = unix.Write(ends[0], []byte("x"))
	_, _ = unix.Write(ends[1], []byte("x"))
	eventually(t, "the others go on", func() bool { return sources[1].read.Load() == 50*11+1 })
	if sources[0].read.Load() != 50*11+1 {
		t.Error("a source was drained after remove")
	}
	// Its place is taken by the next.
	mine, others := pair(t)
	next := &counting{fd: mine, limit: 3}
	e.call(func() { _ = e.waiter.add(next, mine, nil) })
	_, _ = unix.Write(others, []byte("x"))
	eventually(t, "the new one is read", func() bool { return next.read.Load() == 1 })
	if slots := len(e.waiter.(*pollWaiter).slots); slots != n {
		t.Errorf("%d slots for %d sources", slots, n)
	}
}

// One poll finds all that has arrived, from however many: a deadline may follow.
func TestPollWaiterFindsAll(t *testing.T) {
	made, err := newPollWaiter()
	if err != nil {
		t.Fatal(err)
	}
	w := made.(*pollWaiter)
	defer w.close()
	var sources [100]*counting
	for i := range sources {
		mine, others := pair(t)
		sources[i] = &counting{fd: mine, limit: 8}
		if err := w.add(sources[i], mine, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(others, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	w.ring()
	if w.poll() {
		t.Error("poll says that there is more")
	}
	for i, s := range sources {
		if s.read.Load() != 1 || s.calls.Load() != 1 {
			t.Errorf("source %d was drained %d times, of %d bytes", i, s.calls.Load(), s.read.Load())
		}
	}
}

// The bell rings however often it was rung before: nobody reads what it has
// counted.
func TestPollWaiterRings(t *testing.T) {
	made, err := newPollWaiter()
	if err != nil {
		t.Fatal(err)
	}
	w := made.(*pollWaiter)
	defer w.close()
	for i := range 1000 {
		w.ring()
		n, err := unix.EpollWait(w.epoll, w.events[:], 0)
		if err != nil || n != 1 || w.events[0].Fd != bellEvent {
			t.Fatalf("ring %d: %d events, %v", i+1, n, err)
		}
	}
}

// A source without descriptor is asked whenever it says that it is ready, and
// before everything that is due.
func TestPollWaiterRelay(t *testing.T) {
	e := pollEngine(t)
	s := &counting{fd: -1, ready: make(chan struct{}, 1)}
	e.call(func() { _ = e.waiter.add(s, -1, func() <-chan struct{} { return s.ready }) })
	for range 100 {
		before := s.calls.Load()
		s.ready <- struct{}{}
		eventually(t, "the source is drained", func() bool { return s.calls.Load() > before })
	}
	e.call(func() { e.waiter.remove(s) })
}

// Deadlines come, near and far, in order, whatever was armed before.
func TestPollWaiterDeadlines(t *testing.T) {
	e := pollEngine(t)
	var log []string
	first, second, late := newRecorder(e, "first", &log), newRecorder(e, "second", &log), newRecorder(e, "late", &log)
	done := make(chan struct{})
	last := &closer{done}
	e.call(func() {
		e.set(&late.alarm, e.now()+int64(time.Hour))
		e.set(&second.alarm, e.now()+int64(20*time.Millisecond))
		e.set(&first.alarm, e.now()+int64(10*time.Millisecond))
		e.set(&alarm{owner: last}, e.now()+int64(30*time.Millisecond))
		_ = e.waiter.(*pollWaiter).arm(10 * time.Millisecond)
		e.set(&first.alarm, e.now()+int64(time.Millisecond))
	})
	<-done
	e.call(func() {
		if len(log) != 2 || log[0][:5] != "first" || log[1][:6] != "second" || len(e.alarms) != 1 {
			t.Errorf("%q, and %d alarms", log, len(e.alarms))
		}
	})
	// One that moves away again and again costs nothing and comes in the end.
	done = make(chan struct{})
	moving := &alarm{owner: &closer{done}}
	for range 100 {
		e.call(func() { e.set(moving, e.now()+int64(5*time.Millisecond)) })
	}
	<-done
}

type closer struct{ c chan struct{} }

func (c *closer) honour(instant) { close(c.c) }

// The two clocks of the system agree while nobody suspends it.
func TestPollWaiterBoottime(t *testing.T) {
	e := pollEngine(t)
	e.call(func() {
		before, ok := e.waiter.(*pollWaiter).boottime()
		after, _ := e.waiter.(*pollWaiter).boottime()
		if !ok || after < before || before == 0 {
			t.Errorf("boottime() = %v, then %v", before, after)
		}
	})
}
