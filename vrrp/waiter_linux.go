package vrrp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hasPollWaiter: newPollWaiter works here.
const hasPollWaiter = true

// pollWaiter waits for descriptors and a timer of the kernel, all behind one
// epoll descriptor that is itself read through the poller of the runtime. So no
// thread is held, and a deadline is as late as the kernel is: the runtime's own
// timers have the poller's granularity of a millisecond.
//
// The timer counts suspension, so that a host that wakes up looks at once.
type pollWaiter struct {
	file  *os.File // the epoll descriptor
	raw   syscall.RawConn
	epoll int
	timer int
	bell  int

	events [32]unix.EpollEvent
	slots  []pollSlot // the number of a source is in its events
	armed  instant    // when the timer fires, on this waiter's clock; never: not armed
	start  time.Time
	spec   unix.ItimerSpec

	relays  []*relayed
	running sync.WaitGroup // the relays
}

type pollSlot struct {
	source source // nil: free
	fd     int
}

// relayed is a source without descriptor.
type relayed struct {
	source source
	stop   chan struct{}
}

// What the number in an event is when it is no slot.
const (
	timerEvent = -1 - iota
	bellEvent
)

func newPollWaiter() (waiter, error) {
	w := &pollWaiter{epoll: -1, timer: -1, bell: -1, armed: never, start: time.Now()}
	if err := w.open(); err != nil {
		_ = w.close()
		return nil, fmt.Errorf("opening the event loop: %w", err)
	}
	return w, nil
}

func (w *pollWaiter) open() (err error) {
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	// os.NewFile gives a descriptor to the runtime's poller if it does not block.
	if err := unix.SetNonblock(w.epoll, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	w.file = os.NewFile(uintptr(w.epoll), "epoll")
	if w.raw, err = w.file.SyscallConn(); err != nil {
		return err
	}
	if w.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	if w.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	// Edges, so that neither has to be read.
	return errors.Join(w.watch(w.timer, unix.EPOLLIN|unix.EPOLLET, timerEvent), w.watch(w.bell, unix.EPOLLIN|unix.EPOLLET, bellEvent))
}

func (w *pollWaiter) watch(fd int, events uint32, number int32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: number}))
}

func (w *pollWaiter) add(s source, fd int, ready func() <-chan struct{}) error {
	if fd < 0 {
		r := &relayed{s, make(chan struct{})}
		w.relays = append(w.relays, r)
		w.running.Go(func() { relay(ready(), r.stop, w.ring) })
		return nil
	}
	i := slices.IndexFunc(w.slots, func(p pollSlot) bool { return p.source == nil })
	if i < 0 {
		i = len(w.slots)
		w.slots = append(w.slots, pollSlot{})
	}
	if err := w.watch(fd, unix.EPOLLIN, int32(i)); err != nil {
		return err
	}
	w.slots[i] = pollSlot{s, fd}
	return nil
}

func (w *pollWaiter) remove(s source) {
	w.relays = slices.DeleteFunc(w.relays, func(r *relayed) bool {
		if r.source == s {
			close(r.stop)
		}
		return r.source == s
	})
	for i, p := range w.slots {
		if p.source == s {
			_ = unix.EpollCtl(w.epoll, unix.EPOLL_CTL_DEL, p.fd, nil) // closing it would do
			w.slots[i] = pollSlot{}
		}
	}
}

// poll asks the kernel which descriptors are readable, each once: what becomes
// readable later rings again.
func (w *pollWaiter) poll() (more bool) {
	for _, r := range w.relays {
		if r.source.drain() {
			more = true
		}
	}
	// What a look has told of is last in line for the next one.
	for looks := 1 + (len(w.slots)+1)/len(w.events); looks > 0; looks-- {
		n, err := unix.EpollWait(w.epoll, w.events[:], 0)
		if err != nil {
			return true // interrupted
		}
		for _, ev := range w.events[:n] {
			switch i := int(ev.Fd); {
			case i == timerEvent:
				w.armed = never
			case i >= 0 && i < len(w.slots) && w.slots[i].source != nil:
				if w.slots[i].source.drain() {
					more = true
				}
			}
		}
		if n < len(w.events) {
			return more
		}
	}
	return true
}

func (w *pollWaiter) run(turn func() (time.Duration, bool)) (err error) {
	var failed error
	err = w.raw.Read(func(uintptr) bool {
		for {
			wait, over := turn()
			switch {
			case over:
				return true
			case wait == 0:
				continue
			}
			if failed = w.arm(wait); failed != nil {
				return true
			}
			return false
		}
	})
	return errors.Join(err, failed)
}

// arm has the timer fire in d or before. A timer that fires too early costs one
// turn, so a deadline that moves away costs no system call.
func (w *pollWaiter) arm(d time.Duration) error {
	if d < 0 {
		return nil
	}
	at := int64(time.Since(w.start)) + int64(d)
	if w.armed <= at {
		return nil
	}
	w.spec.Value = unix.NsecToTimespec(int64(d))
	w.armed = at
	return os.NewSyscallError("timerfd_settime", unix.TimerfdSettime(w.timer, 0, &w.spec, nil))
}

// one is what a ring adds to the bell. Nobody takes it out again, and a bell that
// is full would not wake anybody: it holds 2^64 of these.
var one = binary.NativeEndian.AppendUint64(nil, 1)

func (w *pollWaiter) ring() { _, _ = unix.Write(w.bell, one) }

// boottime is the clock that counts suspension.
func (w *pollWaiter) boottime() (time.Duration, bool) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano()), err == nil
}

func (w *pollWaiter) close() (err error) {
	for _, r := range w.relays {
		close(r.stop)
	}
	w.running.Wait()
	for _, fd := range []int{w.timer, w.bell} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	switch {
	case w.file != nil:
		err = errors.Join(err, w.file.Close())
	case w.epoll >= 0:
		err = errors.Join(err, unix.Close(w.epoll))
	}
	return err
}
