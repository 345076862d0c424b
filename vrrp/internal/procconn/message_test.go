package procconn

import (
	"encoding/binary"
	"testing"
)

// image is a datagram of the kernel: headers, what, and the words after it.
func image(what uint32, data ...uint32) []byte {
	b := make([]byte, headerLen)
	for _, v := range []uint32{idxProc, valProc, 5, 8} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	b = append(b, 40, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, what)
	b = append(b, make([]byte, 12)...) // cpu, timestamp
	for _, v := range data {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return append(b, make([]byte, max(0, 76-len(b)))...)
}

func TestParse(t *testing.T) {
	foreign := image(whatExec, 7, 7)
	foreign[headerLen] = 9
	for _, c := range []struct {
		name string
		b    []byte
		want message
	}{
		{"fork", image(whatFork, 3, 3, 7, 7), message{kind: change, event: Event{PID: 7}}},
		{"a thread", image(whatFork, 3, 3, 7, 3), message{}},
		{"exec", image(whatExec, 7, 7), message{kind: change, event: Event{PID: 7}}},
		{"another name", image(whatComm, 7, 7), message{kind: change, event: Event{PID: 7}}},
		{"another name of a thread", image(whatComm, 8, 7), message{}},
		{"exit", image(whatExit, 7, 7), message{kind: change, event: Event{PID: 7, Gone: true}}},
		{"exit of a thread", image(whatExit, 8, 7), message{}},
		{"another user", image(0x4, 7, 7), message{}},
		{"answer", image(whatNone, 0), message{kind: answer, ack: 8}},
		{"refusal", image(whatNone, 1), message{kind: answer, ack: 8, errno: 1}},
		{"another connector", foreign, message{}},
		{"nothing", nil, message{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parse(c.b); got != c.want {
				t.Errorf("parse() = %+v, want %+v", got, c.want)
			}
			for n := range c.b {
				parse(c.b[:n])
			}
		})
	}
	if got := parse(image(whatFork, 3, 3, 7, 7)[:headerLen+cnLen+eventLen+8]); got.kind != other {
		t.Errorf("a fork without its child: %+v", got)
	}
}
