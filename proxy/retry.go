package proxy

import (
	"errors"

	"github.com/mainstay-ha/mainstay/internal/scarce"
	"github.com/mainstay-ha/mainstay/upstream"
)

// Condition is a kind of trouble on which a request is sent to the next peer; see [WithNextUpstream].
type Condition uint

// The conditions, named as in nginx's proxy_next_upstream.
const (
	// NextError (error): the connection broke before the answer's head was there.
	NextError Condition = 1 << iota
	// NextTimeout (timeout): the peer did not take the request or did not answer in time.
	NextTimeout
	// NextInvalidHeader (invalid_header): the answer was empty or not HTTP/1.1.
	NextInvalidHeader
	// NextNonIdempotent (non_idempotent): the other conditions apply to methods that must not be repeated too, once
	// a request of theirs was sent.
	NextNonIdempotent

	allConditions = NextError | NextTimeout | NextInvalidHeader | NextNonIdempotent
)

// cause says how an attempt ended without an answer.
type cause uint8

const (
	fine      cause = iota // the answer was relayed, or broken off after it had begun
	noConnect              // no connection
	noTime                 // no connection in time
	local                  // no connection for want of something on this host
	stale                  // a kept connection was closed
	broken                 // the connection broke
	late                   // the peer took too long
	garbled                // what came is not an answer
	left                   // the client went away
	badBody                // the client's body
)

// trouble is a cause with its circumstances.
type trouble struct {
	cause cause
	err   error
	sent  bool // the peer may have seen some of the request
}

// outcome is what the peer's passive health is told.
func (t trouble) outcome() upstream.Outcome {
	switch t.cause {
	case fine:
		return upstream.Success
	case stale:
		return upstream.Free
	case left, badBody, local:
		return upstream.Pass
	}
	return upstream.Failure
}

// answer is the status and the reason of the answer if nobody else is asked.
func (t trouble) answer() (status int, reason string) {
	switch t.cause {
	case noConnect:
		return 502, "connect"
	case noTime, late:
		return 504, "timeout"
	case local:
		return 503, "local"
	case garbled:
		return 502, "invalid_answer"
	}
	return 502, "reset"
}

// idempotent reports whether a request may be sent twice (RFC 9110 section 9.2.2).
func idempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// again reports whether to ask the next peer. If so, the body is back at its start.
func (ex *exchange) again(t trouble, now int64) bool {
	pol := ex.pol
	switch t.cause {
	case noConnect, noTime:
	case local: // another peer may have a kept connection, and ports run out for one peer at a time
	case stale, broken:
		if pol.next&NextError == 0 {
			return false
		}
	case late:
		if pol.next&NextTimeout == 0 {
			return false
		}
	case garbled:
		if pol.next&NextInvalidHeader == 0 {
			return false
		}
	default:
		return false
	}
	switch {
	case t.sent && !ex.pick.Safe && pol.next&NextNonIdempotent == 0:
	case pol.tries > 0 && ex.pick.Tries() >= pol.tries:
	case pol.nextTimeout > 0 && now-ex.first >= int64(pol.nextTimeout):
	default:
		return ex.unsend()
	}
	return false
}

// dialTrouble finds the cause of a failed dial. What this host lacks is not the peer's fault.
func dialTrouble(err error) trouble {
	t := trouble{cause: noConnect, err: err}
	var timeout interface{ Timeout() bool }
	switch {
	case scarce.Is(err):
		t.cause = local
	case errors.As(err, &timeout) && timeout.Timeout():
		t.cause = noTime
	}
	return t
}
