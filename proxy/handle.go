package proxy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// handle runs a handler as the target of a request on the engine.
func (d *engineDoor) handle(h http.Handler) {
	ex := d.ex
	ctx, cancel := context.WithCancel(d.c.srv.ctx)
	defer cancel()
	r := d.http()
	r = r.WithContext(ctx)
	w := &responseWriter{d: d, header: make(http.Header)}
	if ex.req.Framing != http1.None {
		w.body = &requestBody{d: d}
		r.Body = w.body
	}
	for _, f := range ex.pol.headers {
		w.header.Add(f[0], f[1])
	}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		ex.now()
		ex.panicked(v, w.begun)
	}()
	stop := watch(d.c.wire, cancel)
	defer stop()
	h.ServeHTTP(w, r)
	ex.now()
	if err := w.end(); err != nil {
		ex.gone()
		d.cut()
	}
}

// watcher looks now and then whether a client has left.
type watcher struct {
	mu    sync.Mutex // guards timer and slice
	timer *time.Timer
	slice time.Duration
}

// watch calls leave when the client of w, whose handler takes long, is seen to have left. It looks at growing intervals.
func watch(w wire, leave func()) (stop func()) {
	s := &watcher{slice: firstSlice}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.slice, func() {
		if w.glance() == ended {
			leave()
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.slice = min(2*s.slice, lastSlice); s.timer != nil {
			s.timer.Reset(s.slice)
		}
	})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.timer != nil {
			s.timer.Stop()
			s.timer = nil
		}
	}
}

// materialise makes an *http.Request of the request in ex.req.
func (d *engineDoor) materialise() *http.Request {
	ex := d.ex
	req := &ex.req
	target := string(req.Target)
	u := &url.URL{Path: "*"}
	if target != "*" {
		var err error
		if u, err = url.ParseRequestURI(target); err != nil {
			u = &url.URL{Path: string(req.Path), RawQuery: string(req.Query)}
		}
	}
	r := &http.Request{
		Method: methodName(req.Method), URL: u, Proto: d.proto(), ProtoMajor: 1, ProtoMinor: int(req.Minor),
		Header: make(http.Header, len(req.Fields)), Body: http.NoBody, ContentLength: max(req.Length, 0),
		Host: string(req.Host), RemoteAddr: d.c.wire.conn().RemoteAddr().String(), RequestURI: target,
		Close: !req.KeepAlive,
	}
	for i := range req.Fields {
		switch f := &req.Fields[i]; f.ID {
		case http1.Host, http1.TransferEncoding:
		default:
			name := http.CanonicalHeaderKey(string(f.Name))
			r.Header[name] = append(r.Header[name], string(f.Value))
		}
	}
	if req.Framing == http1.Chunked {
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
	}
	if c, ok := d.c.wire.conn().(tlsConn); ok {
		state := c.ConnectionState()
		r.TLS = &state
	}
	return r
}

// requestBody is the body of a request that a handler serves.
type requestBody struct {
	d      *engineDoor
	rest   []byte
	err    error
	begun  bool
	closed bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if !b.begun {
		b.begun = true
		if b.d.ex.req.Expect && !b.d.chunked && !b.d.ex.committed {
			if err := b.d.proceed(); err != nil {
				return 0, err
			}
		}
	}
	for len(b.rest) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		if b.rest, b.err = b.d.more(); b.err == errGone {
			b.err = io.ErrUnexpectedEOF
		} else if b.err == errBodyLarge {
			b.err = &http.MaxBytesError{Limit: b.d.ex.pol.maxBody}
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// maxDrain is how much of a body that a handler has left is read away for the sake of the connection.
const maxDrain = 256 << 10

// drain reads the rest of the body if it is not too much, and if its sender is not still waiting to be asked for it.
func (b *requestBody) drain() {
	if b.d.ex.req.Expect && !b.begun {
		return
	}
	b.rest = nil
	for n := 0; b.err == nil && n <= maxDrain; n += len(b.rest) {
		b.rest, b.err = b.d.more()
	}
	b.rest = nil
}

func (b *requestBody) Close() error {
	b.closed = true
	return nil
}
