package http1

import "io"

// A Body decodes the body of one message. It keeps no bytes: whatever Next was given is consumed, also in the
// middle of a chunk line or a trailer, so any split of the input gives the same payload. Chunk extensions and
// trailers are checked, bounded and dropped. The zero value is a body that is not there.
type Body struct {
	framing Framing
	done    bool
	place   place
	digits  uint8  // of the chunk size
	line    uint16 // bytes of the extensions of this chunk
	fields  uint16 // trailer fields
	trailer uint16 // bytes of the trailer section
	excess  int32
	left    int64 // payload bytes to come: of the body, or of the chunk
	err     *Error
}

// Reset starts the body of a message with the given framing; n is the length for [Length] and ignored otherwise.
func (d *Body) Reset(f Framing, n int64) {
	*d = Body{framing: f}
	switch f {
	case None:
		d.done = true
	case Length:
		d.left = max(n, 0)
		d.done = n <= 0
	}
}

// Next decodes from b. It returns a piece of payload that aliases b and the number of bytes consumed, framing
// included. Without payload, either the body is complete ([Body.Done]) and err is nil, or err is [ErrIncomplete]
// and all of b was consumed, or err is an [*Error] and the connection has to be closed.
// Bytes after the end of the body are not consumed. A [Chunked] body is known to be complete only when Next has
// seen its end, so a caller goes on after the last piece of payload.
func (d *Body) Next(b []byte) (data []byte, n int, err error) {
	if d.done {
		return nil, 0, nil
	}
	if d.framing == Chunked {
		return d.chunked(b)
	}
	if len(b) == 0 {
		return nil, 0, ErrIncomplete
	}
	if d.framing == UntilClose {
		return b, len(b), nil
	}
	if int64(len(b)) > d.left {
		b = b[:d.left]
	}
	d.left -= int64(len(b))
	d.done = d.left == 0
	return b, len(b), nil
}

// Done reports whether the body is complete.
func (d *Body) Done() bool { return d.done || d.framing == None }

// Left returns how many payload bytes follow for certain: of a [Length] body all, of a [Chunked] body those of the
// current chunk, 0 of others. A caller that moves them itself (splice) says so with [Body.Skip].
func (d *Body) Left() int64 {
	if d.framing == Length || d.framing == Chunked && d.place == inData {
		return d.left
	}
	return 0
}

// Skip records that n payload bytes, at most [Body.Left], were moved past the decoder.
func (d *Body) Skip(n int64) {
	d.left -= n
	if d.left == 0 {
		d.done = d.framing == Length
		d.place = atDataCR
	}
}

// EOF says what the end of the connection means now: nil if the body is complete by it, else [io.ErrUnexpectedEOF].
func (d *Body) EOF() error {
	if d.framing == UntilClose {
		d.done = true
	}
	if d.Done() {
		return nil
	}
	return io.ErrUnexpectedEOF
}
