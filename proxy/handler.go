package proxy

import (
	"context"
	"log/slog"
	"net/http"
	"net/textproto"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// ServeHTTP is the handler door. What net/http has parsed is written out again as the head of an HTTP/1.1 request and
// goes through the parser of the engine, so that both doors forward the same. It panics with [http.ErrAbortHandler]
// to cut an answer whose peer did not send all of it: there is no other way.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ex := p.acquire()
	ex.pol = p.pol.Load()
	d := &ex.door
	ex.down = d
	d.w, d.r = w, r
	d.ctl = http.NewResponseController(w)
	ex.start = ex.now()
	done := false
	defer func() {
		if !done { // a panic on its way
			p.stats.add(ex, statPanics)
			ex.rescue()
		}
	}()
	if err := d.load(); err != nil {
		p.stats.add(ex, statBadRequests)
		ex.pol.log.Debug("request refused", slog.Any("err", err))
		ex.req.Framing = http1.None
		ex.refuse(err.Status, "bad_request", 0)
		ex.end()
	} else {
		ex.run()
	}
	done = true
	cut := d.broken
	ex.release()
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// handlerDoor is the downstream of the handler door.
type handlerDoor struct {
	ex  *exchange
	w   http.ResponseWriter
	r   *http.Request
	ctl *http.ResponseController

	bodyAt, pos, end int   // ex.in[pos:end] was read of the body and is not consumed
	intact           bool  // all that was read of the body is in ex.in from bodyAt on
	ended            bool  // the body has ended
	limit            int64 // the read deadline in force
	broken           bool  // the answer was cut
	ident            []byte
}

var _ downstream = (*handlerDoor)(nil)

func (d *handlerDoor) release() { *d = handlerDoor{ex: d.ex, ident: d.ident[:0]} }

// head begins the answer.
func (d *handlerDoor) head(a *answer) error {
	ex, h := d.ex, d.w.Header()
	if a.own {
		h.Set("Content-Type", ownType)
		h["Content-Length"] = []string{itoa(a.length)}
		if a.retry > 0 {
			h.Set("Retry-After", itoa(seconds(a.retry)))
		}
	} else {
		addFields(h, a.fields)
		if _, ok := h["Content-Type"]; !ok {
			h["Content-Type"] = nil // or net/http would guess one
		}
	}
	for _, f := range ex.pol.headers {
		h.Add(f[0], f[1])
	}
	if d.r.ProtoMajor == 1 && (a.close || !d.clear()) {
		// net/http would read what is left of the body first, or take it for the next request afterwards.
		h.Set("Connection", "close")
		_ = d.ctl.EnableFullDuplex() // fails where there is nothing to enable
	}
	if ex.pump == nil && !d.ended {
		// net/http reads what is left of the body before or after the answer, with no limit of its own.
		_ = d.ctl.SetReadDeadline(time.Now().Add(lingerTime))
	}
	d.w.WriteHeader(a.status)
	return nil
}

// clear reports whether the request's body was read, or may be left to net/http.
func (d *handlerDoor) clear() bool {
	p := d.ex.pump
	return p == nil || p.drained.Load()
}

// addFields passes the fields of an answer on. Those there can be but one of replace what a middleware has set.
func addFields(h http.Header, fields []http1.Field) {
	for i := range fields {
		f := &fields[i]
		if f.Hop {
			continue
		}
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		switch f.ID {
		case http1.ContentLength, http1.ContentType, http1.Date, http1.Server:
			h[name] = []string{string(f.Value)}
		default:
			h[name] = append(h[name], string(f.Value))
		}
	}
}

func (d *handlerDoor) body(p []byte) error {
	_, err := d.w.Write(p)
	return err
}

func (d *handlerDoor) flush() error { return d.ctl.Flush() }

// finish leaves the end of the answer to net/http, unless there is a body whose sender should see it first.
func (d *handlerDoor) finish() error {
	if d.clear() {
		return nil
	}
	return d.ctl.Flush()
}

func (d *handlerDoor) cut() { d.broken = true }

func (d *handlerDoor) interim(r *http1.Response) error {
	h := d.w.Header()
	before := h.Clone()
	addFields(h, r.Fields)
	h.Del("Content-Length")
	d.w.WriteHeader(r.Status)
	clear(h)
	for k, v := range before {
		h[k] = v
	}
	return nil
}

// proceed does nothing: net/http sends the 100 when the body is first read.
func (d *handlerDoor) proceed() error { return nil }

func (d *handlerDoor) gone() bool { return d.r.Context().Err() != nil }

func (d *handlerDoor) pause(wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		d.ex.now()
		return true
	case <-d.r.Context().Done():
		return false
	}
}

func (d *handlerDoor) sink() wire { return nil }

func (d *handlerDoor) http() *http.Request { return d.r }

func (d *handlerDoor) proto() string { return d.r.Proto }

func (d *handlerDoor) old() bool { return !d.r.ProtoAtLeast(1, 1) }

func (d *handlerDoor) context() context.Context { return d.r.Context() }
