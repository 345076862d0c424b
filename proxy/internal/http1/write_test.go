package http1

import (
	"testing"
	"time"
)

func TestAppend(t *testing.T) {
	at := time.Date(1994, 11, 6, 9, 49, 37, 0, time.FixedZone("CET", 3600))
	for _, c := range []struct{ name, got, want string }{
		{"request line", string(AppendRequestLine([]byte("x"), []byte("GET"), []byte("/a?b"))), "xGET /a?b HTTP/1.1\r\n"},
		{"status line", string(AppendStatusLine(nil, 200)), "HTTP/1.1 200 OK\r\n"},
		{"status line, last", string(AppendStatusLine(nil, 599)), "HTTP/1.1 599 \r\n"},
		{"status line, unknown", string(AppendStatusLine(nil, 299)), "HTTP/1.1 299 \r\n"},
		{"status line, out of range", string(AppendStatusLine(nil, 1000)), "HTTP/1.1 500 Internal Server Error\r\n"},
		{"status line, negative", string(AppendStatusLine(nil, -1)), "HTTP/1.1 500 Internal Server Error\r\n"},
		{"status text", StatusText(404), "Not Found"},
		{"status text, unknown", StatusText(299), ""},
		{"field", string(AppendField(nil, "A", "b")), "A: b\r\n"},
		{"field of bytes", string(AppendField(nil, "A", []byte("b"))), "A: b\r\n"},
		{"length", string(AppendContentLength(nil, 1<<40)), "Content-Length: 1099511627776\r\n"},
		{"chunk", string(AppendChunk(nil, []byte("0123456789"))), "a\r\n0123456789\r\n"},
		{"chunk, empty", string(AppendChunk([]byte("x"), nil)), "x"},
		{"chunk head", string(AppendChunkHead(nil, 65536)), "10000\r\n"},
		{"last chunk", string(AppendLastChunk(nil)), "0\r\n\r\n"},
		{"date", string(AppendDate(nil, at)), "Sun, 06 Nov 1994 08:49:37 GMT"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestAppendFields(t *testing.T) {
	raw := "GET / HTTP/1.1\r\nHost: a.example\r\nA: a\r\nB: b\r\nConnection: c\r\nC: c\r\nD:d\r\nE: e\r\nCookie: f\r\nG: \r\nH:  h\r\nI: i\r\n\r\n"
	var r Request
	if _, err := r.Parse([]byte(raw), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		fields []Field
		skip   Set
		want   string
	}{
		{"all", r.Fields, 0, "Host: a.example\r\nA: a\r\nB: b\r\nD: d\r\nE: e\r\nCookie: f\r\nG: \r\nH: h\r\nI: i\r\n"},
		{"some", r.Fields, SetOf(Host, Cookie), "A: a\r\nB: b\r\nD: d\r\nE: e\r\nG: \r\nH: h\r\nI: i\r\n"},
		{"part", r.Fields[2:5], 0, "B: b\r\n"},
		{"none", nil, 0, ""},
	} {
		if got := string(AppendFields([]byte("x"), c.fields, c.skip)); got != "x"+c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDateCache(t *testing.T) {
	var c DateCache
	t0 := time.Date(2025, 2, 28, 23, 59, 59, 0, time.UTC)
	for _, d := range []time.Duration{0, 999 * time.Millisecond, time.Second, -time.Hour, 0, 24 * time.Hour} {
		now := t0.Add(d)
		if got, want := string(c.Append(nil, now)), string(AppendDate(nil, now)); got != want {
			t.Errorf("at %v: %q, want %q", d, got, want)
		}
	}
}
