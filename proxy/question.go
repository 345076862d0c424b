package proxy

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// notSent are the fields of a request that are not passed on beside the hop-by-hop ones: the proxy says these itself,
// or they claim what only the proxy can know. Content-Length is written from the parsed value.
var notSent = http1.SetOf(http1.Host, http1.ContentLength, http1.Expect, http1.XForwardedFor, http1.XForwardedProto, http1.XForwardedHost,
	http1.XForwardedPort, http1.XForwardedServer, http1.XForwardedPrefix, http1.Forwarded, http1.XRealIP)

// question builds the head for the peer in ex.out. It is the same for every peer asked.
func (ex *exchange) question() {
	req := &ex.req
	out := http1.AppendRequestLine(ex.out[:0], req.Method, req.Target)
	out = http1.AppendField(out, "Host", req.Host)
	for i := range req.Fields {
		if f := &req.Fields[i]; f.ID == http1.Other && claims(f.Name) {
			f.Hop = true
		}
	}
	out = http1.AppendFields(out, req.Fields, notSent)
	out = append(out, ex.ident...)
	if len(req.Host) > 0 {
		out = http1.AppendField(out, "X-Forwarded-Host", req.Host)
	}
	switch req.Framing {
	case http1.Length:
		out = http1.AppendContentLength(out, req.Length)
	case http1.Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	ex.out = append(out, "\r\n"...)
}

// claims reports whether a field name says something about the client that a peer might believe: X-Forwarded-
// anything, with underscores too, which CGI cannot tell from dashes.
func claims(name []byte) bool {
	const prefix = "x-forwarded-"
	if len(name) < len("x-real-ip") || name[0]|0x20 != 'x' || name[1] != '-' && name[1] != '_' {
		return false
	}
	return hasName(name, prefix) || len(name) == len("x-real-ip") && hasName(name, "x-real-ip")
}

// hasName reports whether name begins with a lower-case prefix, in any case and with '_' for '-'.
func hasName(name []byte, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := name[i]
		if c == '_' {
			c = '-'
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}

// identify appends the fields that tell the peer about the client's connection. ip is invalid if it has none.
func identify(dst []byte, ip netip.Addr, proto string) []byte {
	if ip.IsValid() {
		var text [64]byte
		t := ip.AppendTo(text[:0])
		dst = http1.AppendField(dst, "X-Forwarded-For", t)
		dst = http1.AppendField(dst, "X-Real-IP", t)
	}
	return http1.AppendField(dst, "X-Forwarded-Proto", proto)
}

// speak writes the question in ex.out, with the body if all of it is there, and makes the first read of the answer.
// Otherwise the body is on its way when it returns. sent is false if nothing can have reached the peer.
func (ex *exchange) speak(c *peerConn, now int64) (n int, sent bool, err error) {
	c.limitWrite(ex.pol.sendTimeout)
	c.limitRead(now, min(firstSlice, ex.pol.readTimeout))
	if ex.req.Framing == http1.None || ex.down.held() {
		if err := ex.enclose(); err != nil {
			return 0, false, err
		}
		n, err = c.converse(ex.out, ex.up)
		return n, err != errStale, err
	}
	if c.peek() != quiet {
		return 0, false, errStale
	}
	if err := c.write(ex.out); err != nil {
		return 0, true, err
	}
	if ex.req.Expect {
		if err := ex.down.proceed(); err != nil {
			return 0, true, errGone
		}
	}
	ex.startPump(c)
	n, err = c.read(ex.up)
	return n, true, err
}

// enclose appends the body, which is there, to the question.
func (ex *exchange) enclose() error {
	if ex.req.Framing == http1.None {
		return nil
	}
	for {
		data, err := ex.down.more()
		switch {
		case err == io.EOF:
			if ex.req.Framing == http1.Chunked {
				ex.out = http1.AppendLastChunk(ex.out)
			}
			return nil
		case err != nil:
			return err
		case ex.req.Framing == http1.Chunked:
			ex.out = http1.AppendChunk(ex.out, data)
		default:
			ex.out = append(ex.out, data...)
		}
	}
}

// Waits for a peer are made in slices, after each of which the client is looked at: short ones at first, longer ones
// the longer it takes.
const (
	firstSlice = 250 * time.Millisecond
	lastSlice  = time.Second
)

// await takes the result of a read from the peer and reads again while that ran into the end of a slice. The first
// read began at about began.
func (ex *exchange) await(c *peerConn, n int, err error, began int64) (int, error) {
	for err != nil && timedOut(err) {
		if err = ex.longer(c, &began); err == nil {
			n, err = c.read(ex.up[ex.upW:])
		}
	}
	return n, err
}

// longer decides at the end of a slice whether to wait for the peer any longer, and limits the next slice. The wait
// began at began.
func (ex *exchange) longer(c *peerConn, began *int64) error {
	now := ex.now()
	if p := ex.pump; p != nil {
		if p.failed.Load() {
			return p.err
		}
		if !p.over() {
			*began = now // the peer's time to answer starts when it has the request
		}
	}
	if (ex.pump == nil || ex.pump.over()) && ex.down.gone() {
		return errGone
	}
	waited := now - *began
	if waited >= int64(ex.pol.readTimeout) {
		return errLate
	}
	slice := min(max(waited, int64(firstSlice)), int64(lastSlice), int64(ex.pol.readTimeout)-waited)
	c.limitRead(now, time.Duration(slice))
	return nil
}

// errLate says that a peer has not sent anything for the read timeout.
var errLate = errors.New("proxy: read timed out")
