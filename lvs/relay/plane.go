package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"runtime/pprof"
	"slices"
	"sync"

	"github.com/mainstay-ha/mainstay/lvs"
)

// A Plane is an [lvs.Plane] in user space: one listener and one [Relay] for each TCP service that a director wants. It needs
// no privilege but that of listening on the services' addresses.
//
// What a service's destinations are it asks the service, so nothing but services that come and go is work for it.
type Plane struct {
	listen ListenFunc
	cfg    config

	ctx    context.Context // ends, with the cause, when connections of retired relays are forced to
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // Serve of each relay, and Shutdown of each retired one

	mu      sync.Mutex // guards what follows, and is held while listeners are made and closed
	closed  bool
	relays  map[netip.AddrPort]*served
	retired map[*served]struct{} // not wanted any more, with connections left
	errs    []error              // of connections that Shutdown cut
}

// A ListenFunc makes the listener of a service's address, like [Listen].
type ListenFunc func(ctx context.Context, address string) (net.Listener, error)

// served is a relay and how its Serve ended.
type served struct {
	*Relay
	done chan struct{} // closed when Serve returned
	err  error         // what it returned; read after done
}

var _ lvs.Plane = (*Plane)(nil)

// NewPlane makes a plane whose relays have these options. A nil listen means [Listen]; one of your own can hand out
// inherited sockets, or listen on an address that this host does not have yet.
func NewPlane(listen ListenFunc, opts ...Option) (*Plane, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if listen == nil {
		listen = Listen
	}
	p := &Plane{listen: listen, cfg: cfg, relays: make(map[netip.AddrPort]*served), retired: make(map[*served]struct{})}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p, nil
}

// Capabilities says that the plane carries TCP with any scheduler.
func (p *Plane) Capabilities() lvs.Capabilities {
	return lvs.Capabilities{Name: "relay", Protocols: []lvs.Protocol{lvs.TCP}}
}

// Apply listens for the services that are new and stops accepting for those that are not wanted any more, whose
// connections go on until they end or the plane is shut down. A listener that failed since is made again. When some
// addresses cannot be listened on, Apply serves the others and returns an error that names those.
func (p *Plane) Apply(ctx context.Context, want []lvs.ServiceSpec) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("relay: apply: %w", net.ErrClosed)
	}
	wanted := make(map[netip.AddrPort]*lvs.Service, len(want))
	var errs []error
	for _, w := range want {
		if w.Protocol != lvs.TCP || w.Service == nil {
			errs = append(errs, &lvs.RefusedError{Plane: "relay", Service: w.Name, Reason: "it is not a TCP service of this program"})
			continue
		}
		wanted[w.VIP] = w.Service
	}
	for vip, s := range p.relays {
		if wanted[vip] != s.svc || s.failed() {
			p.lockedRetire(vip)
		}
	}
	for vip, svc := range wanted {
		if p.relays[vip] != nil {
			continue
		}
		ln, err := p.listen(ctx, vip.String())
		if err != nil {
			errs = append(errs, fmt.Errorf("relay: %s: %w", svc.Name(), err))
			continue
		}
		s := &served{Relay: newRelay(svc, p.cfg), done: make(chan struct{})}
		p.relays[vip] = s
		p.wg.Go(func() {
			defer close(s.done)
			s.err = s.Serve(ln)
		})
	}
	return errors.Join(errs...)
}

func (s *served) failed() bool {
	select {
	case <-s.done:
		return s.err != nil
	default:
		return false
	}
}

// lockedRetire takes a relay out of service: when it returns, the address is free again. The caller holds mu.
func (p *Plane) lockedRetire(vip netip.AddrPort) {
	s := p.relays[vip]
	delete(p.relays, vip)
	p.retired[s] = struct{}{}
	s.stop()
	<-s.done
	p.wg.Go(func() {
		pprof.SetGoroutineLabels(labelled)
		err := s.Shutdown(p.ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.retired, s)
		if err != nil {
			p.errs = append(p.errs, err)
		}
	})
}

// Shutdown stops accepting for all services and lets the connections end by themselves. When ctx ends first, the rest is
// reset and Shutdown returns an error that wraps the context's. Apply fails with [net.ErrClosed] from then on.
func (p *Plane) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	for vip := range p.relays {
		p.lockedRetire(vip)
	}
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { p.cancel(context.Cause(ctx)) })
	defer stop()
	p.wg.Wait()
	p.cancel(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.errs...)
}

// Close resets all connections, closes all listeners and waits until their goroutines are gone. It is idempotent and
// returns nil. It must not be called from an access log.
func (p *Plane) Close() error {
	p.cancel(net.ErrClosed)
	p.Shutdown(p.ctx) // which says how many were cut, as was asked for here
	return nil
}

// A PlaneSnapshot is a plane at one instant, for JSON.
type PlaneSnapshot struct {
	Relays   []Snapshot `json:"relays"`   // of the services that are wanted, by address
	Draining int        `json:"draining"` // connections of services that are not wanted any more
}

// Snapshot returns what the plane does.
func (p *Plane) Snapshot() PlaneSnapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PlaneSnapshot{Relays: make([]Snapshot, 0, len(p.relays))}
	for _, r := range p.relays {
		s.Relays = append(s.Relays, r.Snapshot())
	}
	slices.SortFunc(s.Relays, func(a, b Snapshot) int { return a.VIP.Compare(b.VIP) })
	for r := range p.retired {
		s.Draining += r.Snapshot().Open
	}
	return s
}

// Collect emits the metrics of the relays of all services that are wanted; see [Relay.Collect].
func (p *Plane) Collect(emit func(name string, kind byte, value float64, labels ...string)) {
	p.mu.Lock()
	relays := slices.Collect(maps.Values(p.relays))
	p.mu.Unlock()
	for _, r := range relays {
		r.Collect(emit)
	}
}
