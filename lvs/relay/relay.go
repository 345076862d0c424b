package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/mainstay-ha/mainstay/internal/scarce"
	"github.com/mainstay-ha/mainstay/lvs"
)

// A Relay carries the TCP connections of one service. It has the three lifetimes of a server: any number of calls of
// [Relay.Serve], ended by [Relay.Shutdown] or [Relay.Close]. All methods may be called from several goroutines.
type Relay struct {
	svc   *lvs.Service
	cfg   config
	base  time.Time // of the relay's clock
	pipes pipes
	stats stats

	ctx    context.Context // ends when connections are forced to
	cancel context.CancelFunc

	mu        sync.Mutex // guards what follows
	closing   bool       // no new listener, no new connection but those that wait in a listener's queue
	forced    bool       // no new connection at all
	listeners map[*net.Listener]struct{}
	conns     conn          // the ring of open connections
	open      int           // its length
	stopping  chan struct{} // closed with closing
	drained   chan struct{} // closed when closing and nothing is left
}

// New makes a relay for a TCP service. It starts nothing and opens nothing.
func New(svc *lvs.Service, opts ...Option) (*Relay, error) {
	cfg, err := newConfig(opts)
	switch {
	case svc == nil:
		err = errors.Join(err, errors.New("no service"))
	case svc.Protocol() != lvs.TCP:
		err = errors.Join(err, fmt.Errorf("%s: the relay carries %v, not %v", svc.Name(), lvs.TCP, svc.Protocol()))
	}
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return newRelay(svc, cfg), nil
}

func newRelay(svc *lvs.Service, cfg config) *Relay {
	r := &Relay{
		svc: svc, cfg: cfg, base: time.Now(), pipes: pipes{max: cfg.maxPipes},
		listeners: make(map[*net.Listener]struct{}), stopping: make(chan struct{}), drained: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.conns.prev, r.conns.next = &r.conns, &r.conns
	return r
}

// now is the relay's clock: monotonic nanoseconds since New.
func (r *Relay) now() int64 { return int64(time.Since(r.base)) }

func (r *Relay) debug() bool { return r.cfg.log.Enabled(r.ctx, slog.LevelDebug) }

// Serve accepts connections from ln and relays them until [Relay.Shutdown] or [Relay.Close], and returns nil then, or at
// once if that came first. It closes ln in any case. When ln fails or somebody else closes it, Serve returns the error and the connections go on.
//
// A listener made by [Listen] costs the fewest system calls. One that wraps another is accepted from like any other; a
// connection that has SyscallConn is read and written through that, past methods of its own.
func (r *Relay) Serve(ln net.Listener) (err error) {
	pprof.Do(context.Background(), pprof.Labels("mainstay", "relay"), func(context.Context) { err = r.serve(ln) })
	return err
}

// labelled is what [pprof.SetGoroutineLabels] takes for a goroutine that no Serve started.
var labelled = pprof.WithLabels(context.Background(), pprof.Labels("mainstay", "relay"))

func (r *Relay) serve(ln net.Listener) error {
	if !r.trackListener(&ln) {
		ln.Close()
		return nil // Shutdown or Close came first
	}
	defer r.untrackListener(&ln)
	defer ln.Close() // before that, since Shutdown promises that the address is free
	r.cfg.log.Info("listening", "group", r.svc.Name(), "addr", ln.Addr())
	var delay time.Duration
	for {
		conn, err := ln.Accept()
		if err == nil {
			delay = 0
			if r.cfg.idleTimeout == 0 {
				keepAlive(conn)
			}
			r.admit(newEnd(conn), addrPort(conn.RemoteAddr()))
			continue
		}
		switch {
		case r.isClosing():
			sweep(ln, r.admit)
			return nil
		case errors.Is(err, syscall.ECONNABORTED):
			continue
		case !scarce.Is(err):
			return fmt.Errorf("relay: accept: %w", err)
		}
		// Out of descriptors or memory: wait for connections to end, as net/http does.
		if delay == 0 {
			r.cfg.log.Warn("cannot accept", "group", r.svc.Name(), "addr", ln.Addr(), "err", err)
		}
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		select {
		case <-time.After(delay):
		case <-r.stopping:
		}
	}
}

// admit takes an accepted connection, in the goroutine that accepts.
func (r *Relay) admit(client end, addr netip.AddrPort) {
	r.stats.accepted.Add(1)
	c := &conn{r: r, client: client, addr: addr, start: r.now()}
	if why := r.track(c); why != Finished {
		r.stats.ended[why].Add(1)
		client.reset()
		return
	}
	go c.serve() // joined through untrack, which Shutdown and Close wait for
}

// Shutdown stops accepting and lets the connections end by themselves. When ctx ends first, the rest is reset and Shutdown
// returns an error that wraps the context's. In any case no goroutine, connection or pipe of the relay is left when it returns,
// if the functions given to [New] return too. Connections that waited in the queue of a TCP listener are served on Linux.
func (r *Relay) Shutdown(ctx context.Context) error {
	r.stop()
	select {
	case <-r.drained:
		return r.Close()
	case <-ctx.Done():
	}
	left := r.force()
	if err := r.Close(); left == 0 {
		return err
	}
	return fmt.Errorf("relay: %d connections cut: %w", left, context.Cause(ctx))
}

// Close resets all connections, closes all listeners and waits until their goroutines are gone. It is idempotent and
// returns nil. It must not be called from an access log.
func (r *Relay) Close() error {
	r.stop()
	r.force()
	<-r.drained
	r.pipes.close()
	return nil
}

// stop makes the calls of Serve return.
func (r *Relay) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closing {
		r.closing = true
		close(r.stopping)
		r.lockedCheckDrained()
	}
	for ln := range r.listeners {
		interrupt(*ln)
	}
}

// force cuts every connection and returns how many there were.
func (r *Relay) force() int {
	r.cancel()
	r.mu.Lock()
	r.forced = true
	var cut []*conn
	for c := r.conns.next; c != &r.conns; c = c.next {
		cut = append(cut, c)
	}
	for ln := range r.listeners {
		(*ln).Close()
	}
	r.mu.Unlock()
	for _, c := range cut {
		c.cut(Forced, nil)
	}
	return len(cut)
}

func (r *Relay) trackListener(ln *net.Listener) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return false
	}
	r.listeners[ln] = struct{}{}
	return true
}

func (r *Relay) untrackListener(ln *net.Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listeners, ln)
	r.lockedCheckDrained()
}

func (r *Relay) isClosing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closing
}

// track adds a connection to the open ones, or says why not.
func (r *Relay) track(c *conn) Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.forced:
		return Forced
	case r.cfg.maxConns > 0 && r.open >= r.cfg.maxConns:
		return Limited
	}
	c.prev, c.next = r.conns.prev, &r.conns
	c.prev.next, c.next.prev = c, c
	r.open++
	return Finished
}

func (r *Relay) untrack(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.prev.next, c.next.prev = c.next, c.prev
	r.open--
	r.lockedCheckDrained()
}

// lockedCheckDrained tells Shutdown and Close when nothing is left. The caller holds mu.
func (r *Relay) lockedCheckDrained() {
	if !r.closing || r.open > 0 || len(r.listeners) > 0 {
		return
	}
	select {
	case <-r.drained:
	default:
		close(r.drained)
	}
}
