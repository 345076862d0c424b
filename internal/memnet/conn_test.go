package memnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/mainstay-ha/mainstay/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestNettest(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []StreamsOption
	}{{"default", nil}, {"small buffer", []StreamsOption{WithBuffer(7)}}} {
		t.Run(tt.name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b := connect(t, NewStreams(tt.opts...))
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

// conn is what a TCP connection and ours have in common.
type conn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
}

var (
	_ conn = (*net.TCPConn)(nil)
	_ conn = (*Conn)(nil)
)

// connect makes a connection over s and closes it with the test.
func connect(t testing.TB, s *Streams) (a, b *Conn) {
	t.Helper()
	l, err := s.Listen("192.0.2.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := s.DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near.(*Conn), far.(*Conn)
}

// kinds runs a test on both ends of our connections, and on those of the
// kernel where the kernel is the one we copy.
func kinds(t *testing.T, test func(t *testing.T, a, b conn)) {
	t.Run("memnet, the caller", func(t *testing.T) {
		a, b := connect(t, NewStreams())
		test(t, a, b)
	})
	t.Run("memnet, the listener", func(t *testing.T) {
		a, b := connect(t, NewStreams())
		test(t, b, a)
	})
	t.Run("kernel", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("the model is Linux, this is " + runtime.GOOS)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		a, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		test(t, a.(conn), b.(conn))
	})
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if n, err := io.WriteString(c, s); n != len(s) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v, want %q", b, err, want)
	}
}

// fails checks that err is want in a net.OpError for op.
func fails(t *testing.T, op string, err, want error) {
	t.Helper()
	var e *net.OpError
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Op != op || e.Net != "tcp" {
		t.Errorf("error %#v (%v), want %v in a net.OpError of %s tcp", err, err, want, op)
	}
}

func readErr(c net.Conn) error {
	_, err := c.Read(make([]byte, 9))
	return err
}

func writeErr(c net.Conn) error {
	_, err := c.Write([]byte("x"))
	return err
}

func TestPartialReads(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		send(t, a, "abcdef")
		for _, want := range []string{"ab", "cd", "ef"} {
			receive(t, b, want)
		}
		send(t, a, "gh")
		p := make([]byte, 9)
		if n, err := b.Read(p); n != 2 || err != nil {
			t.Errorf("Read() = %d, %v, want the 2 bytes there are", n, err)
		}
	})
}

func TestCloseThenEOF(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		send(t, a, "last words")
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		receive(t, b, "last words")
		for range 2 {
			if err := readErr(b); err != io.EOF {
				t.Errorf("read: %v, want EOF", err)
			}
		}
	})
}

func TestHalfClose(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		send(t, a, "request")
		for range 2 {
			if err := a.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		fails(t, "write", writeErr(a), syscall.EPIPE)
		receive(t, b, "request")
		if err := readErr(b); err != io.EOF {
			t.Errorf("read: %v, want EOF", err)
		}
		send(t, b, "answer")
		receive(t, a, "answer")
		b.Close()
		if err := readErr(a); err != io.EOF {
			t.Errorf("read: %v, want EOF", err)
		}
	})
}

func TestLingerResets(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		send(t, a, "data")
		if err := a.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		a.Close()
		receive(t, b, "data")
		fails(t, "read", readErr(b), syscall.ECONNRESET)
		if err := writeErr(b); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: %v, want ECONNRESET or EPIPE", err)
		}
	})
}

func TestResetBeforeWrite(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		a.SetLinger(0)
		a.Close()
		var err error
		for err == nil { // until the kernel's reset has come
			err = writeErr(b)
		}
		fails(t, "write", err, syscall.ECONNRESET)
		fails(t, "close", b.CloseWrite(), syscall.ENOTCONN)
	})
}

func TestCloseWithUnreadDataResets(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		send(t, b, "unread")
		receive(t, a, "un")
		send(t, a, "answer")
		a.Close()
		receive(t, b, "answer")
		fails(t, "read", readErr(b), syscall.ECONNRESET)
	})
}

func TestWriteToClosedPeer(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		send(t, a, "bye")
		a.Close()
		send(t, b, "")     // no data, no reset
		send(t, b, "lost") // as on a kept connection that went stale
		var err error
		for err == nil {
			err = writeErr(b)
		}
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write: %v, want EPIPE or ECONNRESET", err)
		}
		receive(t, b, "bye")
		if err := readErr(b); err != io.EOF {
			t.Errorf("read: %v, want the EOF that came before the reset", err)
		}
	})
}

func TestUseAfterClose(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		a.Close()
		fails(t, "read", readErr(a), net.ErrClosed)
		fails(t, "write", writeErr(a), net.ErrClosed)
		fails(t, "close", a.Close(), net.ErrClosed)
		fails(t, "close", a.CloseRead(), net.ErrClosed)
		fails(t, "close", a.CloseWrite(), net.ErrClosed)
		fails(t, "set", a.SetDeadline(time.Time{}), net.ErrClosed)
		fails(t, "set", a.SetReadDeadline(time.Time{}), net.ErrClosed)
		fails(t, "set", a.SetWriteDeadline(time.Time{}), net.ErrClosed)
		fails(t, "set", a.SetLinger(0), net.ErrClosed)
	})
}

func TestPastDeadline(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		send(t, a, "data")
		b.SetDeadline(time.Unix(1, 0))
		fails(t, "read", readErr(b), os.ErrDeadlineExceeded)
		fails(t, "write", writeErr(b), os.ErrDeadlineExceeded)
		if n, err := b.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v, want 0, nil", n, err)
		}
		b.SetDeadline(time.Time{})
		receive(t, b, "data")
		send(t, b, "x")
	})
}

func TestCloseUnblocks(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		var wg sync.WaitGroup
		wg.Go(func() { fails(t, "read", readErr(a), net.ErrClosed) })
		wg.Go(func() {
			var err error
			for err == nil {
				_, err = a.Write(make([]byte, 1<<16)) // until nothing fits
			}
			fails(t, "write", err, net.ErrClosed)
		})
		if _, err := b.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		a.Close()
		wg.Wait()
	})
}

func TestPeerCloseUnblocks(t *testing.T) {
	kinds(t, func(t *testing.T, a, b conn) {
		var wg sync.WaitGroup
		wg.Go(func() {
			var err error
			for err == nil {
				_, err = a.Write(make([]byte, 1<<16))
			}
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("write: %v, want ECONNRESET or EPIPE", err)
			}
		})
		if _, err := b.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		b.Close()
		wg.Wait()
	})
}

func TestCloseRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, NewStreams(WithBuffer(4)))
		send(t, b, "lost")
		var wg sync.WaitGroup
		wg.Go(func() { send(t, b, "what does not fit") })
		synctest.Wait()
		if err := a.CloseRead(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := readErr(a); err != io.EOF {
			t.Errorf("read: %v, want EOF", err)
		}
		send(t, a, "x") // the other direction lives
		receive(t, b, "x")
		a.Close()
		if err := readErr(b); err != io.EOF {
			t.Errorf("read: %v, want EOF: what was thrown away is not unread", err)
		}
	})
}

func TestBufferBlocksWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, NewStreams(WithBuffer(10)))
		written := -1
		var wg sync.WaitGroup
		wg.Go(func() { written, _ = a.Write(bytes.Repeat([]byte("x"), 25)) })
		synctest.Wait()
		if written != -1 {
			t.Fatalf("Write returned %d with 10 bytes of room", written)
		}
		p := make([]byte, 100)
		if n, err := b.Read(p); n != 10 || err != nil {
			t.Errorf("Read() = %d, %v, want the 10 bytes of the buffer", n, err)
		}
		synctest.Wait()
		if written != -1 {
			t.Fatalf("Write returned %d with 20 bytes of room", written)
		}
		receive(t, b, "xxxxxxxxxxxxxxx")
		wg.Wait()
		if written != 25 {
			t.Errorf("Write() = %d, want 25", written)
		}
	})
}

func TestDeadlineWhileBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := connect(t, NewStreams(WithBuffer(10)))
		t0 := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			fails(t, "read", readErr(a), os.ErrDeadlineExceeded)
			if d := time.Since(t0); d != 2*time.Second {
				t.Errorf("read ended after %v, want 2s", d)
			}
		})
		wg.Go(func() {
			n, err := a.Write(make([]byte, 25))
			fails(t, "write", err, os.ErrDeadlineExceeded)
			if d := time.Since(t0); n != 10 || d != 3*time.Second {
				t.Errorf("Write() = %d after %v, want 10 after 3s", n, d)
			}
		})
		synctest.Wait()
		a.SetReadDeadline(t0.Add(time.Hour))
		a.SetReadDeadline(t0.Add(2 * time.Second)) // earlier than before
		a.SetWriteDeadline(t0.Add(time.Second))
		a.SetWriteDeadline(t0.Add(3 * time.Second)) // later than before
		wg.Wait()

		wg.Go(func() { fails(t, "read", readErr(a), os.ErrDeadlineExceeded) })
		a.SetReadDeadline(time.Time{})
		synctest.Wait()
		a.SetReadDeadline(t0) // in the past
		wg.Wait()
	})
}

// TestWritesDoNotInterleave has two writers and a buffer too small for either.
func TestWritesDoNotInterleave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := connect(t, NewStreams(WithBuffer(3)))
		var wg sync.WaitGroup
		for _, text := range []string{"aaaaaaaa", "bbbbbbbb", "cccccccc"} {
			wg.Go(func() { send(t, a, text) })
		}
		synctest.Wait() // a bubble sees all three blocked
		for range 3 {
			p := make([]byte, 8)
			if _, err := io.ReadFull(b, p); err != nil || len(bytes.Trim(p, string(p[:1]))) != 0 {
				t.Errorf("read %q, %v, want one write in one piece", p, err)
			}
		}
		wg.Wait()
	})
}

// TestWaitingWriterGivesUp lets the second writer's turn never come.
func TestWaitingWriterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := connect(t, NewStreams(WithBuffer(1)))
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := a.Write(make([]byte, 2))
				fails(t, "write", err, os.ErrDeadlineExceeded)
			})
		}
		a.SetWriteDeadline(time.Now().Add(time.Second))
		wg.Wait()
	})
}

func TestAddresses(t *testing.T) {
	a, b := connect(t, NewStreams())
	if a.LocalAddr().String() != b.RemoteAddr().String() || a.RemoteAddr().String() != b.LocalAddr().String() {
		t.Errorf("the ends disagree: %v-%v and %v-%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	if got := b.LocalAddr().(*net.TCPAddr); !got.IP.Equal(net.IPv4(192, 0, 2, 1)) {
		t.Errorf("the listener's end is at %v, want 192.0.2.1", got)
	}
	if got := a.LocalAddr().(*net.TCPAddr); !got.IP.IsLoopback() || got.Port < firstPort {
		t.Errorf("the caller's end is at %v, want a loopback address and an ephemeral port", got)
	}
}

func BenchmarkThroughput(b *testing.B) {
	s := NewStreams()
	near, far := connect(b, s)
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(io.Discard, far) })
	p := make([]byte, 16<<10)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := near.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	near.CloseWrite()
	wg.Wait()
}
