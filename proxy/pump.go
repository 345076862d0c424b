package proxy

import (
	"io"
	"sync/atomic"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// pump sends a body that has not all come with its head. It runs beside the goroutine that reads the answer, so that
// an answer given early is heard, and so that a peer that answers while it reads is served.
type pump struct {
	ex      *exchange
	c       *peerConn
	stop    atomic.Bool   // told to end
	drained atomic.Bool   // the client's body was read whole
	failed  atomic.Bool   // err says why there is no use in waiting for an answer
	err     error         // set before failed
	whole   bool          // the peer has the whole body; set before done
	done    chan struct{} // closed at the end
}

func (ex *exchange) startPump(c *peerConn) {
	p := &pump{ex: ex, c: c, done: make(chan struct{})}
	ex.pump = p
	go p.run() // joined in settle
}

// over reports whether the pump has ended.
func (p *pump) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *pump) run() {
	defer close(p.done)
	ex := p.ex
	var frame []byte
	for !p.whole {
		if ex.req.Framing == http1.Length && ex.req.Length-ex.received >= spliceMin {
			if client, peer := p.splice(); client != nil || peer != nil {
				if client != nil && !p.stop.Load() {
					p.fail(client)
				} else {
					p.dropped(peer)
				}
				return
			}
		}
		data, err := ex.down.more()
		last := err == io.EOF || ex.req.Framing == http1.Length && ex.received >= ex.req.Length
		switch {
		case p.stop.Load():
			if err != nil || ex.down.prompt() {
				return
			}
			continue // thrown away, so that the client can read its answer
		case err != nil && !last:
			p.fail(err)
			return
		}
		if last {
			p.drained.Store(true) // before the peer can answer
		}
		if ex.req.Framing == http1.Chunked {
			if frame = frame[:0]; last {
				frame = http1.AppendLastChunk(frame)
			} else {
				frame = http1.AppendChunk(frame, data)
			}
			data = frame
		}
		if err := p.c.write(data); err != nil {
			p.dropped(err)
			if last || ex.down.prompt() {
				return
			}
			p.stop.Store(true) // go on reading: see above
			continue
		}
		p.whole = last
	}
}

// dropped notes that the peer does not take any more. It may have answered all the same, unless it was just slow.
func (p *pump) dropped(err error) {
	if err == errWriteTimeout && !p.stop.Load() {
		p.fail(err)
	}
}

// fail tells the waiting goroutine.
func (p *pump) fail(err error) {
	p.err = err
	p.failed.Store(true)
	p.c.interrupt(true, false)
}

// settle ends the pump, if there is one, and reports whether the peer has the whole body.
func (ex *exchange) settle() bool {
	p := ex.pump
	if p == nil {
		return true
	}
	if !p.over() {
		p.stop.Store(true)
		p.c.interrupt(false, true)
		if p.drained.Load() {
			<-p.done
		} else {
			ex.down.halt(p.done)
		}
		p.c.resume()
	}
	ex.pump = nil
	return p.whole
}
