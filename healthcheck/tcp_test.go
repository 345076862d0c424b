package healthcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestTCP(t *testing.T) {
	for name, n := range map[string]network{"memory": inMemory(), "loopback": onLoopback()} {
		t.Run(name, func(t *testing.T) {
			ends := make(chan error, 1)
			s := n.serve(t, func(c net.Conn) { ends <- endOf(c) })
			check := TCP(WithDialer(n.dial))
			if r := check.Check(t.Context(), s.Target); r.Status != Pass || r.Err != nil {
				t.Errorf("Check() of a server = %+v", r)
			}
			// The reset leaves no TIME_WAIT and is what the server sees; BSD kernels
			// take a connection that was reset out of the backlog.
			if name == "memory" || runtime.GOOS == "linux" {
				if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the server saw %v, want ECONNRESET", err)
				}
			}
			s.close()
			r := check.Check(t.Context(), s.Target)
			var e *CheckError
			if r.Status != Fail || !errors.Is(r.Err, syscall.ECONNREFUSED) || !errors.As(r.Err, &e) || e.Step != "connect" || e.Addr != s.Addr {
				t.Errorf("Check() of nobody = %+v", r)
			}
			if want := "healthcheck: tcp " + s.Addr + ": connect: "; !strings.HasPrefix(r.Err.Error(), want) {
				t.Errorf("error %q, want it to begin with %q", r.Err, want)
			}
		})
	}
}

// TestTCPDials: what the dialer says becomes the right verdict.
func TestTCPDials(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
	}
	says := func(err error) dialer {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
	}
	for _, c := range []struct {
		name   string
		dial   dialer
		cancel bool // after half of the timeout
		status Status
		want   error
	}{
		{"silence", hang, false, Fail, context.DeadlineExceeded},
		{"called off", hang, true, Local, context.Canceled},
		{"unreachable host", says(syscall.EHOSTUNREACH), false, Fail, syscall.EHOSTUNREACH},
		{"unreachable net", says(syscall.ENETUNREACH), false, Fail, syscall.ENETUNREACH},
		{"the kernel gave up", says(syscall.ETIMEDOUT), false, Fail, syscall.ETIMEDOUT},
		{"no such name", says(&net.DNSError{Err: "no such host", IsNotFound: true}), false, Fail, nil},
		{"no answer to a lookup", says(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), false, Local, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				if c.cancel {
					time.AfterFunc(time.Second, cancel)
				}
				begin := time.Now()
				r := TCP(WithDialer(c.dial)).Check(ctx, Target{Addr: "192.0.2.1:80"})
				if r.Status != c.status || c.want != nil && !errors.Is(r.Err, c.want) || r.Err == nil {
					t.Errorf("Check() = %v, %v; want %v, %v", r.Status, r.Err, c.status, c.want)
				}
				if took := time.Since(begin); took > 2*time.Second || c.cancel && took != time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestNilDialer(t *testing.T) {
	for _, c := range []Checker{TCP(WithDialer(nil)), HTTP(WithDialer(nil))} {
		if r := c.Check(t.Context(), Target{Addr: "192.0.2.1:80"}); r.Status != Local || r.Err == nil {
			t.Errorf("%T.Check() = %+v", c, r)
		}
		m, _ := New()
		if _, err := m.Add(Target{Addr: "192.0.2.1:80"}, c, Policy{}); err == nil || !strings.Contains(err.Error(), "WithDialer") {
			t.Errorf("Add() of %T = %v", c, err)
		}
	}
}

// TestManagerOverStreams: a backend that dies, comes back and dies again, all
// in virtual time.
func TestManagerOverStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inMemory()
		greet := func(c net.Conn) { io.WriteString(c, "hello") }
		s := n.serve(t, greet)
		r := newRig(t)
		h, err := r.Add(s.Target, TCP(WithDialer(n.dial)), Policy{})
		if err != nil {
			t.Fatal(err)
		}
		stop := r.run()
		if err := r.WaitReady(t.Context()); err != nil || !h.Up() {
			t.Fatalf("state %v, %v", h.State(), err)
		}
		for range 3 {
			s.close()
			begin := time.Now()
			for h.Up() {
				time.Sleep(time.Millisecond)
			}
			// The worst case: an interval and its jitter, then two fast ones.
			if took := time.Since(begin); took > 5500*time.Millisecond+2300*time.Millisecond {
				t.Errorf("down after %v", took)
			}
			time.Sleep(time.Minute)
			s = n.serveAt(t, s.Addr, greet)
			begin = time.Now()
			for !h.Up() {
				time.Sleep(time.Millisecond)
			}
			if took := time.Since(begin); took > 11*time.Second+1200*time.Millisecond {
				t.Errorf("up after %v", took)
			}
		}
		stop()
		s.close()
	})
}
