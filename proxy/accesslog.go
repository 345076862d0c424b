package proxy

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Record is what the access log tells about one request.
type Record struct {
	Start    time.Time      // when its head had come
	Duration time.Duration  // until the answer was handed to the client's connection
	Remote   netip.AddrPort // the client
	Method   string
	Host     string
	Target   string // as it was forwarded
	Proto    string // of the client: "HTTP/1.1", "HTTP/1.0" or "HTTP/2.0"
	Route    string // the pattern; "" if none was found

	// Status is what the client was answered. 499: the client went away before there was an answer.
	Status int
	// RequestBytes and ResponseBytes are payload, without heads and chunk framing.
	RequestBytes, ResponseBytes int64
	// Group and Backend name the peer that was asked last; "" if none was.
	Group, Backend string
	// Attempts are all peers asked, in order. The slice is reused after the call.
	Attempts []Attempt
	// Reason says in a word why the answer is our own, or was cut: "no_peer", "busy", "connect", "timeout", "reset",
	// "invalid_answer", "local", "gate", "limit", "bad_request", "header_timeout", "no_route", "body", "body_timeout",
	// "client_abort", "cut", "panic". "" for an answer that was relayed whole.
	Reason string
}

// Attempt is one try at one peer. Times count from the start of the attempt; 0 means it did not get there.
type Attempt struct {
	Backend string        // the id of the peer
	Status  int           // of the peer's answer, 0 without one
	Err     error         // why it failed, nil otherwise
	Reused  bool          // on a kept connection
	Connect time.Duration // until the connection was there
	Header  time.Duration // until the answer's head was there (nginx: upstream_header_time)
	Total   time.Duration // until the attempt ended (nginx: upstream_response_time)
}

// SlogAccess returns a function for [WithAccessLog] that writes each Record to l at Info, as "request" with the
// attributes remote, method, host, target, proto, status, request_bytes, response_bytes, duration, and where they apply
// route, group, backend, attempts, reason and err. A nil logger is silent.
func SlogAccess(l *slog.Logger) func(*Record) {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return func(r *Record) {
		ctx := context.Background()
		if !l.Enabled(ctx, slog.LevelInfo) {
			return
		}
		attrs := make([]slog.Attr, 0, 16)
		attrs = append(attrs,
			slog.String("remote", r.Remote.String()),
			slog.String("method", r.Method),
			slog.String("host", r.Host),
			slog.String("target", r.Target),
			slog.String("proto", r.Proto),
			slog.Int("status", r.Status),
			slog.Int64("request_bytes", r.RequestBytes),
			slog.Int64("response_bytes", r.ResponseBytes),
			slog.Duration("duration", r.Duration),
		)
		if r.Route != "" {
			attrs = append(attrs, slog.String("route", r.Route))
		}
		if r.Backend != "" {
			attrs = append(attrs, slog.String("group", r.Group), slog.String("backend", r.Backend))
		}
		if len(r.Attempts) > 1 {
			attrs = append(attrs, slog.String("attempts", attemptList(r.Attempts)))
		}
		if r.Reason != "" {
			attrs = append(attrs, slog.String("reason", r.Reason))
		}
		if n := len(r.Attempts); n > 0 && r.Attempts[n-1].Err != nil {
			attrs = append(attrs, slog.Any("err", r.Attempts[n-1].Err))
		}
		l.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
	}
}

// attemptList writes the attempts as nginx writes $upstream_addr and $upstream_status: "a 502, b 200".
func attemptList(list []Attempt) string {
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Backend)
		b.WriteByte(' ')
		if a.Status == 0 {
			b.WriteByte('-')
		} else {
			b.WriteString(strconv.Itoa(a.Status))
		}
	}
	return b.String()
}

// log hands the record of a finished exchange to the access log.
func (ex *exchange) log(now int64) {
	r := &ex.record
	*r = Record{
		Start:         time.Now().Add(-time.Duration(now - ex.start)),
		Duration:      time.Duration(now - ex.start),
		Remote:        ex.remote,
		Method:        methodName(ex.req.Method),
		Host:          string(ex.req.Host),
		Target:        string(ex.req.Target),
		Proto:         ex.down.proto(),
		Route:         ex.view.Route(),
		Status:        ex.status,
		RequestBytes:  ex.received,
		ResponseBytes: ex.sent,
		Attempts:      ex.attempts,
		Reason:        ex.reason,
	}
	if n := len(ex.attempts); n > 0 {
		r.Group, r.Backend = ex.group, ex.attempts[n-1].Backend
	}
	ex.pol.accessLog(r)
}
