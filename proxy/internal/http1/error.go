package http1

import "errors"

// ErrIncomplete says that the bytes given so far are fine and that more are needed.
var ErrIncomplete = errors.New("http1: incomplete message")

// An Error is the refusal of a message. All values are static: compare by pointer or by Status, do not change them.
type Error struct {
	Status int    // the status to answer a request with: 400, 414, 417, 431, 501, 505; 502 for a response
	Reason string // what was wrong, for the log; never text from the peer
}

// Error implements error.
func (e *Error) Error() string { return "http1: " + e.Reason }

// Limits bounds a message head. A field of zero means its default.
type Limits struct {
	Head   int // bytes of the whole head with its blank line; default 32 KiB; beyond it: 431
	Fields int // header fields; default 100; beyond it: 431
	Target int // bytes of the request target; default 8 KiB; beyond it: 414
}

// Defaults of [Limits].
const (
	DefaultHead   = 32 << 10
	DefaultFields = 100
	DefaultTarget = 8 << 10
)

// Framing says how the body of a message is delimited.
type Framing uint8

// The ways to delimit a body (RFC 9112 section 6.3).
const (
	None       Framing = iota // no body
	Length                    // Content-Length bytes
	Chunked                   // chunked transfer coding
	UntilClose                // responses only: everything until the connection ends
)

// values returns the limits with defaults filled in.
func (l *Limits) values() (head, fields, target int) {
	if l != nil {
		head, fields, target = l.Head, l.Fields, l.Target
	}
	if head <= 0 {
		head = DefaultHead
	}
	if fields <= 0 {
		fields = DefaultFields
	}
	if target <= 0 {
		target = DefaultTarget
	}
	return head, min(fields, 1<<16-1), target
}
