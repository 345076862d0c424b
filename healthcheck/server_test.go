package healthcheck

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/mainstay-ha/mainstay/internal/memnet"
)

// network is where a test's servers and checks meet: in memory or on loopback.
type network struct {
	listen func(addr string) (net.Listener, error)
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
}

func inMemory(opts ...memnet.StreamsOption) network {
	streams := memnet.NewStreams(opts...)
	return network{
		listen: func(addr string) (net.Listener, error) { return streams.Listen(addr) },
		dial:   streams.DialContext,
	}
}

func onLoopback() network {
	return network{
		listen: func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) },
		dial:   direct.DialContext,
	}
}

// server is a test's server: it hands every connection to serve, in a goroutine
// of its own, and closes it afterwards.
type server struct {
	Target
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex // guards conns and count
	conns map[net.Conn]bool
	count int
}

// serve starts a server on n. close ends it, cutting the connections that are left.
func (n network) serve(t testing.TB, serve func(c net.Conn)) *server {
	t.Helper()
	return n.serveAt(t, "127.0.0.1:0", serve)
}

// serveAt is serve with the address given.
func (n network) serveAt(t testing.TB, addr string, serve func(c net.Conn)) (s *server) {
	t.Helper()
	l, err := n.listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	s = &server{Target: Target{Addr: l.Addr().String()}.withDefaults(), listener: l, conns: map[net.Conn]bool{}}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.count++
			s.mu.Unlock()
			s.wg.Go(func() {
				serve(c)
				c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			})
		}
	})
	return s
}

// accepted returns the number of connections so far.
func (s *server) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// endOf reads on and says how the connection ended: io.EOF for an orderly end.
func endOf(c net.Conn) error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	return io.EOF
}

func (s *server) close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// readRequest reads a request without a body.
func readRequest(c net.Conn) (head string, err error) {
	r := bufio.NewReaderSize(c, 16) // hardly reads ahead
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return head, err
		}
		head += line
		if line == "\r\n" {
			return head, nil
		}
	}
}

// answer makes a server that answers every request with text and closes.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := readRequest(c); err == nil {
			io.WriteString(c, text)
		}
	}
}

// flood answers with text and then with more for as long as it is taken.
func flood(text, more string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := readRequest(c); err != nil {
			return
		}
		io.WriteString(c, text)
		for {
			if _, err := io.WriteString(c, more); err != nil {
				return
			}
		}
	}
}

// cutOff answers with text and resets the connection.
func cutOff(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := readRequest(c); err != nil {
			return
		}
		io.WriteString(c, text)
		c.(interface{ SetLinger(int) error }).SetLinger(0)
	}
}

// silence answers with text and then keeps quiet until the other end leaves.
func silence(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := readRequest(c); err == nil {
			io.WriteString(c, text)
		}
		io.Copy(io.Discard, c)
	}
}

// has reports whether err is the one that is wanted: by errors.Is, or for a
// *StatusError by its code. A write that comes after a reset may say EPIPE.
func has(err, want error) bool {
	if want == syscall.ECONNRESET && errors.Is(err, syscall.EPIPE) {
		return true
	}
	var got, status *StatusError
	if errors.As(want, &status) {
		return errors.As(err, &got) && got.Code == status.Code
	}
	return errors.Is(err, want)
}
