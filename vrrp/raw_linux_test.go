package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/need"
	"golang.org/x/sys/unix"
)

// ip runs the program ip in the namespace of the calling thread.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
}

// elsewhere has a goroutine whose thread is in a network namespace of its own
// call functions. The namespace goes with it.
type elsewhere struct {
	jobs   chan func()
	thread int
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{jobs: make(chan func())}
	began, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		e.thread = unix.Gettid()
		began <- err
		for job := range e.jobs {
			job()
		}
	}()
	if err := <-began; err != nil {
		t.Fatalf("unshare: %v", err)
	}
	t.Cleanup(func() {
		close(e.jobs)
		<-ended
	})
	return e
}

func (e *elsewhere) call(f func()) {
	done := make(chan struct{})
	e.jobs <- func() { defer close(done); f() }
	<-done
}

// run runs a router in the namespace of e, on a thread of its own.
func (e *elsewhere) run(t *testing.T, r *Router) *running {
	ctx, stop := context.WithCancel(context.Background())
	run := &running{r, stop, make(chan error, 1)}
	at := fmt.Sprintf("/proc/self/task/%d/ns/net", e.thread)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open(at, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = errors.Join(unix.Setns(fd, unix.CLONE_NEWNET), unix.Close(fd))
		}
		if err == nil {
			err = r.Run(ctx)
		}
		run.done <- err
	}()
	t.Cleanup(func() { _ = run.end() })
	return run
}

// lay connects both namespaces.
func (e *elsewhere) lay(t *testing.T) {
	t.Helper()
	ip(t, fmt.Sprintf("link add near type veth peer name far netns %d", e.thread))
	ip(t, "addr add 192.0.2.1/24 dev near")
	ip(t, "addr add fe80::1/64 dev near nodad")
	e.call(func() {
		ip(t, "addr add 192.0.2.2/24 dev far")
		ip(t, "addr add fe80::2/64 dev far nodad")
		ip(t, "link set far up")
	})
	ip(t, "link set near up")
}

// Two routers on real sockets, each in a network namespace, in one process. They
// elect, follow their interfaces, also into being deleted and made again, and
// leave nothing behind. (Alone, neither would have to hear the other.)
func TestRawOnVeth(t *testing.T) {
	if !need.Namespace(t) {
		return
	}
	need.Program(t, "ip")
	for _, c := range []struct {
		name string
		vips []netip.Prefix
		opts func(peer string) []Option
	}{
		{"IPv4", vips4, func(string) []Option { return nil }},
		{"IPv6", vips6, func(string) []Option { return nil }},
		{"virtual MAC", vips4, func(string) []Option { return []Option{WithVirtualMAC()} }},
		{"unicast", vips4, func(peer string) []Option {
			return []Option{WithUnicast(netip.Addr{}, Peer{Addr: netip.MustParseAddr(peer)})}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			there := newElsewhere(t)
			there.lay(t)
			defer ip(t, "link del near")
			make := func(iface, peer string, priority uint8, watch Option) *Router {
				raw, err := RawTransport(iface)
				if err != nil {
					t.Fatal(err)
				}
				r, err := New(51, c.vips, append(c.opts(peer), WithTransport(raw), WithInterval(20*time.Millisecond), WithPriority(priority), watch)...)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			watchA, a := watch()
			watchB, b := watch()
			near := rerun(t, make("near", "192.0.2.2", 100, watchA))
			await(t, a, Active)
			far := there.run(t, make("far", "192.0.2.1", 200, watchB))
			await(t, b, Active)
			await(t, a, Backup)
			if s := near.Snapshot(); s.LastAdvSource != far.Snapshot().Local || s.Interface != "near" {
				t.Errorf("%+v", s)
			}
			// The link of the better one fails: it cannot even resign.
			there.call(func() { ip(t, "link set far down") })
			await(t, b, Fault)
			await(t, a, Fault) // a veth end has no carrier then
			there.call(func() {
				ip(t, "link set far up")
				ip(t, "-6 addr replace fe80::2/64 dev far nodad") // went with the link
			})
			await(t, b, Active)
			await(t, a, Backup)
			// The cable is pulled out and another one laid: sockets are opened
			// anew, in the right namespaces.
			ip(t, "link del near")
			await(t, b, Fault)
			await(t, a, Fault)
			there.lay(t)
			await(t, b, Active)
			await(t, a, Backup)
			if err := far.end(); err != nil {
				t.Errorf("Run() = %v", err)
			}
			await(t, a, Active)
			for _, r := range []*running{near, far} {
				for reason, n := range r.Snapshot().Drops {
					if n != 0 {
						t.Errorf("%d dropped by %s", n, reason)
					}
				}
			}
			if err := near.end(); err != nil {
				t.Errorf("Run() = %v", err)
			}
		})
	}
}

// What Run says where it cannot work.
func TestRawRefusals(t *testing.T) {
	raw, err := RawTransport("no-such-link")
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(51, vips4, WithTransport(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), `interface "no-such-link" does not exist`) {
		t.Errorf("Run() without an interface = %v", err)
	}
}
