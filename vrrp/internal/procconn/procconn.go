// Package procconn hears of processes that start, change their program or name,
// and end: the process events connector of the Linux kernel.
//
// The kernel lets root in the first user and PID namespace listen, since 6.6
// anybody there. It answers nobody else, which [Dial] reports.
package procconn

import "errors"

// Event says that something happened to a process. What it is now must be
// looked up: events come after the fact.
type Event struct {
	PID  int  // of the process, not of a thread
	Gone bool // it has ended; otherwise it is new, or runs another program, or has another name
}

var (
	// ErrLost is returned by [Conn.Receive] when events were lost: whoever
	// wants to know must look at every process.
	ErrLost = errors.New("procconn: the kernel had more events than room for them")

	// ErrRefused is returned by [Dial] where the kernel does not answer: in a
	// container, or another user or PID namespace than the first.
	ErrRefused = errors.New("procconn: the kernel does not answer in this namespace")
)
