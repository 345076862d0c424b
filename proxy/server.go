package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mainstay-ha/mainstay/internal/scarce"
)

// Server is one term of the engine: it serves HTTP/1.1 on connections it accepts, with its own parser and one
// goroutine for each connection. A Proxy may have any number of them, at once or one after the other.
type Server struct {
	proxy    *Proxy
	linger   time.Duration
	ctx      context.Context // ends when the server is closed, not when it drains
	cancel   context.CancelFunc
	draining atomic.Bool
	stopping chan struct{} // closed when draining begins
	serving  sync.WaitGroup

	mu        sync.Mutex // guards the rest, and setting draining
	listeners map[net.Listener]struct{}
	clients   *client // a list
	count     int
	empty     chan struct{} // closed when the last client goes; made when somebody waits for that
}

// ServerOption configures a [Server].
type ServerOption func(*Server)

// WithLinger sets how long Shutdown keeps idle connections: a request that comes on one meanwhile is answered, with
// Connection: close. Default 1s; less than 0 counts as 0.
func WithLinger(d time.Duration) ServerOption { return func(s *Server) { s.linger = max(d, 0) } }

// Server returns a new server with the policy of p. It holds nothing until Serve.
func (p *Proxy) Server(opts ...ServerOption) *Server {
	s := &Server{
		proxy:     p,
		linger:    time.Second,
		stopping:  make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, o := range opts {
		if o != nil {
			o(s)
		}
	}
	return s
}

// Serve accepts connections and serves them until Shutdown or Close, then it returns nil. Any other error is that of
// the listener's Accept. It closes ln in any case, and nothing else of it: other descriptors of the same socket go
// on. Accept errors for want of descriptors or memory are waited out. Several listeners may be served at once.
func (s *Server) Serve(ln net.Listener) (err error) {
	pprof.Do(context.Background(), pprof.Labels("mainstay", "proxy"), func(context.Context) { err = s.serve(ln) })
	return err
}

func (s *Server) serve(ln net.Listener) error {
	if !s.enter(ln) { // Shutdown came first; what has arrived meanwhile is served all the same
		s.acceptRest(ln)
		_ = ln.Close() // nobody could do anything about an error
		<-s.vacant()
		return nil
	}
	defer s.exit(ln)
	pause := time.Duration(0)
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(conn)
			continue
		case s.draining.Load():
			s.acceptRest(ln)
			return nil
		case !passing(err):
			return fmt.Errorf("proxy: accept: %w", err)
		}
		if pause = min(max(2*pause, 5*time.Millisecond), time.Second); pause == 5*time.Millisecond {
			s.proxy.pol.Load().log.Error("cannot accept", slog.Any("err", err))
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-s.stopping:
			wait.Stop()
		}
	}
}

// passing reports whether an accept may succeed later.
func passing(err error) bool {
	var errno syscall.Errno
	return scarce.Is(err) || errors.As(err, &errno) && (errno == syscall.ECONNABORTED || errno == syscall.EINTR)
}

// enter notes a listener. It reports false if the server is on its way out.
func (s *Server) enter(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.listeners[ln] = struct{}{}
	s.serving.Add(1)
	return true
}

func (s *Server) exit(ln net.Listener) {
	_ = ln.Close() // it may be closed already; nobody could do anything about an error
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
	s.serving.Done()
}

// admit begins to serve a connection.
func (s *Server) admit(conn net.Conn) {
	c := newClient(s, conn, s.proxy.clk.now())
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		c.wire.close()
		return
	}
	if c.next = s.clients; c.next != nil {
		c.next.prev = c
	}
	s.clients = c
	s.count++
	s.mu.Unlock()
	s.proxy.stats.count(statConns)
	go c.run() // ends with the connection; Shutdown and Close wait for that
}

// remove takes a client off the list.
func (s *Server) remove(c *client) {
	s.proxy.stats.count(statConnsEnd)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.clients = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
	if s.count--; s.count == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Shutdown ends the server without losing a request: it accepts what has already arrived at the listeners, closes
// them, lets every request end with Connection: close, keeps idle connections for the linger time, and returns nil
// when all connections are gone. When ctx ends before, it closes what is left and returns an error that says how many
// connections that were, and wraps the context's.
// A connection that still waits for its client to read the last answer counts, for at most 2 seconds.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	linger := time.NewTimer(s.linger)
	defer linger.Stop()
	for {
		gone := s.vacant()
		select {
		case <-gone:
			return nil
		case <-linger.C:
			s.closeClients(true)
		case <-ctx.Done():
			s.mu.Lock()
			left := s.count
			s.mu.Unlock()
			_ = s.Close() // never fails
			return fmt.Errorf("proxy: shutdown: %d connections cut: %w", left, ctx.Err())
		}
	}
}

// Close ends the server at once: listeners and connections are closed, requests under way are cut. Their goroutines
// end within a second. It is idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.drain()
	s.closeClients(false)
	return nil
}

// drain stops accepting. When it returns the listeners are closed.
func (s *Server) drain() {
	s.mu.Lock()
	if s.draining.CompareAndSwap(false, true) {
		close(s.stopping)
		for ln := range s.listeners {
			stopAccept(ln)
		}
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// stopAccept ends a blocked Accept. A listener with deadlines stays open for what has already arrived.
func stopAccept(ln net.Listener) {
	if l, ok := ln.(interface{ SetDeadline(time.Time) error }); ok && l.SetDeadline(longAgo) == nil {
		return
	}
	_ = ln.Close() // Accept reports it, and exit closes again
}

// acceptRest admits the connections that are complete at a listener whose deadline has passed: nobody else would
// ever accept them.
func (s *Server) acceptRest(ln net.Listener) {
	if s.ctx.Err() != nil {
		return
	}
	if conns, ok := completed(ln); ok {
		for _, conn := range conns {
			s.admit(conn)
		}
		return
	}
	l, ok := ln.(interface{ SetDeadline(time.Time) error })
	for end := time.Now().Add(acceptMore); ok && time.Now().Before(end); {
		if l.SetDeadline(time.Now().Add(acceptWait)) != nil {
			return
		}
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		s.admit(conn)
	}
}

// Where a listener cannot be asked whether it is empty, an Accept that waits this long has found it so. The search
// ends in any case.
const (
	acceptWait = 5 * time.Millisecond
	acceptMore = 250 * time.Millisecond
)

// vacant returns a channel that is closed when no client is left.
func (s *Server) vacant() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == 0 {
		c := make(chan struct{})
		close(c)
		return c
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}

// closeClients closes the idle connections, or all.
func (s *Server) closeClients(idleOnly bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.clients; c != nil; c = c.next {
		if c.state.CompareAndSwap(idle, closed) || !idleOnly {
			_ = c.wire.conn().Close() // wakes whoever waits on it
		}
	}
}
