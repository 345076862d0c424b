package proxy

import (
	"net/http"
	"strconv"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// responseWriter turns a handler's answer into one of the engine. Up to a buffer full of it is held back, so that a
// short answer has a Content-Length and one write.
type responseWriter struct {
	d      *engineDoor
	body   *requestBody // nil if there is none
	header http.Header
	final  http.Header // as it was when the status was set
	status int
	duplex bool   // the handler reads the body while it answers
	begun  bool   // the head was written
	held   []byte // payload before that
	left   int64  // of a declared Content-Length, -1 without one
}

var _ http.Flusher = (*responseWriter)(nil)

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	switch {
	case w.status != 0 || status < 100 || status > 999 || status == http.StatusSwitchingProtocols:
		return
	case status < 200:
		_ = w.d.writeInterim(status, w.header) // the answer that follows fails too
		return
	}
	w.status, w.left, w.final = status, -1, w.header.Clone()
	if n, err := strconv.ParseInt(w.final.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		w.left = n
	} else {
		w.final.Del("Content-Length")
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	ex := w.d.ex
	switch {
	case len(p) == 0:
		return 0, nil
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.left >= 0 && int64(len(p)) > w.left:
		return 0, http.ErrContentLength
	}
	if w.left >= 0 {
		w.left -= int64(len(p))
	}
	if !w.begun && len(w.held)+len(p) <= len(ex.up) {
		if w.held == nil {
			w.held = ex.up[:0] // no peer answers here
		}
		w.held = append(w.held, p...)
		return len(p), nil
	}
	if err := w.begin(false, p); err != nil {
		return 0, err
	}
	if err := w.pass(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pass sends payload on.
func (w *responseWriter) pass(p []byte) error {
	if w.isHead() || len(p) == 0 {
		return nil
	}
	w.d.ex.now()
	w.d.ex.sent += int64(len(p))
	return w.d.body(p)
}

func (w *responseWriter) isHead() bool { return string(w.d.ex.req.Method) == http.MethodHead }

// Flush sends what was written so far.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (w *responseWriter) FlushError() error {
	w.WriteHeader(http.StatusOK)
	if err := w.begin(false, nil); err != nil {
		return err
	}
	w.d.ex.now()
	return w.d.flush()
}

// EnableFullDuplex is for [http.ResponseController]: the body may be read while the answer is written. Otherwise it
// is read away before, as by net/http, up to a point: there are clients that send all of it before they read.
func (w *responseWriter) EnableFullDuplex() error {
	w.duplex = true
	return nil
}

// begin writes the head, and what was held back. whole says that this is the whole body; next is what comes after.
func (w *responseWriter) begin(whole bool, next []byte) error {
	if w.begun {
		return nil
	}
	w.begun = true
	d, ex := w.d, w.d.ex
	if w.body != nil && !w.duplex {
		w.body.drain()
	}
	ex.now()
	a := &ex.answer
	*a = answer{status: w.status, framing: http1.Chunked, length: -1}
	switch {
	case !bodyAllowed(w.status):
		a.framing = http1.None
		w.final.Del("Content-Length")
	case w.left >= 0:
		a.framing = http1.Length
	case whole && (!w.isHead() || len(w.held) > 0):
		a.framing = http1.Length
		w.final.Set("Content-Length", strconv.Itoa(len(w.held)))
	}
	if w.isHead() {
		a.framing = http1.None
	}
	sample := w.held
	if len(sample) == 0 {
		sample = next
	}
	if _, ok := w.final["Content-Type"]; !ok && len(sample) > 0 && w.final.Get("Content-Encoding") == "" {
		w.final.Set("Content-Type", http.DetectContentType(sample))
	}
	ex.committed, ex.status = true, w.status
	d.headOf(a, w.final)
	return w.pass(w.held)
}

// end finishes the answer when the handler has returned.
func (w *responseWriter) end() error {
	w.WriteHeader(http.StatusOK)
	if err := w.begin(true, nil); err != nil {
		return err
	}
	if w.left > 0 && !w.isHead() && bodyAllowed(w.status) {
		w.d.ex.reason = "cut"
		w.d.cut() // fewer bytes than declared
		return nil
	}
	w.d.ex.now()
	return w.d.finish()
}

// bodyAllowed reports whether an answer with that status has a body.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
