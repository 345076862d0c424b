package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
	"github.com/mainstay-ha/mainstay/upstream"
)

// bufSize is the size of the buffers of an exchange: as much as one system call may move at most without the scheduler.
const bufSize = rawLimit

// rawLimit is the largest transfer made without telling the scheduler. Such a call must return quickly, as it holds
// up a stop of the world; above it the ordinary calls are made.
const rawLimit = 16 << 10

// exchange carries one request from its head to its log line, for both doors. It is pooled and belongs to the
// goroutine that serves the request; the body pump is the only other one that ever touches it, and is joined.
type exchange struct {
	proxy *Proxy
	shard uint32 // of the proxy's counters
	pol   *policy
	down  downstream
	door  handlerDoor // down of the handler door
	line  engineDoor  // down of the engine
	view  Request

	req    http1.Request
	in     []byte // the request's head and what follows it; req aliases it
	remote netip.AddrPort
	ident  []byte // the X-Forwarded fields of the client's connection
	route  *route
	passed []pass // gates to leave

	pick   upstream.Request
	lease  upstream.Lease // the attempt in hand
	peer   *peerConn      // its connection
	resp   http1.Response
	dec    http1.Body // of the answer
	up     []byte     // the answer as it comes; resp aliases it
	upR    int        // up[upR:upW] has come and is not consumed
	upW    int
	big    *[bigSize]byte // stands in for up while a large body passes
	small  []byte         // up meanwhile
	filled bool           // more of the answer's body was read than came with its head
	out    []byte         // what is being written: to the peer first, to the client then
	pump   *pump          // the body on its way to the peer

	start     int64 // when the head had come
	asked     int64 // when the attempt in hand began
	heard     int64 // when the head of its answer had come
	lately    int64 // when the clock was read last
	first     int64 // when the first peer was chosen
	answer    answer
	committed bool // a final head went to the client
	status    int
	sent      int64 // payload to the client
	received  int64 // payload from the client
	reason    string
	group     string
	attempts  []Attempt
	record    Record
}

// downstream is the client's side of an exchange: the part in which the doors differ.
type downstream interface {
	// head begins the answer. The fields of a are passed on but for hop-by-hop ones. What is written may be held back
	// until flush or finish.
	head(a *answer) error
	// body adds payload, which is used until body returns.
	body(p []byte) error
	// flush sends what is held back.
	flush() error
	// finish ends the answer.
	finish() error
	// cut breaks the answer off, so that the client does not take it for whole.
	cut()
	// interim relays a 103.
	interim(r *http1.Response) error
	// proceed tells a client that waits for it to send its body.
	proceed() error
	// more returns the next piece of the request's body, valid until the next call; io.EOF after the last.
	more() ([]byte, error)
	// held reports whether the whole body has come, and none of it was given up.
	held() bool
	// rewind starts the body again. It reports false if what was read is not there any more.
	rewind() bool
	// prompt reports whether halt is done at once and more can go on afterwards.
	prompt() bool
	// halt ends a more in another goroutine, which was told to stop, and waits for that goroutine.
	halt(done <-chan struct{})
	// sink is the connection that answers go to unchanged, nil if there is none.
	sink() wire
	// gone looks whether the client has left, without waiting.
	gone() bool
	// pause waits, and reports false if the client left meanwhile.
	pause(d time.Duration) bool
	// handle runs a handler as the target.
	handle(h http.Handler)
	http() *http.Request
	proto() string
	// context ends when the client is known to have left, or the door closes.
	context() context.Context
	// old reports an HTTP/1.0 client.
	old() bool
}

// answer is the head of a final answer.
type answer struct {
	status  int
	fields  []http1.Field // of the peer's answer
	framing http1.Framing // None, Length, or Chunked for a length that is not known
	length  int64         // -1 if none is to be told
	close   bool          // the client should not use its connection again
	own     bool          // made here: fields is empty
	retry   time.Duration // Retry-After of an own answer, 0 for none
}

// errGone says that the client has left.
var errGone = errors.New("proxy: client went away")

// bodyError is what is wrong with a request's body.
type bodyError struct {
	status int
	reason string // for the log
}

func (e *bodyError) Error() string { return "proxy: request body: " + e.reason }

var (
	errBodySlow  = &bodyError{408, "body_timeout"}
	errBodyLarge = &bodyError{413, "limit"}
	errBodyBad   = &bodyError{400, "body"}
)

// exchanges holds exchanges between requests. Their buffers are the memory of requests in flight.
var exchanges = sync.Pool{New: func() any {
	ex := &exchange{
		in:  make([]byte, bufSize),
		up:  make([]byte, bufSize),
		out: make([]byte, 0, bufSize+1024),
	}
	ex.view.ex, ex.door.ex, ex.line.ex = ex, ex, ex
	ex.shard = nextShard.Add(1) % shards
	return ex
}}

// nextShard spreads exchanges over the shards of counters.
var nextShard atomic.Uint32

// acquire takes an exchange for a request of p.
func (p *Proxy) acquire() *exchange {
	ex := exchanges.Get().(*exchange)
	ex.proxy = p
	return ex
}

// release gives an exchange back. Nothing may refer to its buffers any more.
func (ex *exchange) release() {
	ex.reset()
	ex.proxy, ex.pol, ex.down, ex.ident = nil, nil, nil, nil
	ex.door.release()
	ex.line.release()
	if len(ex.in) > bufSize {
		ex.in = make([]byte, bufSize)
	}
	if len(ex.up) > bufSize {
		ex.up = make([]byte, bufSize)
	}
	exchanges.Put(ex)
}

// now reads the clock.
func (ex *exchange) now() int64 {
	ex.lately = ex.proxy.clk.now()
	return ex.lately
}

// rescue lets go of what a panic has left: gates, the attempt in hand, its connection and its pump.
func (ex *exchange) rescue() {
	ex.settle()
	if ex.peer != nil {
		ex.peer.close()
	}
	ex.lease.Done(ex.now()+ex.ahead(), upstream.Pass)
	ex.leave()
}

// ahead is the difference between the clocks of the pool and the proxy.
func (ex *exchange) ahead() int64 {
	if ex.route == nil {
		return 0
	}
	return ex.route.ahead
}

// reset makes the exchange ready for the next request of the same client.
func (ex *exchange) reset() {
	ex.req.Reset()
	ex.resp.Reset()
	ex.pick.Reset()
	ex.route, ex.lease, ex.peer, ex.pump = nil, upstream.Lease{}, nil, nil
	ex.upR, ex.upW, ex.filled = 0, 0, false
	ex.shrink()
	ex.out = ex.out[:0]
	ex.first, ex.committed, ex.status, ex.sent, ex.received = 0, false, 0, 0, 0
	ex.reason, ex.group = "", ""
	clear(ex.attempts)
	ex.attempts = ex.attempts[:0]
}

// run takes the request in ex.req, whose head has come, through the policy. Afterwards the answer is given, or cut.
func (ex *exchange) run() {
	ex.proxy.stats.add(ex, statRequests)
	ex.decide()
	ex.settle()
	ex.end()
}

func (ex *exchange) decide() {
	pol := ex.pol
	if max := pol.maxBody; max > 0 && ex.req.Length > max {
		ex.refuse(413, "limit", 0)
		return
	}
	route, ok := pol.routes.match(ex.req.Path, ex.up)
	if route == nil {
		if ok {
			ex.refuse(404, "no_route", 0)
		} else {
			ex.refuse(400, "bad_request", 0)
		}
		return
	}
	ex.route = route
	if len(pol.gates) > 0 && !ex.enter(pol.gates) || len(route.gates) > 0 && !ex.enter(route.gates) {
		return
	}
	if route.handler != nil {
		ex.down.handle(route.handler)
		return
	}
	ex.forward()
}

// end leaves the gates, counts and logs.
func (ex *exchange) end() {
	if len(ex.passed) > 0 {
		ex.leave()
	}
	st := &ex.proxy.stats
	st.answered(ex, ex.status)
	st.addN(ex, statBytesIn, ex.received)
	st.addN(ex, statBytesOut, ex.sent)
	if ex.pol.accessLog != nil {
		ex.log(ex.now())
		ex.record = Record{}
	}
}
