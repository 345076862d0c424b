package http1

import (
	"strings"
	"testing"
	"time"
)

const plainGET = "GET /index.html?id=42 HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Accept-Language: en-GB,en;q=0.5\r\n" +
	"Connection: keep-alive\r\n\r\n"

const plainOK = "HTTP/1.1 200 OK\r\n" +
	"Server: backend\r\n" +
	"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
	"Content-Type: text/plain\r\n" +
	"Content-Length: 128\r\n" +
	"Connection: keep-alive\r\n" +
	"ETag: \"66f2a1b3-80\"\r\n\r\n"

func BenchmarkRequest(b *testing.B) {
	raw := []byte(plainGET)
	var r Request
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Parse(raw, nil); n != len(raw) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	raw := []byte(plainOK)
	var r Response
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Parse(raw, false, nil); n != len(raw) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppendFields(b *testing.B) {
	var r Request
	if _, err := r.Parse([]byte(plainGET), nil); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFields(AppendRequestLine(dst[:0], r.Method, r.Target), r.Fields, SetOf(Expect, ContentLength))
	}
}

func BenchmarkStatusAndDate(b *testing.B) {
	var c DateCache
	now := time.Unix(784111777, 0)
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = c.Append(AppendStatusLine(dst[:0], 200), now)
	}
}

func BenchmarkBody(b *testing.B) {
	payload := strings.Repeat("x", 8192)
	var raw []byte
	for range 8 {
		raw = AppendChunk(raw, []byte(payload))
	}
	raw = AppendLastChunk(raw)
	var d Body
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(Chunked, 0)
		for in := raw; !d.Done(); {
			_, n, err := d.Next(in)
			if err != nil {
				b.Fatal(err)
			}
			in = in[n:]
		}
	}
}
