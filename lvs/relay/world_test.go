package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/leak"
	"github.com/mainstay-ha/mainstay/internal/memnet"
	"github.com/mainstay-ha/mainstay/lvs"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

func TestMain(m *testing.M) { leak.Main(m) }

// duplex is what both kinds of connection offer to a test.
type duplex interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// A world is a kind of network to relay on. In a bubble all of it is in memory and time is free.
type world struct {
	t       testing.TB
	listen  func(addr string) net.Listener
	dial    func(addr string) (net.Conn, error)
	front   func(net.Listener) net.Listener // what the relay listens on
	options []relay.Option
	bubble  bool
}

// worlds runs one suite on every implementation: descriptors the relay connected itself, those that a dialer returned,
// connections that hide theirs, both sides and one side only, and connections in memory.
func worlds(t *testing.T, suite func(*world)) {
	tcp := func(name string, front func(net.Listener) net.Listener, opts ...relay.Option) {
		t.Run(name, func(t *testing.T) {
			w := tcpWorld(t)
			w.front, w.options = front, opts
			suite(w)
		})
	}
	hidden := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return hiding{c.(*net.TCPConn)}, nil
	}
	tcp("tcp", plain)
	tcp("tcp/no pipes", plain, relay.WithMaxPipes(0))
	tcp("tcp/dialer", plain, relay.WithDialer(new(net.Dialer).DialContext))
	tcp("tcp/client hidden", func(ln net.Listener) net.Listener { return hidingListener{ln} })
	tcp("tcp/both hidden", func(ln net.Listener) net.Listener { return hidingListener{ln} }, relay.WithDialer(hidden))
	t.Run("memory", func(t *testing.T) { inMemory(t, suite) })
}

func plain(ln net.Listener) net.Listener { return ln }

// tcpWorld is the loopback.
func tcpWorld(t testing.TB) *world {
	return &world{
		t:      t,
		listen: func(addr string) net.Listener { return must(relay.Listen(context.Background(), addr)) },
		dial:   func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) },
		front:  plain,
	}
}

// inMemory runs a test in a bubble, where waiting costs nothing and instants are exact.
func inMemory(t *testing.T, test func(*world), opts ...memnet.StreamsOption) {
	synctest.Test(t, func(t *testing.T) {
		streams := memnet.NewStreams(opts...)
		test(&world{
			t:       t,
			listen:  func(addr string) net.Listener { return must(streams.Listen(addr)) },
			dial:    func(addr string) (net.Conn, error) { return streams.DialContext(t.Context(), "tcp", addr) },
			front:   plain,
			options: []relay.Option{relay.WithDialer(streams.DialContext)},
			bubble:  true,
		})
	})
}

// hiding is a TCP connection without its descriptor, as a wrapper that counts or encrypts is.
type hiding struct{ c *net.TCPConn }

func (h hiding) Read(b []byte) (int, error)         { return h.c.Read(b) }
func (h hiding) Write(b []byte) (int, error)        { return h.c.Write(b) }
func (h hiding) Close() error                       { return h.c.Close() }
func (h hiding) CloseWrite() error                  { return h.c.CloseWrite() }
func (h hiding) SetLinger(sec int) error            { return h.c.SetLinger(sec) }
func (h hiding) LocalAddr() net.Addr                { return h.c.LocalAddr() }
func (h hiding) RemoteAddr() net.Addr               { return h.c.RemoteAddr() }
func (h hiding) SetDeadline(t time.Time) error      { return h.c.SetDeadline(t) }
func (h hiding) SetReadDeadline(t time.Time) error  { return h.c.SetReadDeadline(t) }
func (h hiding) SetWriteDeadline(t time.Time) error { return h.c.SetWriteDeadline(t) }

type hidingListener struct{ net.Listener }

func (l hidingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return hiding{c.(*net.TCPConn)}, nil
}

// A bench is a relay in a world, with its service and its access log.
type bench struct {
	*world
	svc     *lvs.Service
	relay   *relay.Relay
	addr    string
	records chan relay.Record
	served  chan error
}

// relay starts a relay in front of the destinations, the first of which is picked first.
func (w *world) relay(dests []string, opts ...relay.Option) *bench {
	w.t.Helper()
	ln := w.listen("127.0.0.1:0")
	b := &bench{world: w, addr: ln.Addr().String(), records: make(chan relay.Record, 1000), served: make(chan error, 1)}
	b.svc = must(lvs.NewService(lvs.TCP, netip.MustParseAddrPort(b.addr)))
	for i := len(dests) - 1; i >= 0; i-- {
		check(w.t, b.svc.Add(netip.MustParseAddrPort(dests[i])))
	}
	opts = append(append(w.options[:len(w.options):len(w.options)], relay.WithAccessLog(func(r *relay.Record) { b.records <- *r })), opts...)
	b.relay = must(relay.New(b.svc, opts...))
	go func() { b.served <- b.relay.Serve(w.front(ln)) }()
	w.t.Cleanup(func() {
		check(w.t, b.relay.Close())
		if err := <-b.served; err != nil {
			w.t.Errorf("Serve() = %v, want nil", err)
		}
	})
	return b
}

// backend listens for one destination and returns its address and accept.
func (w *world) backend() (addr string, accept func() duplex) {
	w.t.Helper()
	ln := w.listen("127.0.0.1:0")
	w.t.Cleanup(func() { ln.Close() })
	return ln.Addr().String(), func() duplex {
		w.t.Helper()
		return w.own(ln.Accept())
	}
}

// nobody returns an address that refuses connections.
func (w *world) nobody() string {
	ln := w.listen("127.0.0.1:0")
	defer ln.Close()
	return ln.Addr().String()
}

// client connects to the relay.
func (b *bench) client() duplex {
	b.t.Helper()
	return b.own(b.dial(b.addr))
}

// own makes sure that a connection is closed and that nobody waits for ever.
func (w *world) own(c net.Conn, err error) duplex {
	w.t.Helper()
	check(w.t, err)
	w.t.Cleanup(func() { c.Close() })
	if !w.bubble {
		c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return c.(duplex)
}

// pair connects a client through the relay to the backend.
func (b *bench) pair(accept func() duplex) (client, server duplex) {
	b.t.Helper()
	client = b.client()
	return client, accept()
}

// record waits for the access log of the next connection that ends.
func (b *bench) record() relay.Record {
	b.t.Helper()
	if b.bubble {
		return <-b.records
	}
	select {
	case r := <-b.records:
		return r
	case <-time.After(20 * time.Second):
		b.t.Fatal("no connection ended")
		panic("unreachable")
	}
}

// until waits for a condition that comes true a moment later.
func (w *world) until(cond func() bool) {
	w.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(limit) {
			w.t.Fatal("the condition never came true")
		}
		if w.bubble {
			time.Sleep(time.Millisecond)
		} else {
			runtime.Gosched()
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send writes text and expects it to arrive.
func send(t testing.TB, from, to net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(from, text)
	check(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(to, got)
	check(t, err)
	if string(got) != text {
		t.Fatalf("got %q, want %q", got, text)
	}
}

// wantEOF expects the end of the stream, wantReset a reset.
func wantEOF(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read() = %d, %v, want EOF", n, err)
	}
}

func wantReset(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, errReset) {
		t.Errorf("Read() = %d, %v, want a reset", n, err)
	}
}

// wantRefused expects that a client is reset, which it may learn while it connects.
func (b *bench) wantRefused() {
	b.t.Helper()
	c, err := b.dial(b.addr)
	if err != nil {
		if !errors.Is(err, errReset) {
			b.t.Errorf("dial: %v, want a reset", err)
		}
		return
	}
	wantReset(b.t, b.own(c, nil))
}

func wantReason(t testing.TB, r relay.Record, want relay.Reason) {
	t.Helper()
	if r.Reason != want {
		t.Errorf("the connection ended as %v (%v), want %v", r.Reason, r.Err, want)
	}
}
