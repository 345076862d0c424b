package proxy

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// engineDoor is the downstream of the engine: a client's connection and the request in hand on it.
type engineDoor struct {
	ex *exchange
	c  *client

	pos, end int        // ex.in[pos:end] has come and is not consumed
	bodyAt   int        // where the body begins in ex.in
	dec      http1.Body // of the request
	intact   bool       // all that came of the body is still in ex.in
	bad      bool       // the body is not what it should be

	chunked bool // the answer's body is sent in chunks
	keep    bool // another request may follow
	broken  bool // the answer was cut: the client must see that

	request *http.Request // as hooks and handlers see it
}

var _ downstream = (*engineDoor)(nil)

// begin readies the door for the request in ex.req, whose head takes n bytes.
func (d *engineDoor) begin(n int) {
	d.pos, d.bodyAt, d.intact = n, n, true
	d.dec.Reset(d.ex.req.Framing, d.ex.req.Length)
	d.bad, d.chunked, d.keep, d.broken = false, false, false, false
	d.request = nil
}

// release forgets the connection.
func (d *engineDoor) release() { *d = engineDoor{ex: d.ex} }

func (d *engineDoor) head(a *answer) error {
	d.keepable(a)
	out := http1.AppendStatusLine(d.ex.out[:0], a.status)
	if a.own {
		out = d.ownFields(out, a)
	} else {
		var skip http1.Set
		if a.status == http.StatusNoContent {
			skip = http1.SetOf(http1.ContentLength)
		}
		out = http1.AppendFields(out, a.fields, skip)
		if d.ex.resp.Field(http1.Date) == nil {
			out = d.date(out) // RFC 9110 section 6.6.1
		}
	}
	d.seal(append(out, d.ex.pol.lines...), a)
	return nil
}

// keepable decides whether another request may follow.
func (d *engineDoor) keepable(a *answer) {
	ex, c := d.ex, d.c
	d.keep = ex.req.KeepAlive && !a.close && c.served < ex.pol.keepRequests && ex.pol.keepAlive > 0 &&
		!c.srv.draining.Load() && d.clear()
}

// seal ends the head with the fields about framing and the connection.
func (d *engineDoor) seal(out []byte, a *answer) {
	if a.framing == http1.Chunked {
		if d.old() {
			d.keep = false // the end of the connection ends the body
		} else {
			d.chunked = true
			out = append(out, "Transfer-Encoding: chunked\r\n"...)
		}
	}
	switch {
	case !d.keep:
		out = append(out, "Connection: close\r\n"...)
	case d.old():
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	d.ex.out = append(out, "\r\n"...)
}

// headOf begins an answer with the fields a handler has set.
func (d *engineDoor) headOf(a *answer, h http.Header) {
	a.close = strings.EqualFold(h.Get("Connection"), "close")
	d.keepable(a)
	out := http1.AppendStatusLine(d.ex.out[:0], a.status)
	out = appendHeader(out, h)
	if _, ok := h["Date"]; !ok {
		out = d.date(out)
	}
	d.seal(out, a)
}

// appendHeader appends the fields of h that may be sent.
func appendHeader(out []byte, h http.Header) []byte {
	for name, values := range h {
		if !http1.ValidFieldName(name) || name != "Content-Length" && framesMessage(name) {
			continue
		}
		for _, v := range values {
			if v = strings.TrimSpace(v); http1.ValidFieldValue(v) {
				out = http1.AppendField(out, name, v)
			}
		}
	}
	return out
}

// writeInterim sends an interim answer of a handler.
func (d *engineDoor) writeInterim(status int, h http.Header) error {
	if d.old() {
		return nil
	}
	out := appendHeader(http1.AppendStatusLine(d.ex.out[:0], status), h)
	d.ex.out = append(out, "\r\n"...)
	return d.flush()
}

// clear reports whether nothing of the request's body stands between this answer and the next request.
func (d *engineDoor) clear() bool {
	if p := d.ex.pump; p != nil {
		return p.drained.Load()
	}
	return !d.bad && (d.dec.Done() || d.held())
}

// ownFields appends the fields of an answer that is made here.
func (d *engineDoor) ownFields(out []byte, a *answer) []byte {
	out = d.date(out)
	out = http1.AppendField(out, "Content-Type", ownType)
	out = http1.AppendContentLength(out, a.length)
	if a.retry > 0 {
		out = append(out, "Retry-After: "...)
		out = strconv.AppendInt(out, seconds(a.retry), 10)
		out = append(out, "\r\n"...)
	}
	return out
}

func (d *engineDoor) date(out []byte) []byte {
	out = append(out, "Date: "...)
	out = d.ex.proxy.dates.Append(out, time.Now())
	return append(out, "\r\n"...)
}

func (d *engineDoor) body(p []byte) error {
	ex := d.ex
	const frame = 32 // more than a chunk's line and its end
	if len(ex.out)+len(p)+frame <= cap(ex.out) {
		if d.chunked {
			ex.out = http1.AppendChunk(ex.out, p)
		} else {
			ex.out = append(ex.out, p...)
		}
		return nil
	}
	if d.chunked {
		ex.out = http1.AppendChunkHead(ex.out, int64(len(p)))
	}
	if err := d.flush(); err != nil {
		return err
	}
	err := d.write(p)
	if d.chunked {
		ex.out = append(ex.out, "\r\n"...)
	}
	return err
}

func (d *engineDoor) flush() error {
	if len(d.ex.out) == 0 {
		return nil
	}
	err := d.write(d.ex.out)
	d.ex.out = d.ex.out[:0]
	return err
}

func (d *engineDoor) write(p []byte) error {
	d.c.wire.limitWrite(d.ex.pol.writeTimeout)
	return d.c.wire.write(p)
}

func (d *engineDoor) finish() error {
	if d.chunked {
		d.ex.out = http1.AppendLastChunk(d.ex.out)
	}
	return d.flush()
}

func (d *engineDoor) cut() { d.broken = true }

func (d *engineDoor) interim(r *http1.Response) error {
	out := http1.AppendStatusLine(d.ex.out[:0], r.Status)
	out = http1.AppendFields(out, r.Fields, http1.SetOf(http1.ContentLength))
	d.ex.out = append(out, "\r\n"...)
	return d.flush()
}

var proceed = []byte("HTTP/1.1 100 Continue\r\n\r\n")

func (d *engineDoor) proceed() error {
	if d.pos < d.end {
		return nil // it has not waited (RFC 9110 section 10.1.1)
	}
	return d.write(proceed)
}

func (d *engineDoor) prompt() bool { return true }

func (d *engineDoor) halt(done <-chan struct{}) {
	d.c.wire.interrupt(true, false)
	<-done
	d.c.wire.resume()
}

func (d *engineDoor) gone() bool { return d.c.wire.peek() == ended }

func (d *engineDoor) pause(wait time.Duration) bool {
	for wait > 0 {
		slice := min(wait, firstSlice)
		time.Sleep(slice)
		wait -= slice
		if d.gone() {
			return false
		}
	}
	d.ex.now()
	return true
}

func (d *engineDoor) sink() wire { return d.c.wire }

func (d *engineDoor) old() bool { return d.ex.req.Minor == 0 }

func (d *engineDoor) proto() string {
	if d.old() {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

func (d *engineDoor) context() context.Context { return d.c.srv.ctx }

func (d *engineDoor) http() *http.Request {
	if d.request == nil {
		d.request = d.materialise()
	}
	return d.request
}
