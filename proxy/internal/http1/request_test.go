package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// describe prints what a parsed request says, but for its fields.
func (r *Request) describe() string {
	s := fmt.Sprintf("%s %s path=%s", r.Method, r.Target, r.Path)
	if r.Query != nil {
		s += fmt.Sprintf(" query=%s", r.Query)
	}
	s += fmt.Sprintf(" host=%s 1.%d", r.Host, r.Minor)
	switch r.Framing {
	case Length:
		s += fmt.Sprintf(" length=%d", r.Length)
	case Chunked:
		s += " chunked"
	}
	if r.KeepAlive {
		s += " keep"
	}
	if r.Expect {
		s += " expect"
	}
	if r.Upgrade != nil {
		s += fmt.Sprintf(" upgrade=%s", r.Upgrade)
	}
	if r.Absolute {
		s += " absolute"
	}
	return s
}

// names lists the fields: those that are hop-by-hop in parentheses.
func namesOf(fields []Field) string {
	var list []string
	for _, f := range fields {
		if f.Hop {
			list = append(list, "("+string(f.Name)+")")
		} else {
			list = append(list, string(f.Name))
		}
	}
	return strings.Join(list, " ")
}

func TestRequest(t *testing.T) {
	const h = "Host: a.example\r\n"
	for _, c := range []struct{ name, raw, want string }{
		{"plain", "GET / HTTP/1.1\r\n" + h + "\r\n", "GET / path=/ host=a.example 1.1 keep"},
		{"query", "GET /a/b?c=d&e HTTP/1.1\r\n" + h + "\r\n", "GET /a/b?c=d&e path=/a/b query=c=d&e host=a.example 1.1 keep"},
		{"empty query", "GET /a? HTTP/1.1\r\n" + h + "\r\n", "GET /a? path=/a query= host=a.example 1.1 keep"},
		{"two question marks", "GET /a?b?c HTTP/1.1\r\n" + h + "\r\n", "GET /a?b?c path=/a query=b?c host=a.example 1.1 keep"},
		{"percent", "GET /%2e%2E/%c3%A9?%00 HTTP/1.1\r\n" + h + "\r\n", "GET /%2e%2E/%c3%A9?%00 path=/%2e%2E/%c3%A9 query=%00 host=a.example 1.1 keep"},
		{"what browsers leave as it is", "GET /a|b^{}[]`\"<>?\\|^{}`' HTTP/1.1\r\n" + h + "\r\n", "GET /a|b^{}[]`\"<>?\\|^{}`' path=/a|b^{}[]`\"<> query=\\|^{}`' host=a.example 1.1 keep"},
		{"two slashes", "GET //b.example/ HTTP/1.1\r\n" + h + "\r\n", "GET //b.example/ path=//b.example/ host=a.example 1.1 keep"},
		{"one empty line first", "\r\nGET / HTTP/1.1\r\n" + h + "\r\n", "GET / path=/ host=a.example 1.1 keep"},
		{"method of 32 bytes", strings.Repeat("M", 32) + " / HTTP/1.1\r\n" + h + "\r\n", strings.Repeat("M", 32) + " / path=/ host=a.example 1.1 keep"},
		{"method in lower case is another method", "get / HTTP/1.1\r\n" + h + "\r\n", "get / path=/ host=a.example 1.1 keep"},

		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / path=/ host= 1.0"},
		{"HTTP/1.0 with host", "GET / HTTP/1.0\r\n" + h + "\r\n", "GET / path=/ host=a.example 1.0"},
		{"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / path=/ host= 1.0 keep"},
		{"HTTP/1.0 keep-alive and close", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / path=/ host= 1.0"},
		{"HTTP/1.0 absolute-form", "GET http://a.example/x HTTP/1.0\r\n\r\n", "GET /x path=/x host=a.example 1.0 absolute"},
		{"close", "GET / HTTP/1.1\r\n" + h + "Connection: close\r\n\r\n", "GET / path=/ host=a.example 1.1"},
		{"close among others", "GET / HTTP/1.1\r\n" + h + "Connection: ,x ,\tClose\r\nConnection: y\r\n\r\n", "GET / path=/ host=a.example 1.1"},
		{"Proxy-Connection means nothing", "GET / HTTP/1.1\r\n" + h + "Proxy-Connection: close\r\n\r\n", "GET / path=/ host=a.example 1.1 keep"},

		{"absolute-form", "GET http://A.example/x?y HTTP/1.1\r\n" + h + "\r\n", "GET /x?y path=/x query=y host=a.example 1.1 keep absolute"},
		{"absolute-form in capitals", "GET HTTPS://a.example HTTP/1.1\r\n" + h + "\r\n", "GET / path=/ host=a.example 1.1 keep absolute"},
		{"absolute-form of OPTIONS", "OPTIONS http://a.example HTTP/1.1\r\n" + h + "\r\n", "OPTIONS * path=* host=a.example 1.1 keep absolute"},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + h + "\r\n", "OPTIONS * path=* host=a.example 1.1 keep"},

		{"length", "POST / HTTP/1.1\r\n" + h + "Content-Length: 5\r\n\r\n", "POST / path=/ host=a.example 1.1 length=5 keep"},
		{"length zero", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0\r\n\r\n", "POST / path=/ host=a.example 1.1 length=0 keep"},
		{"length with zeros", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0000000000000000005\r\n\r\n", "POST / path=/ host=a.example 1.1 length=5 keep"},
		{"length 2^63-1", "POST / HTTP/1.1\r\n" + h + "CONTENT-LENGTH:\t9223372036854775807 \r\n\r\n", "POST / path=/ host=a.example 1.1 length=9223372036854775807 keep"},
		{"length on GET", "GET / HTTP/1.1\r\n" + h + "Content-Length: 5\r\n\r\n", "GET / path=/ host=a.example 1.1 length=5 keep"},
		{"chunked", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding:  Chunked\t\r\n\r\n", "POST / path=/ host=a.example 1.1 chunked keep"},
		{"chunked on DELETE", "DELETE / HTTP/1.1\r\n" + h + "transfer-encoding: chunked\r\n\r\n", "DELETE / path=/ host=a.example 1.1 chunked keep"},

		{"expect", "POST / HTTP/1.1\r\n" + h + "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n", "POST / path=/ host=a.example 1.1 length=5 keep expect"},
		{"expect chunked", "POST / HTTP/1.1\r\n" + h + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / path=/ host=a.example 1.1 chunked keep expect"},
		{"expect without body", "POST / HTTP/1.1\r\n" + h + "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", "POST / path=/ host=a.example 1.1 length=0 keep"},
		{"expect in HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "POST / path=/ host= 1.0 length=5"},

		{"upgrade", "GET / HTTP/1.1\r\n" + h + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / path=/ host=a.example 1.1 keep upgrade=websocket"},
		{"upgrade with version", "GET / HTTP/1.1\r\n" + h + "Connection: upgrade\r\nUpgrade: irc/6.9\r\n\r\n", "GET / path=/ host=a.example 1.1 keep upgrade=irc/6.9"},
		{"upgrade not in Connection", "GET / HTTP/1.1\r\n" + h + "Upgrade: websocket\r\n\r\n", "GET / path=/ host=a.example 1.1 keep"},
		{"upgrade in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / path=/ host= 1.0"},
		{"upgrade with body", "GET / HTTP/1.1\r\n" + h + "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n", "GET / path=/ host=a.example 1.1 length=5 keep"},
		{"upgrade list", "GET / HTTP/1.1\r\n" + h + "Connection: upgrade\r\nUpgrade: a, b\r\n\r\n", "GET / path=/ host=a.example 1.1 keep"},
		{"upgrade twice", "GET / HTTP/1.1\r\n" + h + "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", "GET / path=/ host=a.example 1.1 keep"},
		{"upgrade h2c", "GET / HTTP/1.1\r\n" + h + "Connection: upgrade, http2-settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAA\r\n\r\n", "GET / path=/ host=a.example 1.1 keep"},

		{"host with port", "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", "GET / path=/ host=a.example:8080 1.1 keep"},
		{"host IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "GET / path=/ host=[2001:db8::1]:80 1.1 keep"},
		{"host with blanks around", "GET / HTTP/1.1\r\nHost:\t a.example \t\r\n\r\n", "GET / path=/ host=a.example 1.1 keep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			r.Reset()
			raw := []byte(c.raw + "GET /next HTTP/1.1\r\n")
			n, err := r.Parse(raw, nil)
			if n != len(c.raw) || err != nil {
				t.Fatalf("Parse = %d, %v, want %d", n, err, len(c.raw))
			}
			if got := r.describe(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for have := range len(c.raw) { // byte by byte, every time at another address
				b := []byte(c.raw[:have])
				if n, err := r.Parse(b, nil); n != 0 || !errors.Is(err, ErrIncomplete) {
					t.Fatalf("Parse of %d bytes = %d, %v, want incomplete", have, n, err)
				}
			}
			if n, err := r.Parse([]byte(c.raw), nil); n != len(c.raw) || err != nil {
				t.Fatalf("Parse in steps = %d, %v, want %d", n, err, len(c.raw))
			}
			if got := r.describe(); got != c.want {
				t.Errorf("in steps: got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRFC9110_7_6_1_HopByHop(t *testing.T) {
	for _, c := range []struct{ name, fields, want string }{
		{"always", "Connection: keep-alive\r\nKeep-Alive: a\r\nProxy-Connection: a\r\nTE: trailers\r\nTrailer: a\r\nTransfer-Encoding: chunked\r\nUpgrade: a\r\nProxy-Authorization: a\r\nProxy-Authenticate: a\r\nProxy-Authentication-Info: a\r\nHTTP2-Settings: a\r\nX: y\r\n",
			"Host (Connection) (Keep-Alive) (Proxy-Connection) (TE) (Trailer) (Transfer-Encoding) (Upgrade) (Proxy-Authorization) (Proxy-Authenticate) (Proxy-Authentication-Info) (HTTP2-Settings) X"},
		{"named", "X-One: a\r\nConnection: close, x-one,X-TWO\r\nX-Two: a\r\nX-One: b\r\nX-Three: a\r\n",
			"Host (X-One) (Connection) (X-Two) (X-One) X-Three"},
		{"named in two fields", "Connection: a\r\nA: a\r\nB: b\r\nConnection: b\r\n", "Host (Connection) (A) (B) (Connection)"},
		{"end-to-end fields stay", "Connection: host, content-length, authorization, cookie, set-cookie, cache-control, x-forwarded-for, x-forwarded-anything, x-real-ip, forwarded, via, date, server, cache-x, content-x\r\nContent-Length: 0\r\nAuthorization: a\r\nCookie: a\r\nSet-Cookie: a\r\nCache-Control: a\r\nX-Forwarded-For: a\r\nX-Forwarded-Anything: a\r\nX-Real-IP: a\r\nForwarded: a\r\nVia: a\r\nDate: a\r\nServer: a\r\nCache-X: a\r\nContent-X: a\r\n",
			"Host (Connection) Content-Length Authorization Cookie Set-Cookie Cache-Control X-Forwarded-For X-Forwarded-Anything X-Real-IP Forwarded Via Date Server Cache-X Content-X"},
		{"case folds letters only", "Connection: a{b\r\nA[b: x\r\n", ""},
		{"case folds letters only, tokens", "Connection: a^b\r\nA~b: x\r\nA^B: x\r\n", "Host (Connection) A~b (A^B)"},
		{"as many names as allowed", "Connection: " + strings.Repeat("a,", 31) + "b\r\nA: x\r\nB: x\r\n", "Host (Connection) (A) (B)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := "GET / HTTP/1.1\r\nHost: a.example\r\n" + c.fields + "\r\n"
			if strings.Contains(raw, "chunked") {
				raw = strings.Replace(raw, "GET", "POST", 1)
			}
			var r Request
			_, err := r.Parse([]byte(raw), nil)
			if (err != nil) != (c.want == "") {
				t.Fatal(err)
			}
			if err == nil && namesOf(r.Fields) != c.want {
				t.Errorf("got  %s\nwant %s", namesOf(r.Fields), c.want)
			}
		})
	}
}

func TestRequestFields(t *testing.T) {
	raw := "GET / HTTP/1.1\r\nHost: a.example\r\nX:a\r\nY:  b\r\nZ: c \r\nx-empty:\r\nX-Blank: \r\nX-Tab: a\tb\r\nX-Latin: caf\xe9 \xff\r\nCOOKIE: a=b; c=d\r\n\r\n"
	var r Request
	if _, err := r.Parse([]byte(raw), nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Fields {
		got = append(got, fmt.Sprintf("%s|%s|%d|%v", f.Name, f.Value, f.ID, f.Plain))
	}
	want := []string{"Host|a.example|1|true", "X|a|0|false", "Y|b|0|false", "Z|c|0|false", "x-empty||0|false", "X-Blank||0|true",
		"X-Tab|a\tb|0|true", "X-Latin|caf\xe9 \xff|0|true", fmt.Sprintf("COOKIE|a=b; c=d|%d|true", Cookie)}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if f := r.Field(Cookie); f == nil || string(f.Value) != "a=b; c=d" {
		t.Errorf("Field(Cookie) = %v", f)
	}
	if f := r.Field(Date); f != nil {
		t.Errorf("Field(Date) = %v, want nil", f)
	}
	if v, ok := r.Lookup("X-TAB"); !ok || string(v) != "a\tb" {
		t.Errorf("Lookup(X-TAB) = %q, %v", v, ok)
	}
	if _, ok := r.Lookup("X-Ta"); ok {
		t.Error("Lookup(X-Ta) found something")
	}
}

func TestRequestLimits(t *testing.T) {
	const h = "Host: a.example\r\n"
	lim := &Limits{Head: 200, Fields: 3, Target: 50}
	pad := func(n int) string { return strings.Repeat("a", n) }
	whole := "GET / HTTP/1.1\r\n" + h + "X: \r\n\r\n"
	for _, c := range []struct {
		name, raw string
		status    int // 0 accepted, -1 incomplete
		slow      int // the same if the bytes come one by one: then only sizes are looked at before the head is whole
	}{
		{"target as long as allowed", "GET /" + pad(49) + " HTTP/1.1\r\n" + h + "\r\n", 0, 0},
		{"target too long", "GET /" + pad(50) + " HTTP/1.1\r\n" + h + "\r\n", 414, 414},
		{"target too long, not whole", "GET /" + pad(50), 414, -1},
		{"target longer than the head", "GET /" + pad(500), 414, 414},
		{"method too long for the head", pad(500), 501, 414},
		{"fields as many as allowed", "GET / HTTP/1.1\r\n" + h + "A: a\r\nB: b\r\n\r\n", 0, 0},
		{"too many fields", "GET / HTTP/1.1\r\n" + h + "A: a\r\nB: b\r\nC: c\r\n\r\n", 431, 431},
		{"too many fields, not whole", "GET / HTTP/1.1\r\n" + h + "A: a\r\nB: b\r\nC: c\r\n", 431, -1},
		{"head as large as allowed", strings.Replace(whole, "X: ", "X: "+pad(200-len(whole)), 1), 0, 0},
		{"head too large", strings.Replace(whole, "X: ", "X: "+pad(201-len(whole)), 1), 431, 431},
		{"head too large, not whole", "GET / HTTP/1.1\r\n" + h + "X: " + pad(200), 431, 431},
		{"head of the allowed size, not whole", ("GET / HTTP/1.1\r\n" + h + "X: " + pad(200))[:200], 431, 431},
		{"head below the allowed size, not whole", ("GET / HTTP/1.1\r\n" + h + "X: " + pad(200))[:199], -1, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			for step, want := range map[int]int{1: c.slow, len(c.raw): c.status} {
				var r Request
				var err error
				for have := 0; have < len(c.raw); {
					have = min(have+step, len(c.raw))
					if _, err = r.Parse([]byte(c.raw[:have]), lim); !errors.Is(err, ErrIncomplete) {
						break
					}
				}
				var refused *Error
				got := 0
				if errors.Is(err, ErrIncomplete) {
					got = -1
				} else if errors.As(err, &refused) {
					got = refused.Status
				}
				if got != want {
					t.Errorf("in steps of %d: %d (%v), want %d", step, got, err, want)
				}
			}
		})
	}
}

// A slow client must not make the parser look at the same bytes again and again.
func TestRequestIsNotScannedAgain(t *testing.T) {
	raw := []byte("GET / HTTP/1.1\r\nHost: a.example\r\nX: " + strings.Repeat("a", 1000) + "\r\n\r\n")
	var r Request
	for have := 1; have < len(raw); have++ {
		if _, err := r.Parse(raw[:have], nil); !errors.Is(err, ErrIncomplete) {
			t.Fatal(err)
		}
		if r.scan != have {
			t.Fatalf("after %d bytes the scan stands at %d", have, r.scan)
		}
		// What was looked at may be anything now: only its last two bytes are asked about again.
		if have > 2 {
			raw[have-3] = '\n'
		}
	}
}

func TestRequestReuse(t *testing.T) {
	var r Request
	many := "POST /a?b HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" + strings.Repeat("X: y\r\n", 40) + "\r\n"
	if _, err := r.Parse([]byte(many), nil); err != nil || len(r.Fields) != 44 {
		t.Fatalf("%v, %d fields, want 44", err, len(r.Fields))
	}
	if _, err := r.Parse([]byte("GET / HTTP/1.0\r\n\r\n"), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := r.describe(), "GET / path=/ host= 1.0"; got != want || len(r.Fields) != 0 {
		t.Errorf("got %s with %d fields, want %s with none", got, len(r.Fields), want)
	}
	if cap(r.Fields) < 44 {
		t.Error("the field table was not kept")
	}
	r.Reset()
	if r.Method != nil || r.Fields == nil || len(r.Fields) != 0 || r.Length != -1 {
		t.Errorf("after Reset: %s", r.describe())
	}
}

func TestPipelined(t *testing.T) {
	raw := []byte("GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.example\r\n\r\nGET /3")
	var r Request
	var got []string
	for {
		n, err := r.Parse(raw, nil)
		if err != nil {
			if !errors.Is(err, ErrIncomplete) {
				t.Fatal(err)
			}
			break
		}
		got = append(got, string(r.Target))
		raw = raw[n:]
	}
	if strings.Join(got, " ") != "/1 /2" || string(raw) != "GET /3" {
		t.Errorf("got %v and %q left", got, raw)
	}
}
