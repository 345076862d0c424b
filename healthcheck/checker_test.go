package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestResultOf(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, c := range []struct {
		name string
		err  error
		want Status
	}{
		{"nil", nil, Pass},
		{"any error", errTest, Fail},
		{"end of file", io.EOF, Fail},
		{"deadline", context.DeadlineExceeded, Fail},
		{"deadline of a connection", os.ErrDeadlineExceeded, Fail},
		{"called off", fmt.Errorf("ping: %w", context.Canceled), Local},
		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), Fail},
		{"reset", dial(syscall.ECONNRESET), Fail},
		{"aborted", dial(syscall.ECONNABORTED), Fail},
		{"host unreachable", dial(syscall.EHOSTUNREACH), Fail},
		{"network unreachable", dial(syscall.ENETUNREACH), Fail},
		{"network down", dial(syscall.ENETDOWN), Fail},
		{"gave up", dial(syscall.ETIMEDOUT), Fail},
		{"forbidden by a local filter", dial(os.NewSyscallError("connect", syscall.EPERM)), Fail},
		{"any error of socket", dial(os.NewSyscallError("socket", syscall.EAFNOSUPPORT)), Local},
		{"any error of bind", dial(os.NewSyscallError("bind", syscall.EACCES)), Local},
		{"any error of setsockopt", dial(os.NewSyscallError("setsockopt", syscall.EPERM)), Local},
		{"no such name", &net.DNSError{IsNotFound: true}, Fail},
		{"name server silent", &net.DNSError{IsTimeout: true}, Local},
		{"no descriptor", dial(os.NewSyscallError("connect", syscall.EMFILE)), Local},
		{"no local port", dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), Local},
		{"name server broken", &net.DNSError{IsTemporary: true}, Local},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := ResultOf(c.err); r.Status != c.want || !errors.Is(r.Err, c.err) {
				t.Errorf("ResultOf(%v) = %+v, want %v", c.err, r, c.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	if !errors.Is(ErrClosed, net.ErrClosed) || !errors.Is(ErrOverdue, context.DeadlineExceeded) {
		t.Error("sentinels do not wrap")
	}
	var timeout net.Error
	r := stepError(t.Context(), "tcp", Target{Addr: "192.0.2.1:80"}, "connect", os.ErrDeadlineExceeded)
	if r.Err.Error() != "healthcheck: tcp 192.0.2.1:80: connect: timed out" || !errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("timeout: %v", r.Err)
	}
	if !errors.As(r.Err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no timeout for package net", r.Err)
	}
	for addr, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1:80", "[fe80::1%eth0]:80": "[fe80::1]:80", "[2001:db8::1]:80": "[2001:db8::1]:80", "odd%thing": "odd%thing",
	} {
		if got := withoutZone(addr); got != want {
			t.Errorf("withoutZone(%q) = %q, want %q", addr, got, want)
		}
	}
}
