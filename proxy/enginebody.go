package proxy

import (
	"io"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// held reports whether the whole body is in ex.in.
func (d *engineDoor) held() bool {
	if !d.intact {
		return false
	}
	b := d.ex.in[d.bodyAt:d.end]
	if d.ex.req.Framing == http1.Length {
		return int64(len(b)) >= d.ex.req.Length
	}
	var dec http1.Body
	dec.Reset(d.ex.req.Framing, d.ex.req.Length)
	for !dec.Done() {
		_, n, err := dec.Next(b)
		if b = b[n:]; err != nil {
			return err != http1.ErrIncomplete // what is wrong is found when the body is read
		}
	}
	return true
}

func (d *engineDoor) rewind() bool {
	if !d.intact {
		return d.ex.req.Framing == http1.None
	}
	d.pos = d.bodyAt
	d.dec.Reset(d.ex.req.Framing, d.ex.req.Length)
	d.ex.received = 0
	return true
}

func (d *engineDoor) more() ([]byte, error) {
	ex := d.ex
	for !d.dec.Done() {
		if d.pos == d.end {
			if err := d.receive(); err != nil {
				return nil, err
			}
		}
		data, n, err := d.dec.Next(ex.in[d.pos:d.end])
		d.pos += n
		if len(data) > 0 {
			ex.received += int64(len(data))
			if max := ex.pol.maxBody; max > 0 && ex.received > max {
				d.bad = true
				return nil, errBodyLarge
			}
			return data, nil
		}
		if err != nil && err != http1.ErrIncomplete {
			d.bad = true
			return nil, errBodyBad
		}
	}
	return nil, io.EOF
}

// receive reads more of the request's body into ex.in.
func (d *engineDoor) receive() error {
	ex, w := d.ex, d.c.wire
	if d.end == len(ex.in) {
		d.intact = false
		if len(ex.in)-d.bodyAt < bufSize/2 {
			ex.in = append(ex.in, make([]byte, bufSize)...) // the head stays where ex.req sees it
		}
		d.pos, d.end = d.bodyAt, d.bodyAt
	}
	n, err := d.patiently(func() (int, error) { return w.read(ex.in[d.end:]) })
	d.end += n
	return err
}

// patiently reads from the client, within the body's limit.
func (d *engineDoor) patiently(read func() (int, error)) (int, error) {
	ex, w := d.ex, d.c.wire
	clk, patience := ex.proxy.clk, ex.pol.bodyTimeout
	for began, now := clk.now(), clk.now(); ; now = clk.now() {
		left := patience - time.Duration(now-began)
		if left <= 0 {
			return 0, errBodySlow
		}
		w.limitRead(now, left)
		if p := ex.pump; p != nil && p.stop.Load() { // looked at after the limit, which would have lifted an interrupt
			return 0, errGone
		}
		n, err := read()
		switch {
		case err == nil, err == errNoSplice:
			return n, err
		case !timedOut(err):
			return 0, errGone
		}
	}
}
