package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/lvs"
	"golang.org/x/sys/unix"
)

// TestSweep: the connections that wait in the queue of a listener are taken before it closes.
func TestSweep(t *testing.T) {
	ln, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	want := map[netip.AddrPort]bool{}
	for range 5 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want[addrPort(c.LocalAddr())] = true
	}
	interrupt(ln)
	if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Accept() = %v, want a deadline", err)
	}
	sweep(ln, func(e end, from netip.AddrPort) {
		if !want[from] {
			t.Errorf("a connection from %v, want one of %v", from, want)
		}
		delete(want, from)
		if _, err := e.rwc.Write([]byte("x")); err != nil || e.raw == nil {
			t.Errorf("%v: %v, descriptor %v", from, err, e.raw)
		}
		e.rwc.Close()
	})
	if len(want) > 0 {
		t.Errorf("not taken: %v", want)
	}
	sweep(ln, func(end, netip.AddrPort) { t.Error("a connection from an empty queue") })
	wrapped := struct{ net.Listener }{ln}
	sweep(wrapped, func(end, netip.AddrPort) { t.Error("a connection past a wrapper") })
	interrupt(wrapped)
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a wrapper is interrupted by closing it: Accept() = %v", err)
	}
}

func TestSelfConnect(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, own); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if !selfConnected(raw, sockaddr(own)) {
		t.Errorf("a socket connected to its own address %v is not recognised", sockaddr(own))
	}
	if selfConnected(raw, netip.MustParseAddrPort("127.0.0.1:1")) {
		t.Error("a socket connected to another port is taken for its own peer")
	}
	if r := localPorts(); r[0] > r[1] || r[1] > 65535 {
		t.Errorf("local ports %v", r)
	}
	if !maySelfConnect(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(localPorts()[0]))) {
		t.Error("the first local port is not one")
	}
}

func TestPipes(t *testing.T) {
	p := pipes{max: keepPipes + 2}
	var got []pipe
	for range p.max {
		one, ok := p.get()
		if !ok {
			t.Fatalf("pipe %d refused", len(got))
		}
		got = append(got, one)
	}
	if one, ok := p.get(); ok {
		t.Errorf("pipe %v beyond the limit", one)
	}
	want := func(open, free int) {
		t.Helper()
		if o, f := p.counts(); o != open || f != free {
			t.Errorf("%d open, %d free, want %d and %d", o, f, open, free)
		}
	}
	want(p.max, 0)
	if _, err := unix.Write(got[0].w, []byte("left over")); err != nil {
		t.Fatal(err)
	}
	p.put(got[0], false) // with data in it: closed
	want(p.max-1, 0)
	for _, one := range got[1 : len(got)-1] {
		p.put(one, true)
	}
	want(keepPipes+1, keepPipes)
	if one, ok := p.get(); !ok || one != got[keepPipes] {
		t.Errorf("got %v, want the one that came back last, %v", one, got[keepPipes])
	} else {
		p.put(one, true)
	}
	p.close()
	want(1, 0)
	p.put(got[len(got)-1], true) // a late one
	want(0, 0)
	p.close()
}

// full is a listener that drops further connection attempts, since its queue is full and nobody accepts.
func full(t *testing.T) netip.AddrPort {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", sockaddr(sa).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		unix.Close(fd)
	})
	return sockaddr(sa)
}

// TestRawConnect: a destination that does not answer fails by the clock, and does not hold up Close.
func TestRawConnect(t *testing.T) {
	addr := full(t)
	svc, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Add(addr); err != nil {
		t.Fatal(err)
	}
	serve := func(timeout time.Duration) (*Relay, net.Conn, chan Record) {
		records := make(chan Record, 1)
		r, err := New(svc, WithConnectTimeout(timeout), WithAccessLog(func(rec *Record) { records <- *rec }))
		if err != nil {
			t.Fatal(err)
		}
		ln, err := Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go r.Serve(ln)
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Close()
			r.Close()
		})
		return r, c, records
	}
	wantReset := func(c net.Conn) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read() = %v, want a reset", err)
		}
	}

	_, c, records := serve(10 * time.Millisecond)
	wantReset(c)
	if r := <-records; r.Reason != NoConnect || !errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("record %+v, want a deadline", r)
	}

	r, c, records := serve(time.Hour)
	for svc.Snapshot().Active == 0 {
		runtime.Gosched()
	}
	r.Close()
	wantReset(c)
	if r := <-records; r.Reason != Forced || r.Tries != 1 {
		t.Errorf("record %+v", r)
	}
	if s := svc.Snapshot(); s.Failed != 1 || s.Total != 0 {
		t.Errorf("books %+v: the attempt that timed out failed, the one that was cut did not", s)
	}
}

// TestKeepAlive: without an idle timeout TCP looks after both sides, with one it does not have to.
func TestKeepAlive(t *testing.T) {
	for idle, want := range map[time.Duration]int{0: 1, time.Minute: 0} {
		ln, err := Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		svc, err := lvs.NewService(lvs.TCP, netip.MustParseAddrPort("127.0.0.1:1"))
		if err != nil {
			t.Fatal(err)
		}
		dest, err := Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer dest.Close()
		if err := svc.Add(addrPort(dest.Addr())); err != nil {
			t.Fatal(err)
		}
		r, err := New(svc, WithIdleTimeout(idle))
		if err != nil {
			t.Fatal(err)
		}
		go r.Serve(ln)
		defer r.Close()
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := dest.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		client.Write([]byte("x"))
		server.Read(make([]byte, 1)) // by now both ends are there

		r.mu.Lock()
		c := r.conns.next
		r.mu.Unlock()
		for name, e := range map[string]*end{"client": &c.client, "server": &c.server} {
			e.raw.Control(func(fd uintptr) {
				if got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil || got != want {
					t.Errorf("idle timeout %v: keep-alive of the %s is %d (%v), want %d", idle, name, got, err, want)
				}
			})
		}
	}
}
