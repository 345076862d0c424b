package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
)

// wirePair is a wire under test and the other end of its connection.
type wirePair struct {
	wire
	clk  *clock
	peer net.Conn
}

// wires runs f on every kind of wire. Over memory it is in a bubble; f must not depend on real time otherwise.
func wires(t *testing.T, f func(t *testing.T, p wirePair)) {
	t.Run("tcp", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		runPair(t, ln, new(net.Dialer).DialContext, f, false)
	})
	t.Run("tcp wrapped", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		runPair(t, ln, new(net.Dialer).DialContext, f, true)
	})
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			mem := memnet.NewStreams()
			ln, err := mem.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			runPair(t, ln, mem.DialContext, f, false)
		})
	})
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func runPair(t *testing.T, ln net.Listener, dial dialFunc, f func(t *testing.T, p wirePair), wrap bool) {
	conn, err := dial(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if wrap {
		conn = struct{ net.Conn }{conn} // hides SyscallConn
	}
	p := wirePair{clk: newClock(), peer: peer}
	p.wire = newWire(conn, p.clk)
	defer p.close()
	f(t, p)
}

// within sets limits that a working wire never reaches.
func (p wirePair) within() {
	p.limitRead(p.clk.now(), 20*time.Second)
	p.limitWrite(20 * time.Second)
}

// arrive waits until a peek finds what the peer did.
func (p wirePair) arrive(want arrival) bool {
	for range 1 << 20 {
		if p.peek() == want {
			return true
		}
	}
	return false
}

func TestWireConverse(t *testing.T) {
	wires(t, func(t *testing.T, p wirePair) {
		buf := make([]byte, 100)
		for _, size := range []int{10, rawLimit, rawLimit + 1, 5 << 20} {
			question := bytes.Repeat([]byte("q"), size)
			heard := make(chan int, 1)
			go func() { // ends with the question
				n, _ := io.CopyN(io.Discard, p.peer, int64(size))
				_, _ = p.peer.Write([]byte("answer"))
				heard <- int(n)
			}()
			p.within()
			n, err := p.converse(question, buf)
			if err != nil || string(buf[:n]) != "answer" {
				t.Fatalf("converse of %d bytes = %q, %v", size, buf[:n], err)
			}
			if got := <-heard; got != size {
				t.Fatalf("the peer got %d bytes of %d", got, size)
			}
		}
	})
}

// A kept connection that has bytes nobody asked for, or that the peer has closed, is found before a byte is written.
func TestWireStale(t *testing.T) {
	for name, spoil := range map[string]func(net.Conn){
		"bytes":  func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n")) },
		"closed": func(c net.Conn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{10, 2 * rawLimit} {
				wires(t, func(t *testing.T, p wirePair) {
					spoil(p.peer)
					want := arrived
					if name == "closed" {
						want = ended
					}
					if !p.arrive(want) {
						t.Fatal("it never arrived")
					}
					p.within()
					n, err := p.converse(make([]byte, size), make([]byte, 100))
					if n != 0 || err != errStale {
						t.Errorf("converse = %d, %v, want %v", n, err, errStale)
					}
				})
			}
		})
	}
}

func TestWirePeek(t *testing.T) {
	wires(t, func(t *testing.T, p wirePair) {
		if got := p.peek(); got != quiet {
			t.Errorf("peek = %v on a quiet connection", got)
		}
		if _, err := p.peer.Write([]byte("ab")); err != nil {
			t.Fatal(err)
		}
		if !p.arrive(arrived) || p.peek() != arrived {
			t.Fatal("peek does not see what has arrived, or only once")
		}
		p.within()
		var got []byte
		for len(got) < 2 {
			buf := make([]byte, 10)
			n, err := p.read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		if string(got) != "ab" {
			t.Errorf("read %q after peeks, want %q", got, "ab")
		}
		p.peer.Close()
		if !p.arrive(ended) {
			t.Error("peek does not see the end")
		}
		if _, err := p.read(make([]byte, 10)); err != io.EOF {
			t.Errorf("read at the end = %v, want %v", err, io.EOF)
		}
	})
}

func TestWireInterrupt(t *testing.T) {
	wires(t, func(t *testing.T, p wirePair) {
		p.within()
		failed := make(chan error, 1)
		go func() { // ends by the interrupt
			_, err := p.read(make([]byte, 10))
			failed <- err
		}()
		p.interrupt(true, true)
		if err := <-failed; !timedOut(err) {
			t.Errorf("interrupted read = %v", err)
		}
		p.resume()
		p.within()
		if err := p.write([]byte("x")); err != nil {
			t.Errorf("write after resume = %v", err)
		}
		if _, err := p.peer.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		if n, err := p.read(make([]byte, 10)); n != 1 || err != nil {
			t.Errorf("read after resume = %d, %v", n, err)
		}
	})
}

func TestWireLimits(t *testing.T) {
	wires(t, func(t *testing.T, p wirePair) {
		p.limitRead(p.clk.now(), time.Millisecond)
		if _, err := p.read(make([]byte, 10)); !timedOut(err) {
			t.Errorf("read = %v, want its limit", err)
		}
		p.limitWrite(time.Millisecond)
		if err := p.write(make([]byte, 64<<20)); err != errWriteTimeout {
			t.Errorf("write = %v, want %v", err, errWriteTimeout)
		}
	})
}

// Limits are coarse: only a deadline in the last quarter of what is asked for is left alone.
func TestLimitsAreCoarse(t *testing.T) {
	conn := &deadlines{}
	l := limits{sock: conn, clk: newClock()}
	const t0 = int64(1e9)
	for _, c := range []struct {
		name string
		now  int64
		d    time.Duration
		set  bool
	}{
		{"first", t0, time.Second, true},
		{"same", t0, time.Second, false},
		{"a quarter later", t0 + 250e6, time.Second, false},
		{"more than a quarter later", t0 + 251e6, time.Second, true},
		{"a shorter one", t0 + 251e6, time.Millisecond, true},
		{"a longer one", t0 + 251e6, time.Minute, true},
		{"after it has passed", t0 + 100e9, time.Minute, true},
		{"time going backwards", t0, time.Minute, true},
	} {
		conn.read = 0
		l.limitRead(c.now, c.d)
		if (conn.read == 1) != c.set {
			t.Errorf("%s: %d deadlines set, want %v", c.name, conn.read, c.set)
		}
	}
}

type deadlines struct {
	net.Conn
	read int
}

func (d *deadlines) SetReadDeadline(time.Time) error { d.read++; return nil }

// A write may take as long as it likes while it moves, and fails when it has not moved for its limit. Over a net.Conn
// the last move is not known, only that there was one before the deadline.
func TestWireWriteMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memnet.NewStreams(memnet.WithBuffer(1000))
		ln, err := mem.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		runPair(t, ln, mem.DialContext, func(t *testing.T, p wirePair) {
			const patience = time.Minute
			p.limitWrite(patience)
			go func() { // ends with the last read
				for range 10 {
					time.Sleep(patience - time.Second)
					_, _ = io.ReadFull(p.peer, make([]byte, 1000))
				}
			}()
			t0 := time.Now()
			if err := p.write(make([]byte, 20000)); err != errWriteTimeout {
				t.Fatalf("write = %v", err)
			}
			moved := 10 * (patience - time.Second)
			if got := time.Since(t0); got < moved+patience || got > moved+2*patience {
				t.Errorf("gave up after %v, the last move was after %v", got, moved)
			}
		}, false)
	})
}

// sink takes what comes, byte by byte, until it hears a full stop.
type sink struct {
	p     wirePair
	buf   []byte
	lent  bool
	heard []byte
}

func (s *sink) lend() []byte { s.lent = true; return s.buf }
func (s *sink) giveBack()    { s.lent = false }

func (s *sink) take(n int) bool {
	if string(s.buf[:n]) == "." {
		return false
	}
	s.heard = append(s.heard, s.buf[:n]...)
	s.giveBack()
	if err := s.p.write([]byte("k")); err != nil {
		return false
	}
	s.p.within()
	return true
}

func TestWireServe(t *testing.T) {
	wires(t, func(t *testing.T, p wirePair) {
		s := &sink{p: p, buf: make([]byte, 100)}
		said := make(chan error, 1)
		go func() { // ends with the conversation
			for range 100 {
				if _, err := p.peer.Write([]byte("a")); err != nil {
					said <- err
					return
				}
				if _, err := io.ReadFull(p.peer, make([]byte, 1)); err != nil {
					said <- err
					return
				}
			}
			_, err := p.peer.Write([]byte("."))
			said <- err
		}()
		p.within()
		if err := p.serve(s, true); err != nil || !s.lent {
			t.Fatalf("serve = %v, lent %v, want a refusal with the buffer lent", err, s.lent)
		}
		if err := <-said; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.heard, bytes.Repeat([]byte("a"), 100)) {
			t.Errorf("took %q", s.heard)
		}
		s.giveBack()
		p.limitRead(p.clk.now(), time.Millisecond)
		if err := p.serve(s, true); !timedOut(err) || s.lent {
			t.Errorf("serve without anything = %v, lent %v, want its limit and nothing", err, s.lent)
		}
		p.within()
		p.peer.Close()
		if err := p.serve(s, true); !errors.Is(err, io.EOF) || s.lent {
			t.Errorf("serve at the end = %v, lent %v, want the end and nothing", err, s.lent)
		}
	})
}
