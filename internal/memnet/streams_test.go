package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var bg = context.Background()

func listen(t *testing.T, s *Streams, addr string) *Listener {
	t.Helper()
	l, err := s.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestListenAndDialErrors(t *testing.T) {
	s := NewStreams()
	listen(t, s, "192.0.2.1:80")
	canceled, cancel := context.WithCancel(bg)
	cancel()
	dial := func(ctx context.Context, network, addr string) func() error {
		return func() error { _, err := s.DialContext(ctx, network, addr); return err }
	}
	for _, tt := range []struct {
		name, op string
		call     func() error
		want     error // nil: any
	}{
		{"address in use", "listen", func() error { _, err := s.Listen("192.0.2.1:80"); return err }, syscall.EADDRINUSE},
		{"listen without a port", "listen", func() error { _, err := s.Listen("192.0.2.1"); return err }, nil},
		{"listen on a bad port", "listen", func() error { _, err := s.Listen("192.0.2.1:70000"); return err }, nil},
		{"listen on a name", "listen", func() error { _, err := s.Listen("example.com:80"); return err }, nil},
		{"nobody listens", "dial", dial(bg, "tcp", "192.0.2.1:81"), syscall.ECONNREFUSED},
		{"other address", "dial", dial(bg, "tcp4", "192.0.2.2:80"), syscall.ECONNREFUSED},
		{"other network", "dial", dial(bg, "udp", "192.0.2.1:80"), net.UnknownNetworkError("udp")},
		{"dial a name", "dial", dial(bg, "tcp", "example.com:80"), nil},
		{"canceled", "dial", dial(canceled, "tcp", "192.0.2.1:80"), context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call()
			var e *net.OpError
			if !errors.As(err, &e) || e.Op != tt.op || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want a net.OpError of %s with %v", err, tt.op, tt.want)
			}
		})
	}
	var dns *net.DNSError
	if err := dial(bg, "tcp", "example.com:80")(); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("error %v, want a net.DNSError that says not found", err)
	}
}

func TestListenerAddresses(t *testing.T) {
	for _, tt := range []struct {
		listen, dial string
		ok           bool
	}{
		{"192.0.2.1:80", "192.0.2.1:80", true},
		{"localhost:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "localhost:80", true},
		{":80", "192.0.2.7:80", true},
		{":80", "[2001:db8::1]:80", true},
		{"0.0.0.0:80", "192.0.2.7:80", true},
		{"0.0.0.0:80", "[2001:db8::1]:80", false},
		{"[::]:80", "192.0.2.7:80", true},
		{"[::ffff:192.0.2.1]:80", "192.0.2.1:80", true},
		{"127.0.0.1:80", "0.0.0.0:80", true}, // this host
		{"[::1]:80", ":80", true},
		{"[fe80::1%eth0]:80", "[fe80::1%eth1]:80", false},
	} {
		s := NewStreams()
		l := listen(t, s, tt.listen)
		c, err := s.DialContext(bg, "tcp", tt.dial)
		if tt.ok != (err == nil) {
			t.Errorf("listen %s, dial %s: %v, want success %v", tt.listen, tt.dial, err, tt.ok)
		}
		if err == nil {
			c.Close()
		}
		l.Close()
	}
}

func TestEphemeralPorts(t *testing.T) {
	s := NewStreams()
	seen := map[string]bool{}
	for range 100 {
		addr := listen(t, s, "127.0.0.1:0").Addr().String()
		if seen[addr] {
			t.Fatalf("%s given twice", addr)
		}
		seen[addr] = true
	}
	s.lastPort = 65535 // wraps around, past the ports in use
	if addr := listen(t, s, "127.0.0.1:0").Addr().String(); seen[addr] {
		t.Errorf("%s given twice", addr)
	}
}

func TestDialFrom(t *testing.T) {
	s := NewStreams()
	l := listen(t, s, "192.0.2.1:80")
	c, err := s.DialFrom(bg, netip.MustParseAddr("198.51.100.9"), "tcp", "192.0.2.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if got := far.RemoteAddr().(*net.TCPAddr).IP.String(); got != "198.51.100.9" {
		t.Errorf("the listener sees %s, want 198.51.100.9", got)
	}
}

// TestUseBeforeAccept writes to a connection that waits in the backlog.
func TestUseBeforeAccept(t *testing.T) {
	s := NewStreams()
	l := listen(t, s, "192.0.2.1:80")
	var ends []net.Conn
	for _, text := range []string{"first", "second"} {
		c, err := s.DialContext(bg, "tcp", "192.0.2.1:80")
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, text)
		ends = append(ends, c)
	}
	for _, text := range []string{"first", "second"} {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		receive(t, c, text)
		ends = append(ends, c)
	}
	for _, c := range ends {
		c.Close()
	}
}

func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStreams(WithBacklog(2))
		l := listen(t, s, "192.0.2.1:80")
		var conns []net.Conn
		for range 2 {
			c, err := s.DialContext(bg, "tcp", "192.0.2.1:80")
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		t0 := time.Now()
		if _, err := s.DialContext(ctx, "tcp", "192.0.2.1:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial with a full backlog: %v, want a timeout", err)
		} else if e, ok := err.(net.Error); !ok || !e.Timeout() {
			t.Errorf("dial with a full backlog: %v, want a net.Error that is a timeout", err)
		}
		if d := time.Since(t0); d != time.Second {
			t.Errorf("dial gave up after %v, want 1s", d)
		}
		var third net.Conn
		var wg sync.WaitGroup
		wg.Go(func() { third, _ = s.DialContext(bg, "tcp", "192.0.2.1:80") })
		synctest.Wait()
		if third != nil {
			t.Error("a third connection got into a backlog of two")
		}
		first, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if third == nil {
			t.Fatal("no third connection after an accept")
		}
		for _, c := range append(conns, first, third) {
			c.Close()
		}
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStreams(WithBacklog(1))
		l := listen(t, s, "192.0.2.1:80")
		queued, err := s.DialContext(bg, "tcp", "192.0.2.1:80")
		if err != nil {
			t.Fatal(err)
		}
		defer queued.Close()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.DialContext(bg, "tcp", "192.0.2.1:80"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial that waited for room: %v, want ECONNREFUSED", err)
			}
		})
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		fails(t, "read", readErr(queued), syscall.ECONNRESET)
		_, err = l.Accept()
		fails(t, "accept", err, net.ErrClosed)
		fails(t, "close", l.Close(), net.ErrClosed)
		fails(t, "set", l.SetDeadline(time.Time{}), net.ErrClosed)
		if _, err := s.DialContext(bg, "tcp", "192.0.2.1:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after the close: %v, want ECONNREFUSED", err)
		}
		listen(t, s, "192.0.2.1:80") // the address is free
	})
}

func TestAcceptUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, NewStreams(), "192.0.2.1:80")
		var wg sync.WaitGroup
		accept := func(want error) {
			wg.Go(func() {
				_, err := l.Accept()
				fails(t, "accept", err, want)
			})
			synctest.Wait()
		}
		accept(os.ErrDeadlineExceeded)
		l.SetDeadline(time.Now().Add(time.Second))
		wg.Wait()
		l.SetDeadline(time.Time{})
		accept(net.ErrClosed)
		accept(net.ErrClosed)
		l.Close()
		wg.Wait()
	})
}

// TestManyConns has every connection echo, all at once.
func TestManyConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStreams(WithBuffer(16))
		l := listen(t, s, ":80")
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					defer c.Close()
					io.Copy(c, c)
				})
			}
		})
		var clients sync.WaitGroup
		for range 50 {
			clients.Go(func() {
				c, err := s.DialContext(bg, "tcp", "192.0.2.1:80")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				const text = "a text that is longer than the buffer is"
				clients.Go(func() { io.WriteString(c, text); c.(*Conn).CloseWrite() })
				if got, err := io.ReadAll(c); err != nil || string(got) != text {
					t.Errorf("echo %q, %v", got, err)
				}
			})
		}
		clients.Wait()
		l.Close()
		wg.Wait()
	})
}
