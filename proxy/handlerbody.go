package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// held reports whether the whole body is in ex.in.
func (d *handlerDoor) held() bool { return d.ended && d.intact }

func (d *handlerDoor) rewind() bool {
	if !d.intact {
		return false
	}
	d.pos, d.ex.received = d.bodyAt, 0
	return true
}

func (d *handlerDoor) prompt() bool { return false }

func (d *handlerDoor) halt(done <-chan struct{}) {
	until := time.Now().Add(lingerTime)
	if d.broken {
		until = longAgo
	}
	_ = d.ctl.SetReadDeadline(until) // where that is not supported, the body ends when it ends
	<-done
}

func (d *handlerDoor) more() ([]byte, error) {
	ex := d.ex
	if d.pos == d.end {
		if err := d.receive(); err != nil {
			return nil, err
		}
	}
	data := ex.in[d.pos:d.end]
	d.pos = d.end
	ex.received += int64(len(data))
	if max := ex.pol.maxBody; max > 0 && ex.received > max {
		return nil, errBodyLarge
	}
	return data, nil
}

// receive reads more of the request's body into ex.in.
func (d *handlerDoor) receive() error {
	ex := d.ex
	if d.end == len(ex.in) {
		d.intact = false
		d.pos, d.end = d.bodyAt, d.bodyAt
	}
	for !d.ended {
		now := ex.proxy.clk.now()
		if p := ex.pump; p == nil || !p.stop.Load() {
			if left := d.limit - now; left < int64(ex.pol.bodyTimeout*3/4) {
				d.limit = now + int64(ex.pol.bodyTimeout)
				_ = d.ctl.SetReadDeadline(ex.proxy.clk.at(d.limit)) // net/http's own limits hold where it fails
			}
			if p != nil && p.stop.Load() {
				_ = d.ctl.SetReadDeadline(time.Now().Add(lingerTime))
			}
		}
		n, err := d.r.Body.Read(ex.in[d.end:])
		d.end += n
		d.ended = err == io.EOF
		switch {
		case n > 0:
			return nil
		case err != nil && !d.ended:
			return d.bodyTrouble(err)
		}
	}
	return io.EOF
}

// bodyTrouble names what ended the reading of a request's body.
func (d *handlerDoor) bodyTrouble(err error) error {
	var large *http.MaxBytesError
	var broken *net.OpError
	switch {
	case errors.As(err, &large):
		return errBodyLarge
	case timedOut(err):
		return errBodySlow
	case d.gone(), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		return errGone
	}
	return errBodyBad
}
