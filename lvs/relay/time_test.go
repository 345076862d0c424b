package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/memnet"
	"github.com/mainstay-ha/mainstay/lvs"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

func TestIdleTimeout(t *testing.T) {
	const idle = 30 * time.Second
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr}, relay.WithIdleTimeout(idle))
		t0 := time.Now()
		client, server := b.pair(accept)
		// Traffic in either direction keeps it, whoever sends.
		for i := range 5 {
			time.Sleep(idle - time.Nanosecond)
			from, to := client, server
			if i%2 == 1 {
				from, to = server, client
			}
			send(w.t, from, to, "x")
		}
		wantReset(w.t, client)
		wantReset(w.t, server)
		if got, want := time.Since(t0), 5*(idle-time.Nanosecond)+idle; got != want {
			w.t.Errorf("reset after %v, want %v", got, want)
		}
		r := b.record()
		wantReason(w.t, r, relay.Idle)
		if r.Total != time.Since(t0) || r.Connect != 0 || !r.Start.Equal(t0) {
			w.t.Errorf("record %+v", r)
		}
	})
}

// TestIdleHalfClosed: the idle timeout also ends a connection of which one side is complete and the other says nothing.
func TestIdleHalfClosed(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr}, relay.WithIdleTimeout(time.Minute))
		client, server := b.pair(accept)
		client.CloseWrite()
		wantEOF(w.t, server)
		time.Sleep(time.Minute)
		wantReset(w.t, client)
		wantReason(w.t, b.record(), relay.Idle)
	})
}

func TestNoIdleTimeout(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr}, relay.WithIdleTimeout(0))
		client, server := b.pair(accept)
		time.Sleep(1000 * time.Hour)
		send(w.t, client, server, "good morning")
	})
}

// TestSlowReader: a reader that does not read stops the writer, and nothing but one buffer piles up in between; a reader
// that reads a little at a time is not idle.
func TestSlowReader(t *testing.T) {
	const buffer = 128 << 10
	inMemory(t, func(w *world) {
		const idle = time.Minute
		addr, accept := w.backend()
		b := w.relay([]string{addr}, relay.WithIdleTimeout(idle))
		client, server := b.pair(accept)
		var sent atomic.Int64
		go func() {
			chunk := make([]byte, buffer/2)
			for {
				n, err := server.Write(chunk)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		// What the client's side and the server's side of the network hold, and what the relay does.
		if got, most := sent.Load(), int64(2*buffer+16<<10); got > most || got < 2*buffer {
			w.t.Errorf("the server got rid of %d bytes, want at most %d", got, most)
		}
		before := sent.Load()
		for range 20 {
			time.Sleep(idle - time.Second)
			check(w.t, discard(client, buffer))
			synctest.Wait()
		}
		if got := sent.Load() - before; got < 19*buffer {
			w.t.Errorf("the server got rid of %d bytes while the client read %d", got, 20*buffer)
		}
		time.Sleep(idle)
		wantReason(w.t, b.record(), relay.Idle)
	}, memnet.WithBuffer(buffer))
}

func discard(c net.Conn, n int64) error {
	_, err := io.CopyN(io.Discard, c, n)
	return err
}

func TestConnectTimeout(t *testing.T) {
	inMemory(t, func(w *world) {
		good, accept := w.backend()
		const dead = "192.0.2.66:80" // drops what it gets
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == dead {
				<-ctx.Done()
				return nil, fmt.Errorf("gave up: %w", ctx.Err())
			}
			return w.dial(addr)
		}
		b := w.relay([]string{dead, good}, relay.WithDialer(dial), relay.WithConnectTimeout(3*time.Second))
		t0 := time.Now()
		client, server := b.pair(accept)
		if got := time.Since(t0); got != 3*time.Second {
			w.t.Errorf("connected after %v, want 3s", got)
		}
		client.Close()
		server.Close()
		if r := b.record(); r.Connect != 3*time.Second || r.Tries != 2 {
			w.t.Errorf("record %+v", r)
		}

		// Nobody else to ask.
		check(w.t, b.svc.Remove(good))
		client = b.client()
		wantReset(w.t, client)
		r := b.record()
		wantReason(w.t, r, relay.NoConnect)
		if !errors.Is(r.Err, context.DeadlineExceeded) {
			w.t.Errorf("error %v, want a deadline", r.Err)
		}

		// Close does not wait for a dial.
		client = b.client()
		synctest.Wait()
		t0 = time.Now()
		check(w.t, b.relay.Close())
		if time.Since(t0) != 0 {
			w.t.Error("Close waited for a dial")
		}
		wantReset(w.t, client)
		wantReason(w.t, b.record(), relay.Forced)
	})
}

// TestDialerFails: what a dialer should not do is a failure and not a crash, and what this host lacks is not the destination's.
func TestDialerFails(t *testing.T) {
	for _, tt := range []struct {
		name          string
		err           error
		tries, failed int
	}{
		{"neither connection nor error", nil, 2, 2},
		{"refused", syscall.ECONNREFUSED, 2, 2},
		{"out of descriptors", os.NewSyscallError("socket", syscall.EMFILE), 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inMemory(t, func(w *world) {
				b := w.relay([]string{w.nobody(), w.nobody()},
					relay.WithDialer(func(context.Context, string, string) (net.Conn, error) { return nil, tt.err }))
				wantReset(w.t, b.client())
				r := b.record()
				wantReason(w.t, r, relay.NoConnect)
				if s := b.svc.Snapshot(); r.Tries != tt.tries || s.Failed != uint64(tt.failed) || s.Total != 0 || r.Err == nil {
					w.t.Errorf("record %+v, books %+v, want %d tries and %d failures", r, s.Counters, tt.tries, tt.failed)
				}
			})
		})
	}
}

func TestShutdownDeadline(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})
		client, server := b.pair(accept)
		send(w.t, client, server, "hello")
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		defer cancel()
		t0 := time.Now()
		err := b.relay.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(t0) != 10*time.Second {
			w.t.Errorf("Shutdown() = %v after %v", err, time.Since(t0))
		}
		wantReset(w.t, client)
		wantReset(w.t, server)
	})
}

// A failingListener fails as told before it accepts.
type failingListener struct {
	net.Listener
	errs  []error
	times []time.Time
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.times = append(l.times, time.Now())
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	return l.Listener.Accept()
}

func TestAcceptErrors(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		svc := must(lvs.NewService(lvs.TCP, netip.MustParseAddrPort("192.0.2.10:80")))
		check(w.t, svc.Add(netip.MustParseAddrPort(addr)))
		var log bytes.Buffer
		r := must(relay.New(svc, append(w.options, relay.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))...))
		full := syscall.EMFILE
		ln := &failingListener{Listener: w.listen("127.0.0.1:0"), errs: []error{full, full, syscall.ECONNABORTED, full, full, full, full, full, full, full, full}}
		served := make(chan error, 1)
		go func() { served <- r.Serve(ln) }()
		client := w.own(w.dial(ln.Addr().String()))
		server := accept()
		send(w.t, client, server, "at last")
		check(w.t, r.Close())
		check(w.t, <-served)
		var waits []string
		for i, at := range ln.times[1:] {
			waits = append(waits, at.Sub(ln.times[i]).String())
		}
		const want = "5ms 10ms 0s 20ms 40ms 80ms 160ms 320ms 640ms 1s 1s 0s"
		if got := strings.Join(waits, " "); !strings.HasPrefix(got, want) {
			w.t.Errorf("accepted after %s, want %s", got, want)
		}
		if n := strings.Count(log.String(), "cannot accept"); n != 1 {
			w.t.Errorf("%d warnings, want 1:\n%s", n, &log)
		}

		// Anything else is the end, and waiting is not.
		r = must(relay.New(svc, w.options...))
		broken := errors.New("broken")
		err := r.Serve(&failingListener{Listener: w.listen("127.0.0.1:0"), errs: []error{broken}})
		if !errors.Is(err, broken) {
			w.t.Errorf("Serve() = %v, want %v", err, broken)
		}
		go func() {
			served <- r.Serve(&failingListener{Listener: w.listen("127.0.0.1:0"), errs: []error{full, full, full, full, full, full, full, full, full}})
		}()
		time.Sleep(2 * time.Second)
		t0 := time.Now()
		check(w.t, r.Close())
		check(w.t, <-served)
		if time.Since(t0) != 0 {
			w.t.Error("Close waited for an accept that waits for descriptors")
		}
	})
}

// TestLog checks the debug log, one line for a connection and one for each failed attempt.
func TestLog(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		nobody := w.nobody()
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		b := w.relay([]string{nobody, addr}, relay.WithLogger(nil), relay.WithLogger(log),
			relay.WithDialer(func(ctx context.Context, network, a string) (net.Conn, error) {
				if a == nobody {
					return nil, errors.New("connection refused")
				}
				return w.dial(a)
			}))
		client, server := b.pair(accept)
		send(w.t, client, server, "hello")
		client.Close()
		server.Close()
		b.record()
		synctest.Wait()
		want := fmt.Sprintf(`level=INFO msg=listening group=tcp/%[1]s addr=%[1]s
level=DEBUG msg="connect failed" group=tcp/%[1]s backend=%[2]s err="connection refused"
level=DEBUG msg="connection ended" group=tcp/%[1]s client=%[4]s backend=%[3]s reason=finished in=5 out=0 total=0s err=<nil>
`, b.addr, nobody, addr, client.LocalAddr())
		if out.String() != want {
			w.t.Errorf("log\n%swant\n%s", &out, want)
		}
	})
}

func TestCollect(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{w.nobody(), addr})
		client, server := b.pair(accept)
		send(w.t, client, server, "hello")
		got := map[string]float64{}
		b.relay.Collect(func(name string, kind byte, value float64, labels ...string) {
			if (kind == 'c') != strings.HasSuffix(name, "_total") || len(labels)%2 != 0 {
				w.t.Errorf("%s has kind %c and labels %q", name, kind, labels)
			}
			got[name+" "+strings.Join(labels[2:], " ")] = value
		})
		for name, want := range map[string]float64{
			"mainstay_relay_connections_open ":                         1,
			"mainstay_relay_connections_accepted_total ":               1,
			"mainstay_relay_connections_ended_total reason finished":   0,
			"mainstay_relay_connections_ended_total reason no_connect": 0,
			"mainstay_relay_connect_failures_total ":                   1,
			"mainstay_relay_retries_total ":                            1,
			"mainstay_relay_spliced_bytes_total ":                      0,
			"mainstay_relay_pipes_open ":                               0,
		} {
			if v, ok := got[name]; !ok || v != want {
				w.t.Errorf("%s = %v (%v), want %v", name, v, ok, want)
			}
		}
		s := b.relay.Snapshot()
		if s.Group != b.svc.Name() || s.VIP.String() != b.addr || s.Listeners != 1 || s.Open != 1 || len(s.Ended) != 8 {
			w.t.Errorf("snapshot %+v", s)
		}
	})
}
