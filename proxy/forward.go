package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
	"github.com/mainstay-ha/mainstay/upstream"
)

// forward asks one peer after the other until one answers.
func (ex *exchange) forward() {
	rt := ex.route
	now := ex.start
	if len(ex.passed) > 0 || len(rt.gates) > 0 || len(ex.pol.gates) > 0 {
		now = ex.now() // a gate may have waited
	}
	ex.first = now
	ex.group = rt.pool.Name()
	ex.pick.Addr, ex.pick.Key = ex.remote.Addr(), ex.req.Target
	ex.pick.Safe = idempotent(ex.req.Method)
	var last trouble
	for {
		lease, err := rt.pool.TryPick(now+rt.ahead, &ex.pick)
		if errors.Is(err, upstream.ErrBusy) { // the pool may have a queue
			lease, err = rt.pool.Pick(ex.down.context(), &ex.pick)
			now = ex.now()
		}
		if err != nil {
			ex.unserved(err, last)
			return
		}
		ex.lease = lease
		if last = ex.attempt(lease.Backend(), now); last.cause == fine {
			return
		}
		now = ex.now()
		ex.conclude(last, now)
		if !ex.again(last, now) {
			ex.fail(last)
			return
		}
		ex.proxy.stats.add(ex, statRetries)
	}
}

// conclude ends the attempt in hand.
func (ex *exchange) conclude(t trouble, now int64) {
	if ex.peer != nil {
		ex.peer.close()
		ex.peer = nil
	}
	a := &ex.attempts[len(ex.attempts)-1]
	a.Err = t.err
	a.Total = time.Duration(now - ex.asked)
	o := t.outcome()
	ex.pick.Dropped = !t.sent || t.cause == broken || t.cause == stale
	if o == upstream.Failure {
		ex.proxy.stats.add(ex, statFailures)
		ex.pick.Cause = t.err
		b := ex.lease.Backend()
		ex.pol.log.Warn("attempt failed", slog.String("group", b.Group()), slog.String("backend", b.ID()), slog.Any("err", t.err))
	}
	ex.lease.Done(now+ex.route.ahead, o)
	ex.lease = upstream.Lease{}
}

// unserved answers when there is nobody to ask, or nobody else.
func (ex *exchange) unserved(err error, last trouble) {
	switch {
	case last.cause != fine:
		ex.fail(last)
	case errors.Is(err, upstream.ErrQueueFull), errors.Is(err, upstream.ErrQueueTimeout):
		ex.refuse(503, "busy", time.Second)
	case errors.Is(err, upstream.ErrBusy):
		ex.refuse(503, "busy", 0)
	case errors.Is(err, context.Canceled):
		ex.abandon()
	default:
		ex.refuse(502, "no_peer", 0)
	}
}

// fail answers for the last attempt.
func (ex *exchange) fail(t trouble) {
	switch t.cause {
	case left:
		ex.abandon()
	case badBody:
		var b *bodyError
		if !errors.As(t.err, &b) {
			b = errBodyBad
		}
		ex.refuse(b.status, b.reason, 0)
	default:
		status, reason := t.answer()
		ex.refuse(status, reason, 0)
	}
}

// attempt asks one peer, on a kept connection if there is one.
func (ex *exchange) attempt(b *upstream.Backend, now int64) trouble {
	p := ex.proxy
	p.stats.add(ex, statAttempts)
	ex.asked = now
	ex.attempts = append(ex.attempts, Attempt{Backend: b.ID()})
	a := &ex.attempts[len(ex.attempts)-1]
	if c := p.store.take(b, ex.pol, now); c != nil {
		a.Reused = true
		p.stats.add(ex, statReused)
		ex.peer = c
		t := ex.ask(c, now)
		if t.cause == fine {
			return ex.relay(c)
		}
		if t.cause != stale || ex.committed || t.sent && !ex.pick.Safe || !ex.unsend() {
			return t
		}
		// A connection of its own, at no charge: the peer closed the kept one and has not seen the request, or
		// may see it twice.
		p.stats.add(ex, statStale)
		c.close()
		ex.peer = nil
		a.Reused = false
		now = ex.now()
	}
	c, t := ex.dial(b)
	if t.cause != fine {
		return t
	}
	then := ex.now()
	a.Connect = time.Duration(then - now)
	ex.peer = c
	if t = ex.ask(c, then); t.cause == fine {
		return ex.relay(c)
	}
	if t.cause == stale { // it was closed before anything could be written
		t.cause = broken
	}
	return t
}

// unsend takes the body back to its start, if it can still be had from there.
func (ex *exchange) unsend() bool {
	if p := ex.pump; p != nil && !p.over() && !p.drained.Load() && !ex.down.prompt() {
		return false
	}
	ex.settle()
	return ex.down.rewind()
}

// dial makes a connection to b.
func (ex *exchange) dial(b *upstream.Backend) (*peerConn, trouble) {
	p := ex.proxy
	parent := ex.down.context()
	ctx, cancel := context.WithTimeout(parent, ex.pol.connectTimeout)
	conn, err := ex.pol.dial(ctx, b.Network(), b.Addr())
	cancel()
	switch {
	case err == nil:
	case parent.Err() != nil || ex.down.gone():
		return nil, trouble{cause: left, err: errGone}
	default:
		return nil, dialTrouble(err)
	}
	p.stats.add(ex, statDials)
	return &peerConn{wire: newWire(conn, p.clk), since: ex.now()}, trouble{}
}

// maxInterim bounds the interim answers before a final one.
const maxInterim = 32

// ask writes the request and reads the answer's head into ex.resp.
func (ex *exchange) ask(c *peerConn, now int64) trouble {
	c.requests++
	ex.resp.Reset()
	ex.upR, ex.upW = 0, 0
	ex.question()
	n, sent, err := ex.speak(c, now)
	head := string(ex.req.Method) == "HEAD"
	interim := 0
	for {
		n, err = ex.await(c, n, err, now)
		if err != nil {
			return ex.askTrouble(err, sent, c)
		}
		ex.upW += n
		for {
			n, err = ex.resp.Parse(ex.up[ex.upR:ex.upW], head, &ex.pol.limits)
			if err != nil {
				break
			}
			ex.upR += n
			if !ex.resp.Interim() {
				return ex.final()
			}
			if interim++; interim > maxInterim {
				return trouble{garbled, errInterim, true}
			}
			if ex.resp.Status == 103 && !ex.down.old() {
				if err := ex.down.interim(&ex.resp); err != nil {
					return trouble{left, errGone, true}
				}
				ex.proxy.stats.add(ex, stat1xx)
			}
			ex.resp.Reset()
		}
		if err != http1.ErrIncomplete {
			return trouble{garbled, err, true}
		}
		if ex.upR > 0 {
			ex.upW = copy(ex.up, ex.up[ex.upR:ex.upW])
			ex.upR = 0
		}
		if ex.upW == len(ex.up) {
			ex.up = append(ex.up, make([]byte, len(ex.up))...)
		}
		now = ex.now()
		c.limitRead(now, min(firstSlice, ex.pol.readTimeout))
		n, err = c.read(ex.up[ex.upW:])
	}
}

// final judges the head of a final answer, and what has come of a chunked body with it: as long as the client has
// been told nothing, garbage there can still be answered with 502.
func (ex *exchange) final() trouble {
	r := &ex.resp
	if r.Status == 101 {
		return trouble{garbled, errSwitch, true}
	}
	if r.Framing == http1.Chunked {
		var dec http1.Body
		dec.Reset(r.Framing, 0)
		for b := ex.up[ex.upR:ex.upW]; len(b) > 0 && !dec.Done(); {
			_, n, err := dec.Next(b)
			if b = b[n:]; err != nil && err != http1.ErrIncomplete {
				return trouble{garbled, err, true}
			}
		}
	}
	ex.heard = ex.now()
	a := &ex.attempts[len(ex.attempts)-1]
	a.Header = time.Duration(ex.heard - ex.asked)
	a.Status = r.Status
	ex.pick.Status = r.Status
	ex.lease.Headed(ex.heard + ex.route.ahead)
	return trouble{}
}

var (
	errSwitch  = errors.New("proxy: the peer switched protocols unasked")
	errInterim = errors.New("proxy: too many interim answers")
	errNoHead  = errors.New("proxy: the peer closed before its answer")
)

// askTrouble names what ended an ask.
func (ex *exchange) askTrouble(err error, sent bool, c *peerConn) trouble {
	t := trouble{cause: broken, err: err, sent: sent}
	var body *bodyError
	switch {
	case err == errGone:
		t.cause = left
	case err == errStale:
		t.cause, t.sent = stale, false
	case errors.As(err, &body):
		t.cause = badBody
	case err == errLate, err == errWriteTimeout:
		t.cause = late
	case c.requests > 1 && ex.upW == 0:
		t.cause = stale // closed while the request was on its way
	}
	if err == io.EOF {
		t.err = errNoHead
	}
	return t
}
