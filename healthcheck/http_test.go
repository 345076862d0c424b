package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// badPeers are servers that are wrong in every way a server can be.
var badPeers = []struct {
	name  string
	serve func(net.Conn)
	step  string
	err   error
	text  string // in the error
}{
	{"closes without an answer", answer(""), "read the header", io.ErrUnexpectedEOF, "closed without an answer"},
	{"half-closes without an answer", func(c net.Conn) {
		readRequest(c)
		c.(interface{ CloseWrite() error }).CloseWrite()
		io.Copy(io.Discard, c)
	}, "read the header", io.ErrUnexpectedEOF, "closed without an answer"},
	{"closes in the status line", answer("HTTP/1."), "read the header", io.ErrUnexpectedEOF, "connection closed"},
	{"closes in the header", answer("HTTP/1.1 200 OK\r\nContent-Len"), "read the header", io.ErrUnexpectedEOF, "connection closed"},
	{"closes in the body", answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), "read the body", io.ErrUnexpectedEOF, "connection closed"},
	{"closes in a chunk", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello"), "read the body", io.ErrUnexpectedEOF, "connection closed"},
	{"closes before the last chunk", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "read the body", io.ErrUnexpectedEOF, "connection closed"},
	{"resets at once", func(c net.Conn) { c.(interface{ SetLinger(int) error }).SetLinger(0) }, "", syscall.ECONNRESET, ""},
	{"resets without an answer", cutOff(""), "read the header", syscall.ECONNRESET, "reset"},
	{"resets in the header", cutOff("HTTP/1.1 200 OK\r\n"), "read the header", syscall.ECONNRESET, "reset"},
	{"resets in the body", cutOff("HTTP/1.1 200 OK\r\n\r\nhello"), "read the body", syscall.ECONNRESET, "reset"},
	{"speaks SSH", answer("SSH-2.0-OpenSSH_9.2\r\n"), "read the header", ErrMalformed, `begins with "SSH-2.0-OpenSSH_9.2\r\n"`},
	{"speaks SSH and waits", silence("SSH-2.0-OpenSSH_9.2\r\n"), "read the header", ErrMalformed, `begins with "SSH-2.0`},
	{"speaks TLS", answer("\x15\x03\x01\x00\x02\x02\x46"), "read the header", ErrMalformed, `begins with "\x15\x03\x01`},
	{"speaks HTTP/2", answer("HTTP/2.0 200 OK\r\n\r\n"), "read the header", ErrMalformed, `begins with "HTTP/2.0`},
	{"speaks HTTP/0.9", answer("<html>ok</html>\r\n"), "read the header", ErrMalformed, `begins with "<html>`},
	{"sends zeros", answer(strings.Repeat("\x00", 5000)), "read the header", ErrMalformed, `begins with "\x00`},
	{"sends endless garbage", flood("", strings.Repeat("x", 999)), "read the header", ErrMalformed, `begins with "xxx`},
	{"has a word for a status", answer("HTTP/1.1 abc OK\r\n\r\n"), "read the header", ErrMalformed, "abc"},
	{"has a short status", answer("HTTP/1.1 20 OK\r\n\r\n"), "read the header", ErrMalformed, "20"},
	{"has a header line without a colon", answer("HTTP/1.1 200 OK\r\n" + strings.Repeat("nonsense", 5000) + "\r\n\r\n"), "read the header", ErrMalformed, "nonsense"},
	{"has a bad length", answer("HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"), "read the header", ErrMalformed, "two"},
	{"has two lengths", answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"), "read the header", ErrMalformed, "Content-Length"},
	{"has an unknown coding", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: zip\r\n\r\nok"), "read the header", ErrMalformed, "zip"},
	{"has a bad chunk", answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n"), "read the body", ErrMalformed, "chunk"},
	{"has endless trailers", flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"), "read the body", ErrMalformed, "trailer"},
	{"has an endless status line", flood("HTTP/1.1 200 ", strings.Repeat("x", 999)), "read the header", ErrTooLong, "65536"},
	{"has an endless field", flood("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 999)), "read the header", ErrTooLong, "65536"},
	{"has endless fields", flood("HTTP/1.1 200 OK\r\n", "X: y\r\n"), "read the header", ErrTooLong, "65536"},
	{"has a megabyte of header", answer("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), "read the header", ErrTooLong, "65536"},
	{"never gets to the point", answer(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 6)), "read the header", ErrMalformed, "interim"},
	{"never stops interim answers", flood("", "HTTP/1.1 103 Early Hints\r\n\r\n"), "read the header", ErrMalformed, "interim"},
	{"has an endless body", flood("HTTP/1.1 200 OK\r\n\r\n", "hello"), "read the body", ErrTooLong, "more than 65536 bytes (WithMaxBody)"},
	{"has an endless body in chunks", flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), "read the body", ErrTooLong, "WithMaxBody"},
	{"has a terabyte of body", flood("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n", "hello"), "read the body", ErrTooLong, "WithMaxBody"},
	{"has a byte too much of body", answer("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n" + strings.Repeat("x", 65537)), "read the body", ErrTooLong, "WithMaxBody"},
	{"redirects", answer("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "status", &StatusError{302}, "status 302 is not accepted"},
	{"is unavailable", answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown"), "status", &StatusError{503}, "503"},
	{"is unavailable, endlessly", flood("HTTP/1.1 503 Service Unavailable\r\n\r\n", "down"), "status", &StatusError{503}, "503"},
	{"switches protocols", answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "status", &StatusError{101}, "101"},
	{"has a status out of range", answer("HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"), "status", &StatusError{999}, "999"},
}

// slowPeers keep a check waiting until its deadline.
var slowPeers = []struct {
	name  string
	serve func(net.Conn)
	step  string
}{
	{"accepts and is silent", silence(""), "read the header"},
	{"stops in the header", silence("HTTP/1.1 200 OK\r\nX: "), "read the header"},
	{"stops in the body", silence("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), "read the body"},
	{"never ends the body", silence("HTTP/1.1 200 OK\r\n\r\nhello"), "read the body"},
	{"stops in the chunks", silence("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "read the body"},
}

// drippingPeers send just enough to keep a timeout between reads from striking.
var drippingPeers = []struct {
	name  string
	serve func(net.Conn)
	step  string
}{
	{"drips the header", drip("HTTP/1.1 200 OK\r\n", "X: y\r\n"), "read the header"},
	{"drips the body", drip("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "x"), "read the body"},
	{"drips interim answers", drip("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 "), "read the header"},
}

// drip answers with text and then with a little more every 100 ms.
func drip(text, more string) func(net.Conn) {
	return func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, text)
		for {
			time.Sleep(100 * time.Millisecond)
			if _, err := io.WriteString(c, more); err != nil {
				return
			}
		}
	}
}

func checkError(t *testing.T, r Result, step string, want error, text string) {
	t.Helper()
	var e *CheckError
	if r.Status != Fail || !errors.As(r.Err, &e) || !has(r.Err, want) || step != "" && e.Step != step || !strings.Contains(r.Err.Error(), text) {
		t.Errorf("Check() = %v, %v; want %s: %v, with %q", r.Status, r.Err, step, want, text)
		return
	}
	if n := len(r.Err.Error()); n > 300 {
		t.Errorf("the error is %d bytes long", n)
	}
	if n := len(r.Info); n > maxInfo {
		t.Errorf("the info is %d bytes long", n)
	}
}

func TestHTTPBadPeers(t *testing.T) {
	for _, c := range badPeers {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := inMemory()
				s := n.serve(t, c.serve)
				defer s.close()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				begin := time.Now()
				r := HTTP(WithDialer(n.dial)).Check(ctx, s.Target)
				checkError(t, r, c.step, c.err, c.text)
				if took := time.Since(begin); took != 0 {
					t.Errorf("took %v", took)
				}
				if s.accepted() != 1 {
					t.Errorf("%d connections", s.accepted())
				}
			})
		})
	}
}

// TestHTTPBadPeersOverLoopback is the same over real sockets.
func TestHTTPBadPeersOverLoopback(t *testing.T) {
	n := onLoopback()
	for _, c := range badPeers {
		t.Run(c.name, func(t *testing.T) {
			s := n.serve(t, c.serve)
			defer s.close()
			checkError(t, HTTP().Check(t.Context(), s.Target), c.step, c.err, c.text)
		})
	}
}

func TestHTTPSlowPeers(t *testing.T) {
	for _, c := range append(slowPeers, drippingPeers...) {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := inMemory()
				s := n.serve(t, c.serve)
				defer s.close()
				for _, cancelAfter := range []time.Duration{0, 1500 * time.Millisecond} {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
					want := 2 * time.Second
					if cancelAfter > 0 {
						want = cancelAfter
						time.AfterFunc(cancelAfter, cancel)
					}
					begin := time.Now()
					r := HTTP(WithDialer(n.dial)).Check(ctx, s.Target)
					if took := time.Since(begin); took != want {
						t.Errorf("took %v, want %v", took, want)
					}
					if cancelAfter == 0 {
						checkError(t, r, c.step, context.DeadlineExceeded, c.step+": timed out")
					} else if r.Status != Local || !errors.Is(r.Err, context.Canceled) {
						t.Errorf("called off: Check() = %v, %v", r.Status, r.Err)
					}
					cancel()
				}
			})
		})
	}
	t.Run("does not read the request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := inMemory(memnet.WithBuffer(1))
			s := n.serve(t, func(net.Conn) { time.Sleep(time.Hour) })
			defer s.close()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			checkError(t, HTTP(WithDialer(n.dial)).Check(ctx, s.Target), "send the request", context.DeadlineExceeded, "timed out")
		})
	})
	t.Run("nobody listens", func(t *testing.T) {
		n := inMemory()
		checkError(t, HTTP(WithDialer(n.dial)).Check(t.Context(), Target{Addr: "127.0.0.1:1"}), "connect", syscall.ECONNREFUSED, "http 127.0.0.1:1: connect")
	})
}

func TestHTTPSlowPeersOverLoopback(t *testing.T) {
	n := onLoopback()
	for _, c := range slowPeers {
		t.Run(c.name, func(t *testing.T) {
			s := n.serve(t, c.serve)
			defer s.close()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			checkError(t, HTTP().Check(ctx, s.Target), "", context.DeadlineExceeded, "timed out")
		})
	}
}

func TestHTTPPasses(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		opts   []HTTPOption
		info   string
	}{
		{"length", ok, nil, "200 OK"},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", nil, "200"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: trailer\r\n\r\n", nil, "200 OK"},
		{"until the end", "HTTP/1.0 200 OK\r\n\r\nok", nil, "200 OK"},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", nil, "204 No Content"},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok, nil, "200 OK"},
		{"as much body as allowed", "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536), nil, "200 OK"},
		{"more body, allowed", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), []HTTPOption{WithMaxBody(100000)}, "200 OK"},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", []HTTPOption{WithMethod("HEAD")}, "200 OK"},
		{"no body allowed", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", []HTTPOption{WithMaxBody(0)}, "200 OK"},
		{"a status of one's own", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", []HTTPOption{WithStatus(301, 302), WithStatus(404, 404)}, "404 Not Found"},
		{"bytes after the end", ok + "more", nil, "200 OK"},
		{"a long reason", "HTTP/1.1 200 " + strings.Repeat("x", 1000) + "\r\nContent-Length: 0\r\n\r\n", nil, "200 " + strings.Repeat("x", 60)},
		{"almost too much header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 65536-44) + "\r\nContent-Length: 0\r\n\r\n", nil, "200 OK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := inMemory()
				s := n.serve(t, answer(c.answer))
				defer s.close()
				r := HTTP(append(c.opts, WithDialer(n.dial))...).Check(t.Context(), s.Target)
				if r.Status != Pass || r.Err != nil || r.Info != c.info {
					t.Errorf("Check() = %+v, want pass, %q", r, c.info)
				}
			})
		})
	}
}

func TestHTTPRequest(t *testing.T) {
	for _, c := range []struct {
		name string
		addr string // default the server's
		opts []HTTPOption
		want string // ADDR stands for the server's address
	}{
		{"default", "", nil, "GET / HTTP/1.1\r\nHost: ADDR\r\nConnection: close\r\nUser-Agent: mainstay-healthcheck\r\n\r\n"},
		{"all options", "", []HTTPOption{WithMethod("OPTIONS"), WithPath("/a%20b?c=d"), WithHost("www.example.com"), WithHeader("X-A", "1"), WithHeader("x-a", "2"), WithHeader("user-agent", "me")},
			"OPTIONS /a%20b?c=d HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\nX-A: 1\r\nx-a: 2\r\nuser-agent: me\r\n\r\n"},
		{"no zone in Host", "[fe80::1%eth0]:80", nil, "GET / HTTP/1.1\r\nHost: [fe80::1]:80\r\nConnection: close\r\nUser-Agent: mainstay-healthcheck\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := inMemory()
				var got string
				s := n.serve(t, func(conn net.Conn) {
					got, _ = readRequest(conn)
					io.WriteString(conn, ok)
				})
				target := s.Target
				if c.addr != "" {
					target.Addr = c.addr
				}
				dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
					if network != "tcp" || addr != target.Addr {
						t.Errorf("dial(%q, %q)", network, addr)
					}
					return n.dial(ctx, network, s.Addr)
				}
				if r := HTTP(append(c.opts, WithDialer(dial))...).Check(t.Context(), target); r.Status != Pass {
					t.Errorf("Check() = %+v", r)
				}
				s.close()
				if want := strings.ReplaceAll(c.want, "ADDR", s.Addr); got != want {
					t.Errorf("request %q, want %q", got, want)
				}
			})
		})
	}
}

// TestHTTPEnd: who closes the connection, when and how.
func TestHTTPEnd(t *testing.T) {
	wait := func(ends chan<- error, text string, half time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, text)
			if half >= 0 {
				time.Sleep(half)
				c.(*memnet.Conn).CloseWrite()
			}
			ends <- endOf(c)
		}
	}
	for _, c := range []struct {
		name    string
		text    string
		half    time.Duration // the server's half-close after the answer; -1 never
		timeout time.Duration
		took    time.Duration // of the call
		end     error
	}{
		{"the server closes first", ok, 0, 2 * time.Second, 0, io.EOF},
		{"the server closes soon", ok, 300 * time.Millisecond, 2 * time.Second, 300 * time.Millisecond, io.EOF},
		{"the server stays", ok, -1, 5 * time.Second, time.Second, syscall.ECONNRESET},
		{"the server stays and time runs out", ok, -1, 400 * time.Millisecond, 400 * time.Millisecond, syscall.ECONNRESET},
		{"the server goes on talking", ok + strings.Repeat("x", 10000), 0, 2 * time.Second, 0, syscall.ECONNRESET},
		{"a bad status, complete", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0, 2 * time.Second, 0, io.EOF},
		{"a failure", "nonsense\r\n", -1, 2 * time.Second, 0, syscall.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := inMemory()
				ends := make(chan error, 1)
				s := n.serve(t, wait(ends, c.text, c.half))
				ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
				defer cancel()
				begin := time.Now()
				r := HTTP(WithDialer(n.dial)).Check(ctx, s.Target)
				if took := time.Since(begin); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if r.Took != 0 {
					t.Errorf("Took = %v: the wait for the close is not part of the answer", r.Took)
				}
				if err := <-ends; !errors.Is(err, c.end) {
					t.Errorf("the server saw %v, want %v", err, c.end)
				}
				s.close()
			})
		})
	}
}

// TestHTTPCalledOffWhileLingering: a check that waits for the close ends with
// its context.
func TestHTTPCalledOffWhileLingering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inMemory()
		s := n.serve(t, silence(ok))
		defer s.close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		begin := time.Now()
		HTTP(WithDialer(n.dial)).Check(ctx, s.Target)
		if took := time.Since(begin); took != 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestHTTPValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []HTTPOption
		want string // the option named; empty when valid
	}{
		{"default", nil, ""},
		{"all good", []HTTPOption{WithMethod("PROPFIND"), WithPath("/?x=%C3%A9"), WithHost("[2001:db8::1]:8080"), WithHeader("X", "é\t x"), WithStatus(101, 599), WithMaxBody(1 << 30)}, ""},
		{"empty header value", []HTTPOption{WithHeader("X", "")}, ""},
		{"empty method", []HTTPOption{WithMethod("")}, "WithMethod"},
		{"method with a space", []HTTPOption{WithMethod("GET /")}, "WithMethod"},
		{"CONNECT", []HTTPOption{WithMethod("CONNECT")}, "WithMethod"},
		{"empty path", []HTTPOption{WithPath("")}, "WithPath"},
		{"relative path", []HTTPOption{WithPath("x")}, "WithPath"},
		{"path with a space", []HTTPOption{WithPath("/a b")}, "WithPath"},
		{"path with a line end", []HTTPOption{WithPath("/ HTTP/1.1\r\nX: y")}, "WithPath"},
		{"path with a fragment", []HTTPOption{WithPath("/a#b")}, "WithPath"},
		{"path not encoded", []HTTPOption{WithPath("/é")}, "WithPath"},
		{"host with a path", []HTTPOption{WithHost("a/b")}, "WithHost"},
		{"host with a line end", []HTTPOption{WithHost("a\r\nX: y")}, "WithHost"},
		{"header name", []HTTPOption{WithHeader("a b", "c")}, "WithHeader"},
		{"empty header name", []HTTPOption{WithHeader("", "c")}, "WithHeader"},
		{"header value", []HTTPOption{WithHeader("a", "b\r\nc: d")}, "WithHeader"},
		{"host by header", []HTTPOption{WithHeader("host", "b")}, "WithHeader"},
		{"framing by header", []HTTPOption{WithHeader("transfer-ENCODING", "chunked")}, "WithHeader"},
		{"status too low", []HTTPOption{WithStatus(100, 200)}, "WithStatus"},
		{"status too high", []HTTPOption{WithStatus(500, 600)}, "WithStatus"},
		{"status backwards", []HTTPOption{WithStatus(300, 200)}, "WithStatus"},
		{"body negative", []HTTPOption{WithMaxBody(-1)}, "WithMaxBody"},
		{"body too long", []HTTPOption{WithMaxBody(1<<30 + 1)}, "WithMaxBody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := HTTP(c.opts...)
			err := h.Validate(Target{Addr: "192.0.2.1:80"})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Validate() = %v, want %q", err, c.want)
			}
			if err != nil {
				if r := h.Check(t.Context(), Target{Addr: "192.0.2.1:80"}); r.Status != Local || !strings.Contains(fmt.Sprint(r.Err), c.want) {
					t.Errorf("Check() = %+v", r)
				}
			}
		})
	}
}

// fixed is a connection that answers with given bytes, whatever it is sent.
type fixed struct {
	net.Conn // nil: what is not below must not be called
	text     io.Reader
}

func (c fixed) Read(b []byte) (int, error)      { return c.text.Read(b) }
func (c fixed) Write(b []byte) (int, error)     { return len(b), nil }
func (c fixed) Close() error                    { return nil }
func (c fixed) SetReadDeadline(time.Time) error { return nil }

// FuzzHTTPAnswer: any bytes for an answer give a verdict, and only those pass
// that begin as an HTTP/1 answer with a good status does.
func FuzzHTTPAnswer(f *testing.F) {
	f.Add([]byte(ok))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 200 OK\r\n\r\nok"))
	f.Add([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dial := func(context.Context, string, string) (net.Conn, error) {
			return fixed{text: strings.NewReader(string(text))}, nil
		}
		r := HTTP(WithDialer(dial)).Check(t.Context(), Target{Addr: "192.0.2.1:80"})
		if (r.Status == Pass) != (r.Err == nil) || r.Status != Pass && r.Status != Fail {
			t.Fatalf("Check() = %+v", r)
		}
		if r.Status == Pass && !(strings.HasPrefix(string(text), "HTTP/1.") && strings.Contains(string(text), " 2")) {
			t.Fatalf("%q passed", text)
		}
		if r.Err != nil && len(r.Err.Error()) > 400 || len(r.Info) > maxInfo {
			t.Fatalf("long words: %+v", r)
		}
	})
}
