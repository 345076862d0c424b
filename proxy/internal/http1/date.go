package http1

import (
	"sync/atomic"
	"time"
)

const dateLayout = "Mon, 02 Jan 2006 15:04:05 GMT"

// AppendDate appends t as an HTTP date (RFC 9110 section 5.6.7), 29 bytes.
func AppendDate(dst []byte, t time.Time) []byte { return t.UTC().AppendFormat(dst, dateLayout) }

// A DateCache renders the Date of answers once a second. The zero value is ready and safe for concurrent use.
type DateCache struct {
	last atomic.Pointer[rendered]
}

// rendered is one second in both forms.
type rendered struct {
	second int64
	text   [len(dateLayout)]byte
}

// Append appends t as [AppendDate] does, and allocates only when the second differs from that of the last call.
func (c *DateCache) Append(dst []byte, t time.Time) []byte {
	second := t.Unix()
	r := c.last.Load()
	if r == nil || r.second != second {
		r = &rendered{second: second}
		AppendDate(r.text[:0], t)
		c.last.Store(r)
	}
	return append(dst, r.text[:]...)
}
