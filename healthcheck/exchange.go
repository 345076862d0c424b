package healthcheck

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxHeader  = 64 << 10    // bytes of status line and header, interim answers included
	maxInterim = 5           // 1xx answers before the final one, as net/http
	maxInfo    = 64          // bytes of a status line kept in Result.Info
	maxDetail  = 100         // bytes of a parser's complaint kept in an error
	lingering  = time.Second // for the server to close first
)

// readers are used again between checks: 4 KiB each.
var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// Check makes one request.
func (c *HTTPChecker) Check(ctx context.Context, t Target) Result {
	if c.bad != nil {
		return Result{Status: Local, Err: fmt.Errorf("healthcheck: http: %w", c.bad)}
	}
	conn, err := c.dial(ctx, "tcp", t.Addr)
	if err != nil {
		return stepError(ctx, "http", t, "connect", err)
	}
	release := watch(ctx, conn)
	result, complete := c.exchange(ctx, conn, t)
	orderly := complete && linger(ctx, conn)
	release()
	if orderly {
		conn.Close()
	} else {
		reset(conn)
	}
	return result
}

// exchange sends the request and judges the answer; complete says whether it
// was read to its end.
func (c *HTTPChecker) exchange(ctx context.Context, conn net.Conn, t Target) (result Result, complete bool) {
	start := time.Now()
	host := c.host
	if host == "" {
		host = withoutZone(t.Addr)
	}
	if _, err := io.WriteString(conn, c.method+" "+c.path+" HTTP/1.1\r\nHost: "+host+c.tail); err != nil {
		return stepError(ctx, "http", t, "send the request", err), false
	}
	in := &wire{conn: conn, left: maxHeader}
	reader := readers.Get().(*bufio.Reader)
	defer readers.Put(reader)
	defer reader.Reset(nil)
	reader.Reset(in)

	answer, err := readHeader(reader, c.method)
	if err != nil {
		return stepError(ctx, "http", t, "read the header", in.explain(err)), false
	}
	result = Result{Status: Pass, Took: time.Since(start), Info: strings.Clone(cut(answer.Status, maxInfo))}
	in.left = math.MaxInt64
	err = c.discard(answer.Body)
	complete = err == nil
	switch {
	case !c.accepts(answer.StatusCode):
		result.Status = Fail
		result.Err = &CheckError{Checker: "http", Addr: t.Addr, Step: "status", Err: &StatusError{Code: answer.StatusCode}}
	case !complete:
		info := result.Info
		result = stepError(ctx, "http", t, "read the body", in.explain(err))
		result.Info = info
	}
	return result, complete
}

// readHeader reads the header of the final answer.
func readHeader(r *bufio.Reader, method string) (*http.Response, error) {
	for range maxInterim + 1 {
		answer, err := http.ReadResponse(r, &http.Request{Method: method})
		switch {
		case err != nil:
			return nil, err
		case answer.ProtoMajor != 1:
			return nil, fmt.Errorf("version %s", answer.Proto)
		case answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols:
			return answer, nil
		}
	}
	return nil, fmt.Errorf("more than %d interim answers", maxInterim)
}

// discard reads a body to its end. It does not close it: that would read on.
func (c *HTTPChecker) discard(body io.Reader) error {
	_, err := io.CopyN(io.Discard, body, c.maxBody+1)
	switch {
	case err == nil:
		return fmt.Errorf("%w: more than %d bytes (WithMaxBody)", ErrTooLong, c.maxBody)
	case err == io.EOF:
		return nil
	}
	return err
}

func (c *HTTPChecker) accepts(code int) bool {
	for _, s := range c.statuses {
		if s[0] <= code && code <= s[1] {
			return true
		}
	}
	return false
}

// linger gives the server a moment to close the connection, so that the
// TIME_WAIT is the server's, and reports whether it has.
func linger(ctx context.Context, conn net.Conn) bool {
	until := time.Now().Add(lingering)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	conn.SetReadDeadline(until)
	if ctx.Err() != nil { // after the line above: watch may have been overruled
		return false
	}
	_, err := conn.Read(make([]byte, 1))
	return err == io.EOF
}

// wire is the receiving half of a connection. It ends after left bytes and
// remembers what a parser forgets to tell.
type wire struct {
	conn  net.Conn
	left  int64
	begin []byte // the first bytes received, up to 32
	err   error  // of the connection, or ErrTooLong
}

func (w *wire) Read(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err // a socket tells of a reset once, and of an end of file from then on
	}
	if w.left == 0 {
		w.err = ErrTooLong
		return 0, w.err
	}
	n, err := w.conn.Read(b[:min(int64(len(b)), w.left)])
	w.left -= int64(n)
	w.begin = append(w.begin, b[:min(n, 32-len(w.begin))]...)
	w.err = err
	return n, err
}

// explain says what was wrong, given what reading the answer has come to.
func (w *wire) explain(err error) error {
	const magic = "HTTP/1."
	begin := string(w.begin)
	switch {
	case !strings.HasPrefix(begin, magic) && !strings.HasPrefix(magic, begin):
		return fmt.Errorf("%w: it begins with %q", ErrMalformed, begin)
	case errors.Is(w.err, ErrTooLong):
		return fmt.Errorf("%w: more than %d bytes", ErrTooLong, maxHeader)
	case errors.Is(err, ErrTooLong):
		return err
	case w.err == nil:
		return fmt.Errorf("%w: %s", ErrMalformed, cut(err.Error(), maxDetail))
	case w.err != io.EOF:
		return w.err
	case begin == "":
		return fmt.Errorf("connection closed without an answer: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("connection closed: %w", io.ErrUnexpectedEOF)
}

// cut shortens s to n bytes.
func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// withoutZone removes the zone of an IPv6 address: it means something on this
// machine only (RFC 6874 section 1).
func withoutZone(addr string) string {
	head, rest, ok := strings.Cut(addr, "%")
	if !ok {
		return addr
	}
	if _, rest, ok = strings.Cut(rest, "]"); !ok {
		return addr
	}
	return head + "]" + rest
}
