package proxy

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
)

// handle runs a handler as the target, behind the same limits and with the same end for a panic as on the engine.
func (d *handlerDoor) handle(h http.Handler) {
	ex := d.ex
	w := &countingWriter{ResponseWriter: d.w}
	r := d.r
	for _, f := range ex.pol.headers {
		w.Header().Add(f[0], f[1])
	}
	if ex.pol.maxBody > 0 && r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(d.w, r.Body, ex.pol.maxBody)
	}
	defer func() {
		v := recover()
		ex.committed, ex.status, ex.sent = true, w.status, w.n
		if ex.status == 0 {
			ex.status = http.StatusOK
		}
		if v != nil {
			ex.panicked(v, w.status != 0)
		}
	}()
	h.ServeHTTP(w, r)
}

// panicked ends an exchange whose handler has panicked.
func (ex *exchange) panicked(v any, begun bool) {
	ex.reason = "panic"
	if v == http.ErrAbortHandler {
		ex.down.cut()
		return
	}
	ex.proxy.stats.add(ex, statPanics)
	ex.pol.log.Error("panic in a handler", slog.String("route", ex.view.Route()), slog.Any("err", v), slog.String("stack", string(debug.Stack())))
	if begun {
		ex.down.cut()
		return
	}
	ex.refuse(http.StatusInternalServerError, "panic", 0)
}

// countingWriter sees the status and the size of a handler's answer.
type countingWriter struct {
	http.ResponseWriter
	status int
	n      int64
}

func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// Flush is for handlers that ask for an [http.Flusher].
func (w *countingWriter) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush() // unsupported where the door's writer has none
}

// Unwrap is for [http.ResponseController].
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
