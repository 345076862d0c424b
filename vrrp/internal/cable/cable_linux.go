package cable

import (
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"golang.org/x/sys/unix"
)

// The two ends. Each has an address of every kind, and no other end has one that
// is lower.
const (
	Near, Far         = "near", "far" // names of the interfaces
	NearMAC, FarMAC   = "02:00:00:00:00:01", "02:00:00:00:00:02"
	Near4, Far4       = "192.0.2.1", "192.0.2.2"     // /24
	Near6, Far6       = "2001:db8::1", "2001:db8::2" // /64
	NearLink, FarLink = "fe80::1", "fe80::2"
)

// Cable is a cable whose near end is in the namespace of the test.
type Cable struct {
	t    testing.TB
	jobs chan func()
}

// New lays a cable. The test is in a namespace of its own already. The cable is
// removed with that.
func New(t testing.TB) *Cable {
	t.Helper()
	need.Program(t, "ip")
	c := &Cable{t: t, jobs: make(chan func())}
	thread, ended := make(chan int), make(chan struct{})
	go func() {
		defer close(ended)
		c.serve(thread)
	}()
	t.Cleanup(func() {
		close(c.jobs)
		<-ended
	})
	far := strconv.Itoa(<-thread)
	if t.Failed() {
		t.FailNow()
	}
	IP(t, "link add "+Near+" address "+NearMAC+" type veth peer name "+Far+" address "+FarMAC)
	IP(t, "link set "+Far+" netns "+far)
	up(t, Near, Near4, Near6, NearLink)
	var l net.Listener
	var err error
	c.There(func() {
		up(t, Far, Far4, Far6, FarLink)
		l, err = net.Listen("tcp", Far4+":1")
	})
	if err != nil {
		t.Fatalf("cable: %v", err)
	}
	defer l.Close()
	c.Up()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("cable: %v", err)
	}
	conn.Close()
	return c
}

// Up sets the near end up, and waits until both ends carry frames: before the
// kernel has noticed that there is a carrier, it drops what is sent.
func (c *Cable) Up() {
	t := c.t
	t.Helper()
	IP(t, "link set "+Near+" up")
	running := func(name string) bool {
		ifi, err := net.InterfaceByName(name)
		return err == nil && ifi.Flags&net.FlagRunning != 0
	}
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		far := false
		c.There(func() { far = running(Far) })
		if far && running(Near) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("cable: no carrier")
		}
	}
}

// serve does jobs on a thread in the far namespace, which it names first.
func (c *Cable) serve(thread chan<- int) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread stands for the whole process, in /proc and to others.
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.serve(thread)
		}()
		<-done
		runtime.UnlockOSThread()
		return
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil { // for good: the thread ends with the goroutine
		c.t.Errorf("cable: unshare: %v", err)
	}
	thread <- unix.Gettid()
	for job := range c.jobs {
		job()
	}
}

// up gives an end its addresses. The link-local one must not wait for duplicate
// address detection.
func up(t testing.TB, name, v4, v6, link string) {
	IP(t, "link set "+name+" addrgenmode none up")
	IP(t, "addr add "+v4+"/24 dev "+name)
	IP(t, "addr add "+v6+"/64 dev "+name+" nodad")
	IP(t, "addr add "+link+"/64 dev "+name+" nodad")
}

// There calls f in the far namespace, and returns when it has. f must not end
// the goroutine, as t.Fatal would.
func (c *Cable) There(f func()) {
	c.t.Helper()
	done := make(chan struct{})
	c.jobs <- func() {
		defer close(done)
		f()
	}
	<-done
}

// IP runs the program ip with arguments, in the namespace of the calling thread.
func IP(t testing.TB, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Errorf("ip %s: %v\n%s", args, err, out)
	}
}
