package proxy

import (
	"context"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-ha/mainstay/upstream"
)

// peerConn is a connection to a peer.
type peerConn struct {
	wire
	since    int64 // when it was made
	idleAt   int64 // when it was kept
	requests int   // sent on it
}

// store keeps the idle connections to peers, the newest first to go out (LIFO), so that a surplus ages and is closed.
type store struct {
	clk   *clock
	lists atomic.Pointer[map[*upstream.Backend]*idleList] // replaced under mu

	mu     sync.Mutex // guards replacing lists, sweep, and setting closed
	sweep  *time.Timer
	armed  atomic.Bool // the sweeper will run
	closed atomic.Bool
}

// idleList is what is kept for one peer.
type idleList struct {
	mu    sync.Mutex // guards conns
	conns []*peerConn
	limit time.Duration // how long they are kept; of the policy that kept the last
}

func newStore(clk *clock) *store {
	s := &store{clk: clk}
	s.lists.Store(&map[*upstream.Backend]*idleList{})
	return s
}

// take returns the newest connection kept for b that pol still allows, nil if there is none.
func (s *store) take(b *upstream.Backend, pol *policy, now int64) *peerConn {
	l := (*s.lists.Load())[b]
	if l == nil {
		return nil
	}
	l.mu.Lock()
	n := len(l.conns)
	if n == 0 {
		l.mu.Unlock()
		return nil
	}
	c := l.conns[n-1]
	l.conns[n-1] = nil
	l.conns = l.conns[:n-1]
	l.mu.Unlock()
	if now-c.idleAt <= int64(pol.idleTimeout) {
		return c
	}
	// The newest is too old: so are the others.
	c.close()
	l.clear()
	return nil
}

// put keeps a connection whose last answer was read whole, or closes it.
func (s *store) put(b *upstream.Backend, c *peerConn, pol *policy, now int64) {
	if pol.idlePeers == 0 || c.requests >= pol.idleRequests || now-c.since > int64(maxAge) || b.Gone() || s.closed.Load() {
		c.close()
		return
	}
	l := (*s.lists.Load())[b]
	if l == nil {
		l = s.add(b)
	}
	c.idleAt = now
	var surplus *peerConn
	l.mu.Lock()
	l.limit = pol.idleTimeout
	if len(l.conns) >= pol.idlePeers {
		surplus = l.conns[0]
		copy(l.conns, l.conns[1:])
		l.conns[len(l.conns)-1] = c
	} else {
		l.conns = append(l.conns, c)
	}
	l.mu.Unlock()
	if surplus != nil {
		surplus.close()
	}
	if s.closed.Load() || b.Gone() { // whoever cleared the list may have been here before
		l.clear()
		return
	}
	if !s.armed.Load() {
		s.watch()
	}
}

// add returns the list of b, which is new to the store. Lists of peers that are gone and left nothing are dropped.
func (s *store) add(b *upstream.Backend) *idleList {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.lists.Load()
	if l := old[b]; l != nil {
		return l
	}
	lists := make(map[*upstream.Backend]*idleList, len(old)+1)
	for b, l := range old {
		l.mu.Lock()
		if !b.Gone() || len(l.conns) > 0 {
			lists[b] = l
		}
		l.mu.Unlock()
	}
	l := new(idleList)
	lists[b] = l
	s.lists.Store(&lists)
	return l
}

// sweepEvery is how often kept connections are looked at, sweepBatch how many of one peer at a time.
const (
	sweepEvery = time.Second
	sweepBatch = 64
)

// watch starts the sweeper. It runs as long as something is kept.
func (s *store) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return
	}
	s.armed.Store(true)
	if s.sweep == nil {
		s.sweep = time.AfterFunc(sweepEvery, s.tick)
	} else {
		s.sweep.Reset(sweepEvery)
	}
}

// tick closes connections that are too old, that their peer has closed, and those to peers that are gone. The oldest
// of each peer are looked at, which are the least likely to go out again.
func (s *store) tick() {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("mainstay", "proxy")))
	now := s.clk.now()
	for b, l := range *s.lists.Load() {
		if b.Gone() {
			l.clear()
			continue
		}
		for _, c := range l.expire(now) {
			c.close()
		}
	}
	if s.empty() {
		s.armed.Store(false)
		if s.empty() { // what was kept meanwhile has seen armed, or is seen here
			return
		}
	}
	s.watch()
}

func (s *store) empty() bool {
	empty := true
	s.each(func(*upstream.Backend, int) { empty = false })
	return empty
}

// expire takes out what must not be used again, of the first sweepBatch connections.
func (l *idleList) expire(now int64) (dead []*peerConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.conns), sweepBatch)
	live := l.conns[:0]
	for i, c := range l.conns {
		if i < n && (now-c.idleAt > int64(l.limit) || c.peek() != quiet) {
			dead = append(dead, c)
			continue
		}
		live = append(live, c)
	}
	clear(l.conns[len(live):])
	l.conns = live
	return dead
}

// clear closes everything in the list.
func (l *idleList) clear() {
	l.mu.Lock()
	old := l.conns
	l.conns = nil
	l.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// close closes what is kept, and keeps nothing any more.
func (s *store) close() {
	s.mu.Lock()
	s.closed.Store(true)
	if s.sweep != nil {
		s.sweep.Stop()
	}
	lists := *s.lists.Load()
	s.mu.Unlock()
	for _, l := range lists {
		l.clear()
	}
}

// each calls f with the number of connections kept for each peer.
func (s *store) each(f func(b *upstream.Backend, idle int)) {
	for b, l := range *s.lists.Load() {
		l.mu.Lock()
		n := len(l.conns)
		l.mu.Unlock()
		if n > 0 {
			f(b, n)
		}
	}
}
