package relay_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/lvs"
	"github.com/mainstay-ha/mainstay/lvs/relay"
)

var (
	vip1 = netip.MustParseAddrPort("192.0.2.10:80")
	vip2 = netip.MustParseAddrPort("192.0.2.10:443")
)

func TestNewPlaneRefuses(t *testing.T) {
	if p, err := relay.NewPlane(nil, relay.WithConnectTries(0)); p != nil || err == nil || !strings.Contains(err.Error(), "relay: connect tries 0") {
		t.Errorf("NewPlane() = %v, %v, want an error", p, err)
	}
	p := must(relay.NewPlane(nil))
	udp := must(lvs.NewService(lvs.UDP, vip1, lvs.WithName("dns")))
	if _, err := lvs.NewDirector(p, udp); err == nil || err.Error() != "lvs: plane relay cannot carry dns: it carries tcp, not udp" {
		t.Errorf("NewDirector() = %v", err)
	}
	// Without a director to ask first.
	for _, spec := range []lvs.ServiceSpec{{Name: "dns", Protocol: lvs.UDP, VIP: vip1, Service: udp}, {Name: "web", Protocol: lvs.TCP, VIP: vip1}} {
		if err := p.Apply(t.Context(), []lvs.ServiceSpec{spec}); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), spec.Name) {
			t.Errorf("Apply(%s) = %v", spec.Name, err)
		}
	}
	check(t, p.Close())
}

// spec is what a director says of a service.
func spec(s *lvs.Service) lvs.ServiceSpec {
	return lvs.ServiceSpec{Name: s.Name(), Protocol: s.Protocol(), VIP: s.VIP(), Service: s}
}

func TestPlane(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		newService := func(name string, vip netip.AddrPort) *lvs.Service {
			s := must(lvs.NewService(lvs.TCP, vip, lvs.WithName(name)))
			check(w.t, s.Add(netip.MustParseAddrPort(addr)))
			return s
		}
		listeners := map[string]net.Listener{}
		broken := map[string]error{}
		p := must(relay.NewPlane(func(_ context.Context, addr string) (net.Listener, error) {
			if err := broken[addr]; err != nil {
				return nil, err
			}
			ln := w.listen(addr)
			listeners[addr] = ln
			return ln, nil
		}, w.options...))
		pair := func(vip netip.AddrPort) (client, server duplex) {
			w.t.Helper()
			client = w.own(w.dial(vip.String()))
			server = accept()
			send(w.t, client, server, "hello")
			return client, server
		}
		refuses := func(vip netip.AddrPort) {
			w.t.Helper()
			if c, err := w.dial(vip.String()); !errors.Is(err, syscall.ECONNREFUSED) {
				c.Close()
				w.t.Errorf("%v: %v, want refused", vip, err)
			}
		}
		apply := func(specs ...lvs.ServiceSpec) error { return p.Apply(w.t.Context(), specs) }
		web, tls := newService("web", vip1), newService("tls", vip2)

		check(w.t, apply(spec(web)))
		c1, s1 := pair(vip1)
		refuses(vip2)

		// An address that cannot be had is named, the others are served; it is tried again.
		broken[vip2.String()] = syscall.EADDRNOTAVAIL
		err := apply(spec(web), spec(tls))
		if !errors.Is(err, syscall.EADDRNOTAVAIL) || !strings.HasPrefix(err.Error(), "relay: tls: ") {
			w.t.Errorf("Apply() = %v", err)
		}
		pair(vip1)
		delete(broken, vip2.String())
		check(w.t, apply(spec(web), spec(tls)))
		check(w.t, apply(spec(tls), spec(web)))
		pair(vip2)
		if got := len(listeners); got != 2 {
			w.t.Errorf("%d listeners, want 2", got)
		}

		// A service that goes frees its address at once, and its connections go on.
		check(w.t, apply(spec(tls)))
		refuses(vip1)
		send(w.t, s1, c1, "still here")
		if s := p.Snapshot(); len(s.Relays) != 1 || s.Relays[0].VIP != vip2 || s.Relays[0].Open != 1 || s.Draining != 2 {
			w.t.Errorf("snapshot %+v", s)
		}

		// Another one may take it. A listener that failed is made again.
		other := newService("other", vip1)
		check(w.t, apply(spec(other), spec(tls)))
		c2, s2 := pair(vip1)
		if got := other.Snapshot().Active; got != 1 {
			w.t.Errorf("%d connections of the new service, want 1", got)
		}
		listeners[vip1.String()].Close()
		synctest.Wait()
		refuses(vip1)
		check(w.t, apply(spec(other), spec(tls)))
		pair(vip1)
		send(w.t, s2, c2, "still here")
		groups := map[string]bool{}
		p.Collect(func(_ string, _ byte, _ float64, labels ...string) { groups[labels[1]] = true })
		if len(groups) != 2 || !groups["other"] || !groups["tls"] {
			w.t.Errorf("metrics of %v", groups)
		}

		// The end.
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
		defer cancel()
		t0 := time.Now()
		err = p.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(t0) != time.Minute {
			w.t.Errorf("Shutdown() = %v after %v", err, time.Since(t0))
		}
		if strings.Count(err.Error(), "connections cut") != 4 { // web, tls, and other's two
			w.t.Errorf("Shutdown() = %v", err)
		}
		wantReset(w.t, c1)
		wantReset(w.t, s2)
		refuses(vip1)
		refuses(vip2)
		if err := apply(spec(web)); !errors.Is(err, net.ErrClosed) {
			w.t.Errorf("Apply() = %v after Shutdown, want net.ErrClosed", err)
		}
		check(w.t, p.Close())
		check(w.t, p.Close())
	})
}

// TestDirector runs a plane as its users do.
func TestDirector(t *testing.T) {
	inMemory(t, func(w *world) {
		addr, accept := w.backend()
		web := must(lvs.NewService(lvs.TCP, vip1))
		p := must(relay.NewPlane(func(_ context.Context, addr string) (net.Listener, error) { return w.listen(addr), nil }, w.options...))
		d := must(lvs.NewDirector(p, web))
		ctx, cancel := context.WithCancel(w.t.Context())
		ran := make(chan error, 1)
		go func() { ran <- d.Run(ctx) }()
		synctest.Wait()

		wantReset(w.t, w.own(w.dial(vip1.String()))) // no destination yet
		check(w.t, web.Add(netip.MustParseAddrPort(addr)))
		client := w.own(w.dial(vip1.String()))
		server := accept()
		send(w.t, client, server, "hello")

		cancel()
		check(w.t, <-ran)
		send(w.t, client, server, "still here") // the plane is the caller's to shut down
		client.Close()
		server.Close()
		check(w.t, p.Shutdown(w.t.Context()))
	})
}
