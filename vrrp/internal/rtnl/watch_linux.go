package rtnl

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR

	// receiveBuffer is how much the kernel may queue for a watcher: several
	// thousand notifications. Without privilege net.core.rmem_max is the limit.
	receiveBuffer = 8 << 20

	// maxReads bounds what is read between two looks at the rest of the
	// world. It is more than the receive buffer holds.
	maxReads = 1 << 16

	// retry is the pause after a list could not be read.
	retry = 50 * time.Millisecond
)

// Watcher follows links and addresses. It is level-triggered: after a lost
// message it reads everything anew.
type Watcher struct {
	conn    *Conn                  // for lists
	owned   bool                   // close conn too
	list    func() (*table, error) // conn.load; tests do more
	socket  *socket
	table   *table // belongs to run
	changed func(*State)

	state   atomic.Pointer[State]
	resyncs atomic.Uint64
	running sync.WaitGroup
	closing sync.Once
	done    chan struct{} // closed: Close was called
}

// Watch opens its sockets in the calling goroutine, and returns when it knows
// the state. changed is called on a goroutine of the watcher after every
// change of it; changes that come at once are one. No privilege is needed.
func Watch(changed func(*State)) (*Watcher, error) {
	c, err := Dial()
	if err != nil {
		return nil, err
	}
	w, err := c.Watch(changed)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	w.owned = true
	return w, nil
}

// Watch is the function Watch with the connection for lists given, which must
// stay open. It saves a socket.
func (c *Conn) Watch(changed func(*State)) (*Watcher, error) { return c.watch(changed, receiveBuffer) }

func (c *Conn) watch(changed func(*State), buffer int) (*Watcher, error) {
	w, err := c.newWatcher(changed, buffer)
	if err == nil {
		w.running.Go(w.run)
	}
	return w, err
}

// newWatcher subscribes first, and then lists: what changes after the list was read
// is announced, and what is announced and in the list too does no harm.
func (c *Conn) newWatcher(changed func(*State), buffer int) (*Watcher, error) {
	s, err := open(groups)
	if err != nil {
		return nil, err
	}
	_ = s.conn.SetReadBuffer(buffer)
	w := &Watcher{conn: c, list: c.load, socket: s, changed: changed, done: make(chan struct{})}
	if w.table, err = c.load(); err != nil {
		_ = s.close()
		return nil, err
	}
	w.state.Store(w.table.snapshot())
	return w, nil
}

// State returns the latest state.
func (w *Watcher) State() *State { return w.state.Load() }

// Resyncs counts how often everything was read anew.
func (w *Watcher) Resyncs() uint64 { return w.resyncs.Load() }

// Close ends the watcher and its goroutine; changed is not called afterwards,
// and must not call Close. Idempotent.
func (w *Watcher) Close() error {
	var err error
	w.closing.Do(func() {
		close(w.done)
		err = w.socket.close()
		w.running.Wait()
		if w.owned {
			err = errors.Join(err, w.conn.Close())
		}
	})
	w.running.Wait()
	return err
}

func (w *Watcher) run() {
	for {
		err := w.drain(true)
		for err != nil {
			if errors.Is(err, net.ErrClosed) || !errors.Is(err, errLost) && !w.pause() || !w.resync() {
				return
			}
			err = w.drain(false)
		}
		w.publish()
	}
}

// drain applies what has arrived, until nothing is left; with wait it waits for
// something first. After errLost, and only when the socket was empty, the kernel
// reports the next loss again: so it is emptied before anything is listed.
func (w *Watcher) drain(wait bool) (lost error) {
	err := w.socket.raw.Read(func(fd uintptr) bool {
		for n := range maxReads {
			messages, ok, err := w.socket.read(fd)
			if !ok {
				return n > 0 || !wait
			}
			if err != nil {
				lost = err
				if !errors.Is(err, errLost) {
					break
				}
			}
			if lost != nil {
				continue
			}
			for _, m := range messages {
				w.table.apply(m.Header.Type, m.Data)
			}
		}
		return true
	})
	if err != nil {
		return w.socket.failure(err)
	}
	return lost
}

// resync reads everything anew. It reports whether the watcher goes on.
func (w *Watcher) resync() bool {
	for {
		w.resyncs.Add(1)
		t, err := w.list()
		if err == nil {
			w.table = t
			return true
		}
		if !w.pause() {
			return false
		}
	}
}

// pause waits after an error that may come again. It reports whether the
// watcher goes on.
func (w *Watcher) pause() bool {
	select {
	case <-w.done:
		return false
	case <-time.After(retry):
		return true
	}
}

// publish tells about a state that differs from the last one.
func (w *Watcher) publish() {
	if s := w.table.snapshot(); !s.equal(w.state.Load()) {
		w.state.Store(s)
		w.changed(s)
	}
}
