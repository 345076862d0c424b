package http1

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// decode feeds b to a decoder in pieces of the sizes that size returns. It returns the payload and what was not consumed.
func decode(d *Body, b string, size func() int) (payload, rest string, err error) {
	var got []byte
	defer func() { payload = string(got) }()
	for !d.Done() && len(b) > 0 {
		piece := []byte(b[:min(size(), len(b))])
		data, n, err := d.Next(piece)
		got = append(got, data...)
		b = b[n:]
		if err != nil && !errors.Is(err, ErrIncomplete) {
			return payload, b, err
		}
		if err != nil && n != len(piece) {
			return payload, b, errors.New("incomplete, but not all was consumed")
		}
		if err == nil && len(data) == 0 && !d.Done() {
			return payload, b, errors.New("no progress and no error")
		}
	}
	return payload, b, nil
}

func TestBody(t *testing.T) {
	for _, c := range []struct {
		name, raw     string
		framing       Framing
		length        int64
		payload, rest string
		done          bool // without EOF
	}{
		{"none", "next", None, 0, "", "next", true},
		{"length zero", "next", Length, 0, "", "next", true},
		{"length", "abcdnext", Length, 4, "abcd", "next", true},
		{"length short", "abc", Length, 4, "abc", "", false},
		{"until close", "abc", UntilClose, 0, "abc", "", false},
		{"chunked empty", "0\r\n\r\nnext", Chunked, 0, "", "next", true},
		{"chunked", "4\r\nabcd\r\n0\r\n\r\nnext", Chunked, 0, "abcd", "next", true},
		{"chunked in two", "1\r\na\r\n3\r\nbcd\r\n0\r\n\r\nnext", Chunked, 0, "abcd", "next", true},
		{"chunk size in capitals and zeros", "00000000000000A\r\n0123456789\r\n0\r\n\r\n", Chunked, 0, "0123456789", "", true},
		{"last chunk of many zeros", "0000000000000000\r\n\r\n", Chunked, 0, "", "", true},
		{"extensions", "2;a=b;c=\"d e\"\r\nok\r\n0;x\r\n\r\n", Chunked, 0, "ok", "", true},
		{"extension as long as allowed", "2;" + strings.Repeat("a", 256) + "\r\nok\r\n0\r\n\r\n", Chunked, 0, "ok", "", true},
		{"trailers", "2\r\nok\r\n0\r\nA: b\r\nContent-Length: 7\r\nC:\td \xe9\r\n\r\nnext", Chunked, 0, "ok", "next", true},
		{"chunked short", "4\r\nab", Chunked, 0, "ab", "", false},
		{"chunked without last", "2\r\nab\r\n", Chunked, 0, "ab", "", false},
		{"line ends in the payload", "6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", Chunked, 0, "\r\n0\r\n\r", "", true},
		{"many tiny chunks", strings.Repeat("1\r\na\r\n", 20000) + "0\r\n\r\n", Chunked, 0, strings.Repeat("a", 20000), "", true},
		{"signed large chunks", strings.Repeat("200;chunk-signature="+strings.Repeat("f", 64)+"\r\n"+strings.Repeat("a", 512)+"\r\n", 500) + "0\r\n\r\n", Chunked, 0, strings.Repeat("a", 512*500), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for name, size := range map[string]func() int{
				"whole":  func() int { return len(c.raw) },
				"bytes":  func() int { return 1 },
				"random": func() int { return 1 + rng.IntN(9) },
			} {
				var d Body
				d.Reset(c.framing, c.length)
				payload, rest, err := decode(&d, c.raw, size)
				if payload != c.payload || rest != c.rest || err != nil {
					t.Errorf("%s: %.40q, rest %.40q, %v", name, payload, rest, err)
				}
				if d.Done() != c.done {
					t.Errorf("%s: Done = %v", name, d.Done())
				}
				eof := d.EOF()
				if whole := c.done || c.framing == UntilClose; whole && eof != nil || !whole && !errors.Is(eof, io.ErrUnexpectedEOF) {
					t.Errorf("%s: EOF = %v", name, eof)
				}
				if c.framing == UntilClose && !d.Done() {
					t.Errorf("%s: not done after EOF", name)
				}
			}
		})
	}
}

func TestBodyStreams(t *testing.T) {
	var d Body
	d.Reset(Chunked, 0)
	b := []byte("a\r\n01234")
	data, n, err := d.Next(b)
	if string(data) != "01234" || n != len(b) || err != nil {
		t.Fatalf("Next = %q, %d, %v: a chunk that has begun is not given out", data, n, err)
	}
	if &data[0] != &b[3] {
		t.Error("the payload was copied")
	}
	if d.Left() != 5 {
		t.Errorf("Left = %d, want 5", d.Left())
	}
	d.Skip(5)
	if d.Left() != 0 || d.Done() {
		t.Errorf("after Skip: Left = %d, Done = %v", d.Left(), d.Done())
	}
	if _, n, err := d.Next([]byte("\r\n0\r\n\r\n")); n != 7 || err != nil || !d.Done() {
		t.Errorf("Next = %d, %v, done %v", n, err, d.Done())
	}
	d.Reset(Length, 10)
	d.Skip(4)
	if data, _, _ := d.Next([]byte("0123456789")); string(data) != "012345" || !d.Done() || d.Left() != 0 {
		t.Errorf("after Skip: %q, done %v", data, d.Done())
	}
	d.Reset(Length, 10)
	if d.Skip(10); !d.Done() {
		t.Error("not done after all of it was skipped")
	}
}

func TestBodyStaysRefused(t *testing.T) {
	var d Body
	d.Reset(Chunked, 0)
	_, _, first := d.Next([]byte("x"))
	_, n, second := d.Next([]byte("1\r\na\r\n0\r\n\r\n"))
	if first == nil || n != 0 || !errors.Is(second, first) || d.Done() {
		t.Errorf("Next = %v, then %d, %v", first, n, second)
	}
	var zero Body
	if _, n, err := zero.Next([]byte("x")); n != 0 || err != nil || !zero.Done() {
		t.Error("the zero Body is not an empty one")
	}
}
