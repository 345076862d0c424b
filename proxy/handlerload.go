package proxy

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// load writes the request's head to ex.in and parses it.
func (d *handlerDoor) load() *http1.Error {
	ex, r := d.ex, d.r
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		ex.remote = netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	} else {
		ex.remote = netip.AddrPort{}
	}
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	d.ident = identify(d.ident[:0], ex.remote.Addr(), proto)
	ex.ident = d.ident
	b, ok := appendRequest(ex.in[:0], r)
	if !ok {
		return errNotHTTP1
	}
	head := len(b)
	if cap(b)-head < bufSize/4 {
		b = append(b, make([]byte, bufSize)...)
	}
	ex.in = b[:cap(b)]
	n, err := ex.req.Parse(ex.in[:head], &ex.pol.limits)
	if err != nil || n != head {
		if e, ok := err.(*http1.Error); ok {
			return e
		}
		return errNotHTTP1
	}
	d.bodyAt, d.pos, d.end, d.intact = n, n, n, true
	d.ended = ex.req.Framing == http1.None
	return nil
}

var errNotHTTP1 = &http1.Error{Status: 400, Reason: "request that cannot be written as HTTP/1.1"}

// targetOf is the request's target as it came, or what middleware has made of it.
func targetOf(r *http.Request) string {
	u := r.URL
	path, query, asked := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(path, "/") && query == u.RawQuery && asked == (u.ForceQuery || query != "") && (u.RawPath == "" || u.RawPath == path) {
		if decoded, err := url.PathUnescape(path); err == nil && decoded == u.Path {
			return r.RequestURI
		}
	}
	target := u.EscapedPath()
	if target == "" {
		target = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		target += "?" + u.RawQuery
	}
	return target
}

// appendRequest writes the head of r. It reports false for what a parser might read differently from what it says.
func appendRequest(b []byte, r *http.Request) ([]byte, bool) {
	target := targetOf(r)
	if !http1.ValidMethod(r.Method) || !http1.ValidTarget(target) || r.Host != "" && !http1.ValidHost(r.Host) {
		return nil, false
	}
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	if r.ProtoAtLeast(1, 1) {
		b = append(b, " HTTP/1.1\r\n"...)
	} else {
		b = append(b, " HTTP/1.0\r\n"...)
	}
	if r.Host != "" {
		b = http1.AppendField(b, "Host", r.Host)
	}
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Expect", "Trailer":
			continue
		}
		if !http1.ValidFieldName(name) {
			return nil, false
		}
		for _, v := range values {
			if !http1.ValidFieldValue(v) {
				return nil, false
			}
			b = http1.AppendField(b, name, v)
		}
	}
	switch {
	case r.Body == nil || r.Body == http.NoBody:
	case r.ContentLength > 0:
		b = http1.AppendContentLength(b, r.ContentLength)
	case r.ContentLength < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(b, "\r\n"...), true
}
