package vrrp

import (
	"sync"
	"time"
)

// netlinkSession lasts while a Netlink has an open router: the kernel's side, and
// the goroutine that looks after the addresses.
type netlinkSession struct {
	n    *Netlink
	host addressHost
	tags bool // addresses carry a protocol number

	wake    chan struct{} // capacity 1: something changed
	done    chan struct{} // closed: the session ends
	running sync.WaitGroup
}

func openNetlinkSession(n *Netlink) (*netlinkSession, error) {
	s := &netlinkSession{n: n, wake: make(chan struct{}, 1), done: make(chan struct{})}
	var err error
	if s.host, err = n.dial(s.changed); err != nil {
		return nil, err
	}
	if s.tags, err = s.host.Probe(); err != nil {
		_ = s.host.Close()
		return nil, err
	}
	return s, nil
}

// start starts the goroutine, which takes n.mu.
func (s *netlinkSession) start() { s.running.Go(s.run) }

// changed is called by the watcher.
func (s *netlinkSession) changed() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// end closes the session, and returns when its goroutines have ended. After
// start, n.mu must not be held.
func (s *netlinkSession) end() error {
	close(s.done)
	err := s.host.Close()
	s.running.Wait()
	return err
}

// run looks after the addresses when something changed, and when time has come.
func (s *netlinkSession) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-s.wake:
		case <-timer.C:
		}
		switch next := s.tend(time.Now()); {
		case next.IsZero():
			timer.Stop()
		default:
			timer.Reset(time.Until(next))
		}
	}
}

// tend looks after the addresses of all routers, and returns when to do so again
// at the latest; the zero time: when something changes.
func (s *netlinkSession) tend(now time.Time) (next time.Time) {
	s.n.mu.Lock()
	seen := s.look()
	var news []netlinkNews
	for _, r := range s.n.routers {
		next = earlierOf(next, r.lockedTend(now, seen))
		news = append(news, r.news...)
		r.news = nil
	}
	s.n.mu.Unlock()
	for _, e := range news {
		e.deliver()
	}
	return next
}

// earlierOf is the earlier of two moments; the zero time is never.
func earlierOf(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
