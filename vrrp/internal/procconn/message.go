package procconn

import "encoding/binary"

// Numbers of linux/connector.h and linux/cn_proc.h.
const (
	idxProc = 1 // CN_IDX_PROC: the multicast group, and the id of the messages
	valProc = 1 // CN_VAL_PROC

	mcastListen = 1 // PROC_CN_MCAST_LISTEN
	mcastIgnore = 2 // PROC_CN_MCAST_IGNORE

	whatNone = 0          // PROC_EVENT_NONE: the answer to a request
	whatFork = 0x00000001 // PROC_EVENT_FORK
	whatExec = 0x00000002 // PROC_EVENT_EXEC
	whatComm = 0x00000200 // PROC_EVENT_COMM
	whatExit = 0x80000000 // PROC_EVENT_EXIT
)

const (
	headerLen = 16 // struct nlmsghdr
	cnLen     = 20 // struct cn_msg
	eventLen  = 16 // struct proc_event before event_data
)

// request is the payload of the message that asks for events, or for none.
func request(op, ack uint32) []byte {
	b := make([]byte, 0, cnLen+4)
	for _, v := range []uint32{idxProc, valProc, 0, ack} {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	b = binary.NativeEndian.AppendUint16(b, 4) // length of what follows
	b = binary.NativeEndian.AppendUint16(b, 0)
	return binary.NativeEndian.AppendUint32(b, op)
}

// message is one that the kernel sent.
type message struct {
	kind  kind
	event Event
	ack   uint32 // answer
	errno uint32 // answer
}

type kind uint8

const (
	other  kind = iota // of a thread, or nothing that matters here, or malformed
	change             // event
	answer             // to the request of ack - 1
)

// parse reads a datagram, which holds one message.
func parse(b []byte) message {
	const data = headerLen + cnLen + eventLen
	if len(b) < data+8 {
		return message{}
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	if u32(headerLen) != idxProc || u32(headerLen+4) != valProc {
		return message{}
	}
	about := func(pid, tgid uint32, gone bool) message {
		if pid != tgid {
			return message{}
		}
		return message{kind: change, event: Event{int(pid), gone}}
	}
	switch u32(headerLen + cnLen) {
	case whatNone:
		return message{kind: answer, ack: u32(headerLen + 12), errno: u32(data)}
	case whatFork: // the parent's pid and tgid, the child's pid and tgid
		if len(b) >= data+16 {
			return about(u32(data+8), u32(data+12), false)
		}
	case whatExec, whatComm: // pid and tgid
		return about(u32(data), u32(data+4), false)
	case whatExit: // likewise
		return about(u32(data), u32(data+4), true)
	}
	return message{}
}
