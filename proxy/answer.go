package proxy

import (
	"strconv"
	"time"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1"
)

// refuse answers for the proxy itself.
func (ex *exchange) refuse(status int, reason string, retry time.Duration) {
	ex.reason = reason
	ex.status, ex.committed = status, true
	ex.proxy.stats.add(ex, statOwn)
	text := ownBodies[max(status, 400)%200]
	a := &ex.answer
	*a = answer{status: status, framing: http1.Length, length: int64(len(text)), own: true, retry: retry}
	if string(ex.req.Method) == "HEAD" {
		a.framing = http1.None
	}
	err := ex.down.head(a)
	if err == nil && a.framing == http1.Length {
		ex.sent += int64(len(text))
		err = ex.down.body(text)
	}
	if err == nil {
		err = ex.down.finish()
	}
	if err != nil {
		ex.gone()
		ex.down.cut()
	}
}

// ownBodies are the bodies of own answers with status 400 to 599, at status modulo 200.
var ownBodies = func() (t [200][]byte) {
	for status := 400; status < 600; status++ {
		text := http1.StatusText(status)
		if text == "" {
			text = "Refused"
		}
		t[status%200] = []byte(strconv.Itoa(status) + " " + text + "\n")
	}
	return t
}()

// ownType is the media type of own bodies.
const ownType = "text/plain; charset=utf-8"

// seconds is a duration for Retry-After: rounded up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
