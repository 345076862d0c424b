package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
	"github.com/mainstay-ha/mainstay/proxy"
	"github.com/mainstay-ha/mainstay/upstream"
)

// door is a way into the proxy that the suite goes.
type door struct {
	name   string
	engine bool // our server; else net/http's with the Proxy as handler
	memory bool // in memory and inside a bubble; else TCP over loopback
}

var doors = []door{
	{name: "handler"},
	{name: "engine", engine: true},
	{name: "engine in memory", engine: true, memory: true},
	{name: "handler in memory", memory: true},
}

// kind selects doors.
type kind func(door) bool

func every(door) bool      { return true }
func engines(d door) bool  { return d.engine }
func handlers(d door) bool { return !d.engine }
func bubbles(d door) bool  { return d.memory }
func timed(d door) bool    { return d.memory && d.engine }

// through runs a case through every door of a kind, each in a world of its own.
func through(t *testing.T, k kind, run func(t *testing.T, w *world)) {
	for _, d := range doors {
		if !k(d) {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			if d.memory {
				synctest.Test(t, func(t *testing.T) { run(t, newWorld(t, d)) })
			} else {
				run(t, newWorld(t, d))
			}
		})
	}
}

// world holds what a case needs: a network, backends, a proxy with one of its doors, clients.
type world struct {
	t    *testing.T
	door door
	mem  *memnet.Streams // nil over loopback

	proxy  *proxy.Proxy
	server *proxy.Server // of the engine
	addr   string        // of the door
	served chan error    // what Serve returned

	nobodies []string // addresses given out by nobody

	mu   sync.Mutex // guards open
	open []io.Closer
	wg   sync.WaitGroup
}

func newWorld(t *testing.T, d door) *world {
	w := &world{t: t, door: d}
	if d.memory {
		w.mem = memnet.NewStreams()
	}
	t.Cleanup(w.shut)
	return w
}

// shut closes everything and waits for what ran.
func (w *world) shut() {
	w.mu.Lock()
	open := w.open
	w.open = nil
	w.mu.Unlock()
	for i := len(open) - 1; i >= 0; i-- {
		open[i].Close()
	}
	w.wg.Wait()
	if w.door.memory {
		time.Sleep(time.Minute) // net/http waits a moment before it closes; in a bubble that costs nothing
	}
}

// again runs a part of a case in a world of its own on the same network.
func (w *world) again(run func(w *world)) {
	next := &world{t: w.t, door: w.door, mem: w.mem}
	defer next.shut()
	run(next)
}

// later closes c at the end of the case; the last added is closed first.
func (w *world) later(c io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = append(w.open, c)
}

// patience bounds every wait of the suite. In a bubble it costs nothing and is longer than any timeout under test.
func (w *world) patience() time.Duration {
	if w.door.memory {
		return time.Hour
	}
	return 20 * time.Second
}

func (w *world) listen() net.Listener {
	w.t.Helper()
	var ln net.Listener
	var err error
	if w.mem != nil {
		ln, err = w.mem.Listen("127.0.0.1:0")
	} else {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.later(ln)
	return ln
}

func (w *world) dialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if w.mem != nil {
		return w.mem.DialContext(ctx, network, addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// nobody is an address that refuses connections, another one at each call.
func (w *world) nobody() string {
	for {
		ln := w.listen()
		addr := ln.Addr().String()
		ln.Close()
		if !slices.Contains(w.nobodies, addr) {
			w.nobodies = append(w.nobodies, addr)
			return addr
		}
	}
}

// pool makes a pool of servers without failure accounting, so that a case decides who is asked.
func (w *world) pool(addrs ...string) *upstream.Pool {
	w.t.Helper()
	var opts []upstream.Option
	for _, a := range addrs {
		opts = append(opts, upstream.WithServer(a))
	}
	return w.poolOf(opts...)
}

func (w *world) poolOf(opts ...upstream.Option) *upstream.Pool {
	w.t.Helper()
	p, err := upstream.New(opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// start makes the proxy and opens the door.
func (w *world) start(opts ...proxy.Option) {
	w.t.Helper()
	w.startServer(nil, opts...)
}

func (w *world) startServer(server []proxy.ServerOption, opts ...proxy.Option) {
	w.t.Helper()
	if w.mem != nil {
		opts = append([]proxy.Option{proxy.WithDialer(w.mem.DialContext)}, opts...)
	}
	p, err := proxy.New(opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.proxy = p
	w.later(p)
	ln := w.listen()
	w.addr = ln.Addr().String()
	w.served = make(chan error, 1)
	if w.door.engine {
		w.server = p.Server(server...)
		w.later(w.server)
		w.wg.Go(func() { w.served <- w.server.Serve(ln) })
		return
	}
	s := &http.Server{Handler: p}
	w.later(s)
	w.wg.Go(func() { w.served <- s.Serve(ln) })
}

// reach is the common start: one backend, everything to it.
func (w *world) reach(b *backend, opts ...proxy.Option) {
	w.t.Helper()
	w.start(append([]proxy.Option{proxy.WithPool(w.pool(b.addr)), proxy.WithMaxBody(0)}, opts...)...)
}

// receive takes a value from a channel, or fails.
func receive[T any](t *testing.T, w *world, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(w.patience())
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

// backend is a scripted peer.
type backend struct {
	w    *world
	ln   net.Listener
	addr string

	mu    sync.Mutex // guards all below
	conns int
	seen  []request
}

// request is what a backend got.
type request struct {
	*http.Request
	body []byte
	conn int // of which connection, from 1
	nth  int // on that connection, from 1
}

// backend starts a peer that runs script for every connection and closes it afterwards.
func (w *world) backend(script func(c *conn)) *backend {
	w.t.Helper()
	ln := w.listen()
	b := &backend{w: w, ln: ln, addr: ln.Addr().String()}
	w.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			w.later(nc)
			b.mu.Lock()
			b.conns++
			c := &conn{Conn: nc, r: bufio.NewReader(nc), w: w, b: b, n: b.conns}
			b.mu.Unlock()
			w.wg.Go(func() {
				defer nc.Close()
				script(c)
			})
		}
	})
	return b
}

// answering starts a peer that answers every request with what reply returns, written as it is.
func (w *world) answering(reply func(r request) string) *backend {
	w.t.Helper()
	return w.backend(func(c *conn) {
		for {
			r, err := c.request()
			if err != nil {
				return
			}
			if c.say(reply(r)) != nil {
				return
			}
		}
	})
}

// ok is a plain answer.
func ok(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

// connections is how many connections there were.
func (b *backend) connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns
}

// requests are those that came whole.
func (b *backend) requests() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]request(nil), b.seen...)
}

// last is the latest request that came whole.
func (b *backend) last(t *testing.T) request {
	t.Helper()
	all := b.requests()
	if len(all) == 0 {
		t.Fatal("the backend saw no request")
	}
	return all[len(all)-1]
}

// conn is one end of a connection in the hands of a case: a backend's, or a client's.
type conn struct {
	net.Conn
	r *bufio.Reader
	w *world

	b *backend // of a backend's: whose
	n int      // and which, from 1
	k int      // requests read
}

// head reads the head of a request; its body is to be read by the caller.
func (c *conn) head() (*http.Request, error) {
	r, err := http.ReadRequest(c.r)
	if err == nil {
		c.k++
	}
	return r, err
}

// request reads a whole request and notes it.
func (c *conn) request() (request, error) {
	r, err := c.head()
	if err != nil {
		return request{}, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return request{}, err
	}
	got := request{r, body, c.n, c.k}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.b.seen = append(c.b.seen, got)
	return got, nil
}

// say writes s.
func (c *conn) say(s string) error {
	_, err := io.WriteString(c.Conn, s)
	return err
}

// wait reads until the other side ends the connection; it returns how many bytes came.
func (c *conn) wait() int64 {
	n, _ := io.Copy(io.Discard, c.r)
	return n
}

func (c *conn) closeWrite() {
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.w.t.Errorf("close write: %v", err)
	}
}

// kill makes the other side see an error, not an end.
func (c *conn) kill() {
	_ = c.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
	c.Conn.Close()
}

// client connects to the door.
func (w *world) client() *conn {
	w.t.Helper()
	nc, err := w.dialContext(context.Background(), "tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.later(nc)
	if !w.door.memory {
		_ = nc.SetDeadline(time.Now().Add(w.patience()))
	}
	return &conn{Conn: nc, r: bufio.NewReader(nc), w: w}
}

// send writes to the proxy.
func (c *conn) send(s string) {
	c.w.t.Helper()
	if err := c.say(s); err != nil {
		c.w.t.Fatalf("send: %v", err)
	}
}

// stream writes to the proxy while the case goes on; it may fail, as the proxy need not read all.
func (c *conn) stream(s string) { c.w.wg.Go(func() { _ = c.say(s) }) }

// answer is a response that was read whole.
type answer struct {
	*http.Response
	body string
	err  error // what ended the body, other than its end
}

// answer reads the answer to a request with that method, and fails without one.
func (c *conn) answer(method string) answer {
	c.w.t.Helper()
	a, err := c.tryAnswer(method)
	if err != nil {
		c.w.t.Fatalf("answer to %s: %v", method, err)
	}
	return a
}

func (c *conn) tryAnswer(method string) (answer, error) {
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	if resp.StatusCode < 200 {
		return answer{Response: resp}, nil
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp, string(body), err}, nil
}

// final reads the answer after any interim ones.
func (c *conn) final(method string) answer {
	c.w.t.Helper()
	for {
		if a := c.answer(method); a.StatusCode >= 200 {
			return a
		}
	}
}

// want checks status and body.
func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.StatusCode != status || a.body != body || a.err != nil {
		t.Errorf("got %d %.60q (%v), want %d %.60q", a.StatusCode, a.body, a.err, status, body)
	}
}

// wantStatus checks the status of an answer of the proxy's own.
func (a answer) wantStatus(t *testing.T, status int) {
	t.Helper()
	if a.StatusCode != status || a.err != nil {
		t.Errorf("got %d %.60q (%v), want %d", a.StatusCode, a.body, a.err, status)
	}
}

// ended checks that the proxy closed the connection and sent nothing more.
func (c *conn) ended() {
	c.w.t.Helper()
	rest, err := io.ReadAll(c.r)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.w.t.Error("the connection stays open")
	}
	if len(rest) > 0 {
		c.w.t.Errorf("%d bytes more came: %.80q", len(rest), rest)
	}
}

// alive checks that the connection serves another request.
func (c *conn) alive() {
	c.w.t.Helper()
	c.send(get("/alive", ""))
	c.answer("GET").wantStatus(c.w.t, 200)
}

// get makes a GET request; fields end in CRLF.
func get(target, fields string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n"
}

// put makes a request with a body and its length.
func put(method, target, body string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: a.example\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

// chunked codes a body in chunks of changing sizes.
func chunked(body string) string {
	var b bytes.Buffer
	sizes := []int{1, 4096, 7, 70000, 16384}
	for i := 0; len(body) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(body))
		b.WriteString(hex(n) + "\r\n" + body[:n] + "\r\n")
		body = body[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

// names lists the field names of a header, sorted.
func names(h http.Header) string {
	return strings.Join(sortedKeys(h), " ")
}
