package proxy

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
	"github.com/mainstay-ha/mainstay/upstream"
)

// bigSize is the size of the buffer that a large body passes through. Of 16 to 256 KiB it costs the least CPU per byte.
const bigSize = 32 << 10

var bigBuffers = sync.Pool{New: func() any { return new([bigSize]byte) }}

// relay passes the answer whose head is in ex.resp on to the client. Nobody else is asked from here on.
func (ex *exchange) relay(c *peerConn) trouble {
	r := &ex.resp
	a := &ex.answer
	*a = answer{status: r.Status, fields: r.Fields, framing: r.Framing, length: r.Length}
	if a.framing == http1.UntilClose {
		a.framing = http1.Chunked
	}
	ex.dec.Reset(r.Framing, r.Length)
	ex.committed, ex.status = true, r.Status
	if err := ex.down.head(a); err != nil {
		return ex.lost(errGone)
	}
	for !ex.dec.Done() {
		if ex.upR == ex.upW {
			if err := ex.down.flush(); err != nil {
				return ex.lost(errGone)
			}
			err := ex.more(c)
			if err == io.EOF && ex.dec.EOF() == nil {
				break
			}
			if err != nil {
				return ex.lost(err)
			}
		}
		if ex.upR == ex.upW {
			continue
		}
		data, n, err := ex.dec.Next(ex.up[ex.upR:ex.upW])
		ex.upR += n
		if len(data) > 0 {
			ex.sent += int64(len(data))
			if err := ex.down.body(data); err != nil {
				return ex.lost(errGone)
			}
		}
		if err != nil && err != http1.ErrIncomplete {
			return ex.lost(err)
		}
	}
	return ex.whole(c)
}

// more moves the body on, past ex.up if there is much of it, or reads more of it.
func (ex *exchange) more(c *peerConn) error {
	if left := ex.dec.Left(); left >= spliceMin && ex.resp.Framing == http1.Length {
		moved, err := ex.splice(c, left)
		if moved > 0 {
			ex.filled = true
			ex.sent += moved
			ex.dec.Skip(moved)
		}
		if moved > 0 || err != nil {
			return err
		}
	}
	return ex.fill(c)
}

// fill reads more of the answer's body.
func (ex *exchange) fill(c *peerConn) error {
	if ex.upW == len(ex.up) && ex.big == nil { // it came faster than we read
		ex.big = bigBuffers.Get().(*[bigSize]byte)
		ex.small, ex.up = ex.up, ex.big[:]
	}
	ex.upR, ex.upW, ex.filled = 0, 0, true
	now := ex.now()
	c.limitRead(now, min(firstSlice, ex.pol.readTimeout))
	n, err := c.read(ex.up)
	n, err = ex.await(c, n, err, now)
	ex.upW = n
	return err
}

// shrink gives the buffer of a large body back.
func (ex *exchange) shrink() {
	if ex.big != nil {
		ex.up = ex.small
		bigBuffers.Put(ex.big)
		ex.big, ex.small = nil, nil
	}
}

// whole ends an answer that came whole: the connection is kept if nothing speaks against it.
func (ex *exchange) whole(c *peerConn) trouble {
	now, finished := ex.heard, false
	clean := ex.resp.KeepAlive && ex.upR == ex.upW
	ex.shrink()
	if ex.filled {
		now = ex.now()
	}
	if ex.pump != nil {
		// The client learns that it is answered before it is kept from sending.
		if err := ex.down.finish(); err != nil {
			return ex.lost(errGone)
		}
		clean = ex.settle() && clean
		now, finished = ex.now(), true
	}
	ex.peer = nil
	if clean {
		ex.proxy.store.put(ex.lease.Backend(), c, ex.pol, now)
	} else {
		c.close()
	}
	ex.attempts[len(ex.attempts)-1].Total = time.Duration(now - ex.asked)
	ex.lease.Done(now+ex.route.ahead, upstream.Success)
	ex.lease = upstream.Lease{}
	if !finished {
		if err := ex.down.finish(); err != nil {
			ex.gone()
		}
	}
	return trouble{}
}

// lost breaks off an answer that has begun: the client went away (errGone), or the peer did not send all of it.
func (ex *exchange) lost(err error) trouble {
	ex.shrink()
	t := trouble{cause: broken, err: err, sent: true}
	var body *bodyError
	switch {
	case err == errGone:
		t.cause = left
	case errors.As(err, &body):
		t.cause = badBody
	case err == io.EOF:
		t.err = io.ErrUnexpectedEOF
	}
	ex.down.cut()
	ex.conclude(t, ex.now())
	switch t.cause {
	case left:
		ex.gone()
	case badBody:
		ex.reason = body.reason
	default:
		ex.reason = "cut"
		ex.proxy.stats.add(ex, statCut)
	}
	return trouble{}
}

// gone notes that the client left before its answer was whole.
func (ex *exchange) gone() {
	ex.reason = "client_abort"
	ex.proxy.stats.add(ex, statAborts)
}

// abandon ends an exchange without an answer: the client left before there was one. nginx calls that status 499.
func (ex *exchange) abandon() {
	ex.gone()
	if !ex.committed {
		ex.status = 499
	}
	ex.down.cut()
}
