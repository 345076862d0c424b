package http1

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/mainstay-ha/mainstay/proxy/internal/http1/hostile"
)

// FuzzRequest holds three things: what is accepted, written again from its parts, is read as the same; the way it
// arrives makes no difference; and net/http accepts it too and sees the same method, target, host and framing.
func FuzzRequest(f *testing.F) {
	for _, c := range hostile.Requests {
		if len(c.Raw) < 4096 {
			f.Add([]byte(c.Raw), uint8(9))
		}
	}
	f.Add([]byte(plainGET), uint8(1))
	f.Add([]byte("POST http://a.example:80?x HTTP/1.1\r\nhost: A.example:80\r\nTransfer-Encoding: chunked\r\nConnection: a, close\r\nA: b \r\n\r\n"), uint8(50))
	f.Add([]byte("\r\nGET / HTTP/1.0\r\nHost: [::1]\r\nContent-Length: 007\r\nX:y\r\n\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, raw []byte, split uint8) {
		lim := &Limits{Head: 4096, Fields: 30, Target: 500}
		var whole, slow Request
		n, err := whole.Parse(raw, lim)

		at := min(int(split), len(raw))
		m, slowErr := slow.Parse(bytes.Clone(raw[:at]), lim)
		if errors.Is(slowErr, ErrIncomplete) {
			m, slowErr = slow.Parse(raw, lim)
		}
		if m != n || (err == nil) != (slowErr == nil) || errors.Is(err, ErrIncomplete) && !errors.Is(slowErr, ErrIncomplete) && !refusedForSize(slowErr) {
			t.Fatalf("whole %d, %v; split at %d %d, %v", n, err, at, m, slowErr)
		}
		if err != nil {
			return
		}
		if whole.describe() != slow.describe() || namesOf(whole.Fields) != namesOf(slow.Fields) {
			t.Fatalf("whole %s, split %s", whole.describe(), slow.describe())
		}
		checkFields(t, whole.Fields)

		again := AppendRequestLine(nil, whole.Method, whole.Target)
		again = append(AppendFields(again, whole.Fields, SetOf(Host)), "Host: "+cmp.Or(string(whole.Host), "a.example")+"\r\n\r\n"...)
		var second Request
		if n, err := second.Parse(again, nil); n != len(again) || err != nil {
			t.Fatalf("%q does not parse again: %v", again, err)
		}
		if string(second.Target) != string(whole.Target) || string(second.Method) != string(whole.Method) || !sameFields(second.Fields[:len(second.Fields)-1], whole.Fields) {
			t.Fatalf("%s written again is %s", whole.describe(), second.describe())
		}

		std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(raw[:n], []byte("\r\n")))))
		if err != nil {
			if !stdRefuses(&whole, err) {
				t.Fatalf("net/http: %v; we: %s", err, whole.describe())
			}
			return
		}
		if std.Method != string(whole.Method) || !strings.EqualFold(std.Host, string(whole.Host)) || std.ProtoMinor != int(whole.Minor) {
			t.Fatalf("net/http: %s %s 1.%d; we: %s", std.Method, std.Host, std.ProtoMinor, whole.describe())
		}
		if !whole.Absolute && std.RequestURI != string(whole.Target) {
			t.Fatalf("net/http: %s; we: %s", std.RequestURI, whole.Target)
		}
		chunked := len(std.TransferEncoding) == 1 && std.TransferEncoding[0] == "chunked"
		if chunked != (whole.Framing == Chunked) || whole.Framing == Length && std.ContentLength != whole.Length || whole.Framing == None && std.ContentLength != 0 {
			t.Fatalf("net/http: %v %d; we: %s", std.TransferEncoding, std.ContentLength, whole.describe())
		}
	})
}

// refusedForSize reports whether the slow way found a limit broken, which it looks for a little later or earlier.
func refusedForSize(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && (refused.Status == 431 || refused.Status == 414)
}

// stdRefuses reports whether net/http may refuse what we accept: it takes the authority of an absolute-form target
// apart as a URL, which knows fewer bytes in a host than RFC 3986.
func stdRefuses(r *Request, err error) bool {
	return r.Absolute && strings.Contains(err.Error(), "parse \"")
}

// checkFields holds what every parsed field promises.
func checkFields(t *testing.T, fields []Field) {
	for _, f := range fields {
		if !ValidFieldName(f.Name) || !ValidFieldValue(f.Value) {
			t.Fatalf("field %q: %q was accepted", f.Name, f.Value)
		}
		if Lookup(f.Name) != f.ID || f.ID != Other && !strings.EqualFold(names[f.ID], string(f.Name)) {
			t.Fatalf("field %q has ID %d", f.Name, f.ID)
		}
	}
}

// sameFields reports whether got are the end-to-end fields of all but Host, in order.
func sameFields(got, all []Field) bool {
	for _, f := range all {
		if f.Hop || f.ID == Host {
			continue
		}
		if len(got) == 0 || string(got[0].Name) != string(f.Name) || string(got[0].Value) != string(f.Value) {
			return false
		}
		got = got[1:]
	}
	return len(got) == 0
}

// FuzzResponse does for responses what FuzzRequest does for requests.
func FuzzResponse(f *testing.F) {
	for _, c := range hostile.Responses {
		if len(c.Raw) < 4096 {
			f.Add([]byte(c.Raw), uint8(9), false)
		}
	}
	f.Add([]byte(plainOK), uint8(1), true)
	f.Add([]byte("HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n"), uint8(15), false)
	f.Add([]byte("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"), uint8(15), false)
	f.Fuzz(func(t *testing.T, raw []byte, split uint8, head bool) {
		lim := &Limits{Head: 4096, Fields: 30}
		var whole, slow Response
		n, err := whole.Parse(raw, head, lim)
		at := min(int(split), len(raw))
		m, slowErr := slow.Parse(bytes.Clone(raw[:at]), head, lim)
		if errors.Is(slowErr, ErrIncomplete) {
			m, slowErr = slow.Parse(raw, head, lim)
		}
		if m != n || (err == nil) != (slowErr == nil) {
			t.Fatalf("whole %d, %v; split at %d %d, %v", n, err, at, m, slowErr)
		}
		if err != nil {
			return
		}
		if whole.describe() != slow.describe() || namesOf(whole.Fields) != namesOf(slow.Fields) {
			t.Fatalf("whole %s, split %s", whole.describe(), slow.describe())
		}
		checkFields(t, whole.Fields)

		again := append(AppendFields(AppendStatusLine(nil, whole.Status), whole.Fields, SetOf(Host)), "\r\n"...)
		var second Response
		if n, err := second.Parse(again, head, nil); n != len(again) || err != nil || second.Status != whole.Status || !sameFields(second.Fields, whole.Fields) {
			t.Fatalf("%s written again is %s: %v", whole.describe(), second.describe(), err)
		}

		method := "GET"
		if head {
			method = "HEAD"
		}
		std, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw[:n])), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http: %v; we: %s", err, whole.describe())
		}
		if std.StatusCode != whole.Status || std.ProtoMinor != int(whole.Minor) {
			t.Fatalf("net/http: %s %s; we: %s", std.Proto, std.Status, whole.describe())
		}
		var framing Framing
		switch {
		case std.Body == http.NoBody && whole.Framing == Length && whole.Length == 0:
			framing = Length
		case std.Body == http.NoBody || head || std.StatusCode < 200 || std.StatusCode == 204 || std.StatusCode == 304:
			framing = None
		case len(std.TransferEncoding) == 1:
			framing = Chunked
		case std.ContentLength >= 0:
			framing = Length
		default:
			framing = UntilClose
		}
		if framing != whole.Framing || framing == Length && std.ContentLength != whole.Length {
			t.Fatalf("net/http: framing %d, %d; we: %s", framing, std.ContentLength, whole.describe())
		}
	})
}

// FuzzBody holds that any split of a chunked body gives the same payload and the same rest, and that what is
// accepted is read alike by net/http.
func FuzzBody(f *testing.F) {
	for _, c := range append(hostile.Requests, hostile.Responses...) {
		if _, body, ok := strings.Cut(c.Raw, "\r\n\r\n"); ok && c.Body && len(body) < 4096 {
			f.Add([]byte(body), uint64(1))
		}
	}
	f.Add([]byte("4\r\nabcd\r\n0\r\n\r\nnext"), uint64(2))
	f.Add([]byte("1;a=b\r\na\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"), uint64(3))
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		var d, e Body
		d.Reset(Chunked, 0)
		payload, rest, err := decode(&d, string(raw), func() int { return len(raw) })
		e.Reset(Chunked, 0)
		rng := rand.New(rand.NewPCG(seed, 0))
		payload2, rest2, err2 := decode(&e, string(raw), func() int { return 1 + rng.IntN(16) })
		if payload != payload2 || rest != rest2 || !errors.Is(err, err2) || d.Done() != e.Done() {
			t.Fatalf("whole %q, %q, %v; split %q, %q, %v", payload, rest, err, payload2, rest2, err2)
		}
		if err != nil || !d.Done() {
			return
		}
		std, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw)))
		if err != nil || string(std) != payload {
			t.Fatalf("net/http: %q, %v; we: %q", std, err, payload)
		}
		if again := AppendLastChunk(AppendChunk(nil, std)); len(std) > 0 {
			d.Reset(Chunked, 0)
			if p, rest, err := decode(&d, string(again), func() int { return 5 }); p != payload || rest != "" || err != nil || !d.Done() {
				t.Fatalf("%q written again is %q, %v", payload, p, err)
			}
		}
	})
}
