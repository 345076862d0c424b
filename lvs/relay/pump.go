package relay

import (
	"errors"
	"io"
	"sync"
)

// bufferSize is what a direction reads at a time when it copies.
const bufferSize = 16 << 10

// buffers holds the copy buffers of all relays: *[bufferSize]byte, nothing else.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// A pump carries one direction of a connection.
type pump struct {
	conn     *conn
	src, dst *end
	up       bool   // from the client
	bytes    uint64 // handed over; owned by the pump's goroutine until the connection finishes

	rawPump
}

func (p *pump) start(c *conn, src, dst *end) {
	p.conn, p.src, p.dst, p.up = c, src, dst, src == &c.client
}

// lost ends the connection because one side broke.
func (p *pump) lost(side *end, err error) {
	if side == &p.conn.client {
		p.conn.cut(ClientLost, err)
	} else {
		p.conn.cut(ServerLost, err)
	}
}

// run carries data until src ends its stream, which it passes on, or something breaks.
func (p *pump) run() {
	if p.src.raw != nil && p.dst.raw != nil {
		p.pumpRaw()
	} else {
		p.pumpCopy()
	}
}

// pumpCopy works on any two connections. A whole buffer is in use even while src is silent.
func (p *pump) pumpCopy() {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := p.src.rwc.Read(buf[:])
		p.moved()
		if n > 0 {
			m, err := p.dst.rwc.Write(buf[:n])
			p.moved()
			p.count(m)
			if err != nil {
				p.lost(p.dst, err)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			p.eof()
			return
		}
		if err != nil {
			p.lost(p.src, err)
			return
		}
	}
}

// moved notes that the connection is not idle.
func (p *pump) moved() { p.conn.last.Store(p.conn.r.now()) }

// count notes that dst took n bytes.
func (p *pump) count(n int) {
	p.bytes += uint64(n)
	if p.up {
		p.conn.bound.In(n)
	} else {
		p.conn.bound.Out(n)
	}
}

// eof passes the end of src's stream on to dst.
func (p *pump) eof() {
	p.conn.halfClose()
	switch err := p.dst.closeWrite(); {
	case err == nil:
	case errors.Is(err, errNoHalfClose):
		// Its only way to learn that the stream is complete is that all of it ends.
		p.conn.cut(Finished, nil)
	default:
		p.lost(p.dst, err)
	}
}
