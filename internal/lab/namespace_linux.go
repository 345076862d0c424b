package lab

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace, and the thread that lives in it.
type namespace struct {
	calls chan func()
	ended chan struct{}
	file  *os.File // of the namespace
}

// newNamespace makes a namespace. Threads are the kernel's unit of membership,
// and of the signal at a parent's death.
func newNamespace() (*namespace, error) {
	n := &namespace{calls: make(chan func()), ended: make(chan struct{})}
	made := make(chan error)
	go n.live(made)
	return n, <-made
}

// live runs calls on a thread in the namespace, which ends with it.
func (n *namespace) live(made chan<- error) {
	runtime.LockOSThread() // and never unlock: the runtime throws the thread away
	if unix.Gettid() == os.Getpid() {
		// The first thread never ends, and stands for the whole process in /proc.
		defer runtime.UnlockOSThread()
		moved := make(chan struct{})
		go func() { defer close(moved); n.live(made) }()
		<-moved
		return
	}
	defer close(n.ended)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		made <- fmt.Errorf("unshare CLONE_NEWNET: %w", err)
		return
	}
	file, err := os.Open("/proc/thread-self/ns/net")
	n.file = file
	made <- err
	if err != nil {
		return
	}
	for f := range n.calls {
		f()
	}
}

// do runs f in the namespace, and waits for it.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.calls <- func() { defer close(done); f() }
	<-done
}

// close ends the thread, and so every program that was started from it.
func (n *namespace) close() {
	close(n.calls)
	<-n.ended
	_ = n.file.Close() // read nothing from it
}
