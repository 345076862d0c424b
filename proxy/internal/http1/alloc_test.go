package http1

import (
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// none runs op a thousand times over and fails if anything was allocated.
func none(t *testing.T, name string, op func()) {
	t.Helper()
	if got := testing.AllocsPerRun(10, func() {
		for range 1000 {
			op()
		}
	}); got != 0 {
		t.Errorf("%s: %v allocations in 1000 operations, want 0", name, got)
	}
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	get, ok := []byte(plainGET), []byte(plainOK)
	many := []byte("POST http://a.example/a?b%41 HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, x-a, x-b\r\nConnection: y\r\n" +
		"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n" + strings.Repeat("X-A: x\r\n", 60) + "\r\n")
	bad := []byte("GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: x\r\n\r\n")
	chunked := []byte("5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n")
	now := time.Unix(784111777, 0)
	dst := make([]byte, 0, 8192)
	var (
		r Request
		a Response
		d Body
		c DateCache
	)
	none(t, "request", func() { _, _ = r.Parse(get, nil) })
	none(t, "large request", func() { _, _ = r.Parse(many, nil) })
	none(t, "refused request", func() { _, _ = r.Parse(bad, nil) })
	none(t, "slow request", func() { _, _ = r.Parse(get[:100], nil); _, _ = r.Parse(get, nil) })
	none(t, "response", func() { _, _ = a.Parse(ok, false, nil) })
	none(t, "body", func() {
		d.Reset(Chunked, 0)
		for b := chunked; !d.Done(); {
			_, n, _ := d.Next(b)
			b = b[n:]
		}
	})
	none(t, "writing", func() {
		dst = AppendRequestLine(dst[:0], r.Method, r.Target)
		dst = AppendFields(dst, r.Fields, SetOf(Host))
		dst = AppendField(dst, "Host", "a.example")
		dst = AppendContentLength(dst, 1<<40)
		dst = AppendStatusLine(dst, 200)
		dst = c.Append(dst, now)
		dst = AppendLastChunk(AppendChunk(dst, ok))
	})
	none(t, "validation", func() {
		if !ValidMethod(r.Method) || !ValidTarget(r.Target) || !ValidHost(r.Host) || !ValidFieldName("X") || !ValidFieldValue("y") {
			t.Fatal("not valid")
		}
	})
}
