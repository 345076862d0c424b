package proxy

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
	"github.com/mainstay-ha/mainstay/upstream"
)

// shelf is a store with one peer, in memory.
type shelf struct {
	t *testing.T
	*store
	pool *upstream.Pool
	b    *upstream.Backend
	pol  *policy
	mem  *memnet.Streams
	ln   *memnet.Listener
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, store: newStore(newClock()), mem: memnet.NewStreams()}
	var err error
	if s.pool, err = upstream.New(upstream.WithServer("192.0.2.1:80", upstream.ID("a"))); err != nil {
		t.Fatal(err)
	}
	lease, err := s.pool.TryPick(s.pool.Now(), new(upstream.Request))
	if err != nil {
		t.Fatal(err)
	}
	s.b = lease.Backend()
	lease.Done(s.pool.Now(), upstream.Success)
	cfg := defaults()
	cfg.idlePeers = 3
	s.pol = &cfg.policy
	if s.ln, err = s.mem.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return s
}

// conn returns a connection to the peer, and the peer's end.
func (s *shelf) conn() (*peerConn, net.Conn) {
	s.t.Helper()
	c, err := s.mem.DialContext(context.Background(), "tcp", s.ln.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	peer, err := s.ln.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	return &peerConn{wire: newWire(c, s.clk), since: s.clk.now(), requests: 1}, peer
}

func (s *shelf) idle() (n int) {
	s.each(func(_ *upstream.Backend, idle int) { n += idle })
	return n
}

// isClosed reports whether the near end of peer was closed.
func isClosed(peer net.Conn) bool {
	_ = peer.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := peer.Read(make([]byte, 1))
	return !timedOut(err)
}

func TestStoreNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.ln.Close()
		defer s.close()
		if c := s.take(s.b, s.pol, s.clk.now()); c != nil {
			t.Fatal("an empty store gave something")
		}
		var kept [5]*peerConn
		var peers [5]net.Conn
		for i := range kept {
			kept[i], peers[i] = s.conn()
			s.put(s.b, kept[i], s.pol, s.clk.now())
			time.Sleep(time.Millisecond)
		}
		for i, peer := range peers {
			if got, want := isClosed(peer), i < 2; got != want { // three are kept, the oldest made room
				t.Errorf("connection %d closed: %v, want %v", i, got, want)
			}
		}
		for i := 4; i >= 2; i-- {
			c := s.take(s.b, s.pol, s.clk.now())
			if c != kept[i] {
				t.Fatalf("take gave not connection %d", i)
			}
			c.close()
		}
		if s.take(s.b, s.pol, s.clk.now()) != nil || s.idle() != 0 {
			t.Error("something is left")
		}
	})
}

func TestStoreKeepsNot(t *testing.T) {
	for name, spoil := range map[string]func(s *shelf, c *peerConn){
		"too many requests": func(s *shelf, c *peerConn) { c.requests = s.pol.idleRequests },
		"too old":           func(s *shelf, _ *peerConn) { time.Sleep(maxAge + 1) },
		"peer gone":         func(s *shelf, _ *peerConn) { _ = s.pool.Remove("a") },
		"none wanted":       func(s *shelf, _ *peerConn) { s.pol.idlePeers = 0 },
		"store closed":      func(s *shelf, _ *peerConn) { s.close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(t)
				defer s.ln.Close()
				c, peer := s.conn()
				spoil(s, c)
				s.put(s.b, c, s.pol, s.clk.now())
				if s.idle() != 0 || !isClosed(peer) {
					t.Errorf("kept %d, closed %v", s.idle(), isClosed(peer))
				}
			})
		})
	}
}

func TestStoreTooIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.ln.Close()
		defer s.close()
		s.armed.Store(true) // no sweeper
		c, peer := s.conn()
		d, other := s.conn()
		s.put(s.b, c, s.pol, s.clk.now())
		s.put(s.b, d, s.pol, s.clk.now())
		time.Sleep(s.pol.idleTimeout + 1)
		if s.take(s.b, s.pol, s.clk.now()) != nil {
			t.Error("take gave a connection idle for too long")
		}
		if !isClosed(peer) || !isClosed(other) {
			t.Error("what is too old stays open")
		}
	})
}

// The sweeper closes what nobody takes out: connections idle for too long, closed by the peer, with bytes nobody asked
// for, to a peer that is gone. It stops when nothing is kept and starts again.
func TestStoreSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.ln.Close()
		defer s.close()
		keep := func() net.Conn {
			c, peer := s.conn()
			s.put(s.b, c, s.pol, s.clk.now())
			return peer
		}
		peer := keep()
		time.Sleep(2 * sweepEvery)
		if s.idle() != 1 {
			t.Fatal("a quiet connection was swept")
		}
		peer.Close()
		time.Sleep(2 * sweepEvery)
		if s.idle() != 0 || s.armed.Load() {
			t.Errorf("%d kept after the peer closed, sweeper on: %v", s.idle(), s.armed.Load())
		}
		if _, err := keep().Write([]byte("HTTP/1.1 408 \r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * sweepEvery)
		if s.idle() != 0 {
			t.Error("a connection with unasked bytes was kept")
		}
		keep()
		time.Sleep(s.pol.idleTimeout + 2*sweepEvery)
		if s.idle() != 0 {
			t.Error("a connection idle for too long was kept")
		}
		keep()
		if err := s.pool.Remove("a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * sweepEvery)
		if s.idle() != 0 {
			t.Error("a connection to a peer that is gone was kept")
		}
	})
}

func TestStoreClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.ln.Close()
		c, peer := s.conn()
		s.put(s.b, c, s.pol, s.clk.now())
		s.close()
		s.close()
		if s.idle() != 0 || !isClosed(peer) {
			t.Error("close has left a connection")
		}
	})
}

// A list of a peer that is gone is dropped when another peer comes.
func TestStoreForgetsPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		defer s.ln.Close()
		defer s.close()
		for range 10 {
			c, _ := s.conn()
			s.put(s.b, c, s.pol, s.clk.now())
			if err := s.pool.Remove("a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * sweepEvery)
			if err := s.pool.Add("192.0.2.1:80", upstream.ID("a")); err != nil {
				t.Fatal(err)
			}
			lease, err := s.pool.TryPick(s.pool.Now(), new(upstream.Request))
			if err != nil {
				t.Fatal(err)
			}
			s.b = lease.Backend()
			lease.Done(s.pool.Now(), upstream.Success)
		}
		if n := len(*s.lists.Load()); n > 1 {
			t.Errorf("%d lists for one peer", n)
		}
	})
}
