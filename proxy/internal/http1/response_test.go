package http1

import (
	"errors"
	"fmt"
	"testing"
)

func (r *Response) describe() string {
	s := fmt.Sprintf("%d %q 1.%d", r.Status, r.Reason, r.Minor)
	switch r.Framing {
	case Length:
		s += " framed"
	case Chunked:
		s += " chunked"
	case UntilClose:
		s += " close-delimited"
	}
	if r.Length >= 0 {
		s += fmt.Sprintf(" length=%d", r.Length)
	}
	if r.KeepAlive {
		s += " keep"
	}
	if r.Interim() {
		s += " interim"
	}
	if r.Upgrade != nil {
		s += fmt.Sprintf(" upgrade=%s", r.Upgrade)
	}
	return s
}

func TestResponse(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		head      bool
		want      string
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, `200 "OK" 1.1 framed length=5 keep`},
		{"length zero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, `200 "OK" 1.1 framed length=0 keep`},
		{"chunked", "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: CHUNKED\r\n\r\n", false, `404 "Not Found" 1.1 chunked keep`},
		{"until close", "HTTP/1.1 200 OK\r\n\r\n", false, `200 "OK" 1.1 close-delimited`},
		{"until close says keep-alive", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", false, `200 "OK" 1.1 close-delimited`},
		{"close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", false, `200 "OK" 1.1 framed length=5`},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, `200 "OK" 1.0 framed length=5`},
		{"HTTP/1.0 keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", false, `200 "OK" 1.0 framed length=5 keep`},
		{"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, `200 "" 1.1 framed length=0 keep`},
		{"no reason and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, `200 "" 1.1 framed length=0 keep`},
		{"reason of many words", "HTTP/1.1 599 a\tb \xe9\r\nContent-Length: 0\r\n\r\n", false, `599 "a\tb \xe9" 1.1 framed length=0 keep`},
		{"HEAD with length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, `200 "OK" 1.1 length=5 keep`},
		{"HEAD with coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, `200 "OK" 1.1 keep`},
		{"HEAD with neither", "HTTP/1.1 200 OK\r\n\r\n", true, `200 "OK" 1.1 keep`},
		{"304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, `304 "Not Modified" 1.1 length=5 keep`},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", false, `204 "No Content" 1.1 keep`},
		{"204 with length zero", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false, `204 "No Content" 1.1 length=0 keep`},
		{"204 with length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, `204 "No Content" 1.1 length=5`},
		{"204 with coding", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false, `204 "No Content" 1.1`},
		{"205", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", false, `205 "Reset Content" 1.1 framed length=0 keep`},
		{"100", "HTTP/1.1 100 Continue\r\n\r\n", false, `100 "Continue" 1.1 keep interim`},
		{"103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", false, `103 "Early Hints" 1.1 keep interim`},
		{"101", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false, `101 "Switching Protocols" 1.1 keep upgrade=websocket`},
		{"101 without Connection", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", false, `101 "Switching Protocols" 1.1 keep`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Response
			n, err := r.Parse([]byte(c.raw+"HTTP/1.1 500 next"), c.head, nil)
			if n != len(c.raw) || err != nil {
				t.Fatalf("Parse = %d, %v, want %d", n, err, len(c.raw))
			}
			if got := r.describe(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for have := range len(c.raw) {
				if n, err := r.Parse([]byte(c.raw[:have]), c.head, nil); n != 0 || !errors.Is(err, ErrIncomplete) {
					t.Fatalf("Parse of %d bytes = %d, %v, want incomplete", have, n, err)
				}
			}
			if n, err := r.Parse([]byte(c.raw), c.head, nil); n != len(c.raw) || err != nil {
				t.Fatalf("Parse in steps = %d, %v, want %d", n, err, len(c.raw))
			}
			if got := r.describe(); got != c.want {
				t.Errorf("in steps: got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestResponseHopByHop(t *testing.T) {
	raw := "HTTP/1.1 200 OK\r\nConnection: x-one, set-cookie, date\r\nX-One: a\r\nSet-Cookie: a\r\nDate: a\r\nKeep-Alive: a\r\nTrailer: a\r\nContent-Length: 0\r\n\r\n"
	var r Response
	if _, err := r.Parse([]byte(raw), false, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := namesOf(r.Fields), "(Connection) (X-One) Set-Cookie Date (Keep-Alive) (Trailer) Content-Length"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if f := r.Field(SetCookie); f == nil || string(f.Value) != "a" {
		t.Errorf("Field(SetCookie) = %v", f)
	}
	if v, ok := r.Lookup("x-ONE"); !ok || string(v) != "a" {
		t.Errorf("Lookup = %q, %v", v, ok)
	}
	r.Reset()
	if got, want := r.describe(), `0 "" 1.0 interim`; got != want || len(r.Fields) != 0 {
		t.Errorf("after Reset: %s, %d fields", got, len(r.Fields))
	}
}

func TestResponseLimits(t *testing.T) {
	lim := &Limits{Head: 40, Fields: 1}
	for _, c := range []struct {
		name, raw string
		ok        bool
	}{
		{"as large as allowed", "HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaa\r\n\r\n", true},
		{"too large", "HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaa\r\n\r\n", false},
		{"too large, not whole", "HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"too many fields", "HTTP/1.1 200 OK\r\nA: a\r\nB: b\r\n\r\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Response
			_, err := r.Parse([]byte(c.raw), false, lim)
			var refused *Error
			if c.ok && err != nil || !c.ok && (!errors.As(err, &refused) || refused.Status != 502) {
				t.Errorf("Parse = %v", err)
			}
		})
	}
}
