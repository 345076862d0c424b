package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// Middleware returns a wrapper for handlers that asks a chain, then limits on connections, and passes on what they let
// through. A delayed request is held first; it takes no slot meanwhile and is not judged again. A refused one is
// answered with the status and, when its time is known, a Retry-After header in whole seconds, rounded up. When the
// request's context ends during the delay, the request is refused too.
//
// A request meets the limits once, even if a handler behind the wrapper sends it through the same wrapper again; other
// wrappers count for themselves. [FromContext] tells the handlers behind it what was decided. A slot is held until the
// handler returns.
//
// The error names every option that is wrong. A wrapper without a chain or a connection rule is one.
func Middleware(opts ...MiddlewareOption) (func(http.Handler) http.Handler, error) {
	m := &middleware{status: http.StatusTooManyRequests}
	if err := option.Apply(m, opts); err != nil {
		m.errs = append(m.errs, fmt.Errorf("ratelimit: middleware: %w", err))
	}
	if m.chain == nil && len(m.conns) == 0 {
		m.errs = append(m.errs, errors.New("ratelimit: middleware without a chain or a connection rule"))
	}
	if err := errors.Join(m.errs...); err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
	}, nil
}

// MiddlewareOption changes a [Middleware].
type MiddlewareOption func(*middleware)

type middleware struct {
	chain   *Chain[*http.Request]
	conns   []ConnRule[*http.Request]
	status  int
	onLimit func(*http.Request, Decision)
	errs    []error
}

// WithChain sets the chain that decides about each request.
func WithChain(c *Chain[*http.Request]) MiddlewareOption { return func(m *middleware) { m.chain = c } }

// WithConns adds limits on the requests in progress. They are asked in order after the chain, and a request that one of
// them refuses gives back the slots of those before it; what the chain charged stays charged, as in nginx.
func WithConns(rules ...ConnRule[*http.Request]) MiddlewareOption {
	return func(m *middleware) {
		for i, r := range rules {
			if r.zone == nil {
				m.errs = append(m.errs, fmt.Errorf("ratelimit: connection rule %d: a zone and a key function are required", i))
			}
		}
		m.conns = append(m.conns, rules...)
	}
}

// WithStatus sets the status of a refusal, from 400 to 599: default 429, nginx's is 503.
func WithStatus(code int) MiddlewareOption {
	return func(m *middleware) {
		if m.status = code; code < 400 || code > 599 {
			m.errs = append(m.errs, fmt.Errorf("ratelimit: status %d: must be from 400 to 599", code))
		}
	}
}

// WithOnLimit sets a function that is called for each delayed or rejected request, before it is held or answered, in
// the goroutine that serves it.
func WithOnLimit(f func(*http.Request, Decision)) MiddlewareOption {
	return func(m *middleware) { m.onLimit = f }
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	before := marked(r.Context())
	for s := before; s != nil; s = s.before {
		if s.by == m {
			next.ServeHTTP(w, r)
			return
		}
	}
	d := Decision{detail: unlimited}
	if m.chain != nil {
		d = m.chain.Decide(m.chain.Now(), r)
	}
	if d.Outcome != Passed && !m.limit(w, r, d) {
		return
	}
	var room [4]Slot
	held := room[:0]
	defer func() {
		for _, s := range held {
			s.Release()
		}
	}()
	for _, c := range m.conns {
		s, ok := c.Acquire(r)
		if !ok {
			m.limit(w, r, Decision{Outcome: Rejected, detail: newDetail(RuleConn, 0, 0)})
			return
		}
		held = append(held, s)
	}
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), markKey{}, &mark{m, d, before})))
}

// limit holds a delayed request and answers a rejected one. It reports whether the request goes on.
func (m *middleware) limit(w http.ResponseWriter, r *http.Request, d Decision) bool {
	if m.onLimit != nil {
		m.onLimit(r, d)
	}
	if d.Outcome == Delayed && hold(r.Context(), d.Delay) {
		return true
	}
	if d.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(d.RetryAfter), 10))
	}
	http.Error(w, strconv.Itoa(m.status)+" "+http.StatusText(m.status), m.status)
	return false
}

// seconds rounds up, so that a client that keeps to it is not too early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// hold waits, and reports whether the time passed before the context ended.
func hold(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

type markKey struct{}

// mark says in a request's context which wrappers it passed.
type mark struct {
	by     *middleware
	d      Decision
	before *mark
}

func marked(ctx context.Context) *mark {
	m, _ := ctx.Value(markKey{}).(*mark)
	return m
}

// FromContext returns the decision of the innermost [Middleware] that the request passed, for an access log.
func FromContext(ctx context.Context) (Decision, bool) {
	m := marked(ctx)
	if m == nil {
		return Decision{}, false
	}
	return m.d, true
}

// ByRemoteAddr is a key function: the address of the connection's other end, as in nginx's $binary_remote_addr. It
// trusts no header; behind another proxy it is that proxy's address. A request that came over something other than IP,
// such as a Unix socket, has none and is not limited.
func ByRemoteAddr(r *http.Request) (netip.Addr, bool) {
	if strings.IndexByte(r.RemoteAddr, ':') < 0 {
		return netip.Addr{}, false // without the allocation of an error
	}
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr(), err == nil
}
