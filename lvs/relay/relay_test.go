package relay_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/mainstay-ha/mainstay/lvs"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

func TestNewRefuses(t *testing.T) {
	vip := netip.MustParseAddrPort("192.0.2.10:53")
	tcp, udp := must(lvs.NewService(lvs.TCP, vip)), must(lvs.NewService(lvs.UDP, vip))
	for _, tt := range []struct {
		name string
		svc  *lvs.Service
		opts []relay.Option
		want []string
	}{
		{"no service", nil, nil, []string{"no service"}},
		{"protocol", udp, nil, []string{"udp/192.0.2.10:53: the relay carries tcp, not udp"}},
		{"connect timeout", tcp, []relay.Option{relay.WithConnectTimeout(0)}, []string{"connect timeout 0s is not positive"}},
		{"all at once", nil, []relay.Option{relay.WithConnectTries(0), relay.WithIdleTimeout(-1), relay.WithMaxConns(-1), relay.WithMaxPipes(-1)},
			[]string{"connect tries 0", "idle timeout -1ns", "max connections -1", "max pipes -1", "no service"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := relay.New(tt.svc, tt.opts...)
			if r != nil || err == nil {
				t.Fatalf("New() = %v, %v, want an error", r, err)
			}
			for _, part := range append(tt.want, "relay: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestRelay(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})
		client, server := b.pair(accept)
		send(t, client, server, "question")
		send(t, server, client, "the answer")
		send(t, server, client, "and more")

		want := lvs.Counters{Active: 1, Total: 1, Conns: 1, InBytes: 8, OutBytes: 18}
		w.until(func() bool { // bytes are counted a moment after they arrive
			snap := b.svc.Snapshot()
			return snap.Counters == want && snap.Dests[0].Counters == want
		})
		client.Close()
		wantEOF(w.t, server)
		server.Close()
		r := b.record()
		if r.Client.String() != client.LocalAddr().String() || r.Group != b.svc.Name() || r.Backend != addr || r.Addr.String() != addr || r.Tries != 1 ||
			r.In != 8 || r.Out != 18 || r.Reason != relay.Finished || r.Err != nil ||
			r.Connect <= 0 != w.bubble || r.Total < r.Connect || r.Start.IsZero() {
			w.t.Errorf("record %+v", r)
		}
	})
}

func TestHalfClose(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})
		for _, tt := range []struct {
			name  string
			roles func(client, server duplex) (first, second duplex)
		}{
			{"client first", func(c, s duplex) (duplex, duplex) { return c, s }},
			{"server first", func(c, s duplex) (duplex, duplex) { return s, c }},
		} {
			client, server := b.pair(accept)
			first, second := tt.roles(client, server)
			send(w.t, second, first, "hello")
			send(w.t, first, second, "that is all")
			check(w.t, first.CloseWrite())
			wantEOF(w.t, second)
			if c := b.svc.Snapshot().Counters; c.Active != 0 || c.Inactive != 1 {
				w.t.Errorf("%s: half closed: %d active, %d inactive, want 0 and 1 as in FIN_WAIT", tt.name, c.Active, c.Inactive)
			}
			for range 3 {
				send(w.t, second, first, "there is more on this side")
			}
			check(w.t, second.CloseWrite())
			wantEOF(w.t, first)
			wantReason(w.t, b.record(), relay.Finished)
		}
		if c := b.svc.Snapshot().Counters; c.Total != 0 || c.Conns != 2 {
			w.t.Errorf("books at the end %+v", c)
		}
	})
}

func TestReset(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})

		client, server := b.pair(accept)
		send(w.t, client, server, "question")
		client.SetLinger(0)
		client.Close()
		wantReset(w.t, server)
		wantReason(w.t, b.record(), relay.ClientLost)

		client, server = b.pair(accept)
		send(w.t, client, server, "question")
		server.SetLinger(0)
		server.Close()
		wantReset(w.t, client)
		wantReason(w.t, b.record(), relay.ServerLost)

		// After the client's half of the stream is complete, too.
		client, server = b.pair(accept)
		check(w.t, client.CloseWrite())
		wantEOF(w.t, server)
		server.SetLinger(0)
		server.Close()
		wantReset(w.t, client)
		wantReason(w.t, b.record(), relay.ServerLost)
		if c := b.svc.Snapshot().Counters; c.Total != 0 || c.Conns != 3 || c.Failed != 0 {
			w.t.Errorf("books %+v", c)
		}
	})
}

func TestNoDestination(t *testing.T) {
	worlds(t, func(w *world) {
		addr, _ := w.backend()
		b := w.relay([]string{addr})
		check(w.t, b.svc.SetWeight(addr, 0))
		b.wantRefused()
		r := b.record()
		wantReason(w.t, r, relay.NoDest)
		if !errors.Is(r.Err, lvs.ErrNoDest) || r.Tries != 0 || r.Backend != "" {
			w.t.Errorf("record %+v", r)
		}
		if s := b.svc.Snapshot(); s.Refused != 1 || s.Conns != 0 {
			w.t.Errorf("books %+v", s)
		}
	})
}

func TestConnectRetry(t *testing.T) {
	worlds(t, func(w *world) {
		good, accept := w.backend()
		bad := []string{w.nobody(), w.nobody(), w.nobody()}
		b := w.relay([]string{bad[0], bad[1], good}, relay.WithConnectTries(3))
		client, server := b.pair(accept)
		send(w.t, client, server, "question")
		client.Close()
		server.Close()
		r := b.record()
		wantReason(w.t, r, relay.Finished)
		if r.Tries != 3 || r.Backend != good {
			w.t.Errorf("record %+v", r)
		}
		snap := b.svc.Snapshot()
		if snap.Failed != 2 || snap.Dests[0].Failed != 1 || snap.Dests[1].Failed != 1 || snap.Dests[2].Failed != 0 || snap.Total != 0 {
			w.t.Errorf("books %+v", snap)
		}
		if s := b.relay.Snapshot(); s.ConnectFailures != 2 || s.Retries != 2 {
			w.t.Errorf("relay %+v", s)
		}

		// As many as allowed refuse, though one more would not; and then there is nobody else to ask.
		b = w.relay([]string{bad[0], bad[1], good}, relay.WithConnectTries(2))
		b.wantRefused()
		r = b.record()
		wantReason(w.t, r, relay.NoConnect)
		if r.Tries != 2 || r.Err == nil || r.Backend != "" {
			w.t.Errorf("record %+v", r)
		}
		b = w.relay(bad[:2], relay.WithConnectTries(9))
		b.wantRefused()
		if r = b.record(); r.Tries != 2 || r.Reason != relay.NoConnect {
			w.t.Errorf("record %+v", r)
		}
	})
}

func TestMaxConns(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr}, relay.WithMaxConns(1))
		client, server := b.pair(accept)
		send(w.t, client, server, "hello")
		b.wantRefused()
		send(w.t, client, server, "still here")
		client.Close()
		server.Close()
		b.record()
		if s := b.relay.Snapshot(); s.Ended["limited"] != 1 || s.Ended["finished"] != 1 || s.Accepted != 2 {
			w.t.Errorf("relay %+v", s)
		}
		// A free place is a place again. The last one leaves a moment after its record.
		w.until(func() bool { return b.relay.Snapshot().Open == 0 })
		client, server = b.pair(accept)
		send(w.t, client, server, "hello")
	})
}

func TestShutdownDrains(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})
		client, server := b.pair(accept)
		send(w.t, client, server, "hello")
		done := make(chan error, 1)
		go func() { done <- b.relay.Shutdown(context.Background()) }()
		if err := <-b.served; err != nil {
			w.t.Errorf("Serve() = %v, want nil", err)
		}
		b.served <- nil
		if c, err := w.dial(b.addr); err == nil {
			c.Close()
			w.t.Error("a drained relay accepts")
		}
		send(w.t, client, server, "still here")
		send(w.t, server, client, "me too")
		select {
		case err := <-done:
			w.t.Fatalf("Shutdown() = %v with a connection open", err)
		default:
		}
		client.Close()
		wantEOF(w.t, server)
		server.Close()
		if err := <-done; err != nil {
			w.t.Errorf("Shutdown() = %v, want nil", err)
		}
		wantReason(w.t, b.record(), relay.Finished)
		ln := w.listen("127.0.0.1:0")
		if err := b.relay.Serve(ln); err != nil {
			w.t.Errorf("Serve() = %v after Shutdown, want nil", err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			w.t.Errorf("Serve did not close the listener: Accept() = %v", err)
		}
	})
}

func TestShutdownForces(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})
		client, server := b.pair(accept)
		client2, server2 := b.pair(accept)
		send(w.t, client, server, "hello")
		send(w.t, client2, server2, "hello")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := b.relay.Shutdown(ctx)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 connections cut") {
			w.t.Errorf("Shutdown() = %v", err)
		}
		for _, c := range []net.Conn{client, server, client2, server2} {
			wantReset(w.t, c)
		}
		wantReason(w.t, b.record(), relay.Forced)
		wantReason(w.t, b.record(), relay.Forced)
		for range 2 {
			check(w.t, b.relay.Close())
			check(w.t, b.relay.Shutdown(context.Background()))
		}
		if s := b.relay.Snapshot(); s.Open != 0 || s.Listeners != 0 || s.PipesOpen != 0 {
			w.t.Errorf("relay %+v", s)
		}
		if c := b.svc.Snapshot().Counters; c.Total != 0 || c.Active != 0 {
			w.t.Errorf("books %+v", c)
		}
	})
}

// TestListenerClosed: somebody else closes the listener; connections go on.
func TestListenerClosed(t *testing.T) {
	worlds(t, func(w *world) {
		addr, accept := w.backend()
		b := w.relay([]string{addr})
		client, server := b.pair(accept)
		send(w.t, client, server, "hello")

		other := w.listen("127.0.0.1:0")
		served := make(chan error, 1)
		go func() { served <- b.relay.Serve(other) }()
		c := w.own(w.dial(other.Addr().String())) // a second listener of the same relay
		s := accept()
		send(w.t, c, s, "hello")
		other.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "relay: accept: ") {
			w.t.Errorf("Serve() = %v, want net.ErrClosed", err)
		}
		send(w.t, client, server, "still here")
		send(w.t, s, c, "me too")
	})
}

// TestNoHalfClose: where one side cannot be closed one way, the end of the other's stream ends both.
func TestNoHalfClose(t *testing.T) {
	w := tcpWorld(t)
	addr, accept := w.backend()
	svc := must(lvs.NewService(lvs.TCP, vip1))
	check(t, svc.Add(netip.MustParseAddrPort(addr)))
	r := must(relay.New(svc))
	client, front := net.Pipe()
	ln := &oneListener{conn: front, closed: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- r.Serve(ln) }()
	server := accept()
	send(t, client, server, "hello")
	server.CloseWrite()
	wantEOF(t, client)
	wantEOF(t, server)
	check(t, r.Close())
	check(t, <-served)
}

// oneListener accepts one connection. Its address is of no use.
type oneListener struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
