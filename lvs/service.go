package lvs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// A Service is a virtual service: a protocol, an address and port, and the destinations that share its connections.
// It holds no socket and starts no goroutine; a plane asks it or is told by a [Director]. All methods may be called
// from several goroutines.
type Service struct {
	proto Protocol
	vip   netip.AddrPort
	name  string
	sched Scheduler
	log   *slog.Logger // with the group
	plain *slog.Logger // without

	picker  picker
	byFlow  flowPicker // the picker again, if it looks at the connection
	current atomic.Pointer[members]
	refused atomic.Uint64
	books   books

	mu       sync.Mutex // guards the configuration of all destinations and what follows; never held by Pick
	byID     map[string]*Dest
	byAddr   map[netip.AddrPort]*Dest
	watchers map[chan<- struct{}]struct{}
}

// NewService makes a service without destinations. The port must not be 0, since a service for all ports needs persistence
// and that is not built yet; the address may be unspecified where the plane can listen on all of them.
func NewService(proto Protocol, vip netip.AddrPort, opts ...ServiceOption) (*Service, error) {
	vip = unmap(vip)
	cfg := serviceConfig{
		name:      proto.String() + "/" + vip.String(),
		scheduler: RoundRobin(),
		log:       slog.New(slog.DiscardHandler),
	}
	var errs []error
	if err := option.Apply(&cfg, opts); err != nil {
		errs = append(errs, err)
	}
	if !proto.valid() {
		errs = append(errs, fmt.Errorf("unknown %v", proto))
	}
	if !vip.Addr().IsValid() || vip.Addr().IsMulticast() {
		errs = append(errs, errors.New("the address is not one that a client can connect to"))
	}
	if vip.Port() == 0 {
		errs = append(errs, errors.New("port 0 needs persistence, which is not built yet"))
	}
	errs = append(errs, cfg.scheduler.validate())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("lvs: service %s: %w", cfg.name, err)
	}
	s := &Service{
		proto: proto, vip: vip, name: cfg.name, sched: cfg.scheduler, log: cfg.log.With("group", cfg.name), plain: cfg.log,
		picker:   cfg.scheduler.start(),
		byID:     make(map[string]*Dest),
		byAddr:   make(map[netip.AddrPort]*Dest),
		watchers: make(map[chan<- struct{}]struct{}),
	}
	s.byFlow, _ = s.picker.(flowPicker)
	s.current.Store(newMembers(nil))
	return s, nil
}

// Name returns the service's name; it is the group of its destinations.
func (s *Service) Name() string { return s.name }

// Protocol returns the service's protocol.
func (s *Service) Protocol() Protocol { return s.proto }

// VIP returns the address and port that clients connect to.
func (s *Service) VIP() netip.AddrPort { return s.vip }

// Pick chooses the destination of a new connection, or returns [ErrNoDest]. It allocates nothing and waits for no
// lock, unless a scheduler of your own does. What it returns may be removed a moment later; the connection may still go there.
//
// To try another destination when one cannot be reached, name those already tried in except: where the scheduler insists
// on one of them, the next eligible one in list order takes its place.
func (s *Service) Pick(f Flow, except ...*Dest) (*Dest, error) {
	var m *members
	var i int
	if s.byFlow != nil {
		m, i = s.byFlow.pickFlow(&s.current, f)
	} else {
		m, i = s.picker.pick(&s.current)
	}
	if i >= 0 && len(except) > 0 && slices.Contains(except, m.list[i].dest) {
		i = m.next(i, except...)
	}
	if i < 0 {
		if len(except) == 0 {
			s.refused.Add(1)
		}
		return nil, ErrNoDest
	}
	return m.list[i].dest, nil
}

// Add puts a destination at the head of the list, as the kernel does. Its ID is the address unless [ID] says otherwise.
// [ErrDuplicate] means that the ID or the address is taken.
func (s *Service) Add(addr netip.AddrPort, opts ...DestOption) error {
	addr = unmap(addr)
	cfg := destConfig{id: addr.String(), weight: 1}
	err := errors.Join(option.Apply(&cfg, opts), cfg.validate())
	if a := addr.Addr(); !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || addr.Port() == 0 {
		err = errors.Join(err, fmt.Errorf("%v is not an address and port to connect to", addr))
	}
	if err != nil {
		return s.opError("add", cfg.id, err)
	}
	if !s.insert(&Dest{service: s, id: cfg.id, addr: addr, weight: cfg.weight}) {
		return s.opError("add", cfg.id, ErrDuplicate)
	}
	s.log.Info("destination added", "backend", cfg.id, "addr", addr, "weight", cfg.weight)
	return nil
}

func (s *Service) insert(d *Dest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[d.id] != nil || s.byAddr[d.addr] != nil {
		return false
	}
	s.byID[d.id], s.byAddr[d.addr] = d, d
	list := append([]member{d.lockedMember()}, s.current.Load().list...)
	s.lockedSwap(newMembers(list), change{added, 0})
	return true
}

// Update changes what the options name and keeps the rest; on an error, such as [ErrUnknown], it changes nothing. The ID
// cannot be changed.
func (s *Service) Update(id string, opts ...DestOption) error {
	return s.edit("update", id, func(d *Dest) error {
		cfg := destConfig{id: d.id, weight: d.weight}
		if err := errors.Join(option.Apply(&cfg, opts), cfg.validate()); err != nil {
			return err
		}
		if cfg.id != d.id {
			return errors.New("the ID cannot change")
		}
		d.weight = cfg.weight
		return nil
	})
}

// SetWeight sets the weight, 0 to [MaxWeight], as [Service.Update] does with [Weight].
func (s *Service) SetWeight(id string, weight int) error { return s.Update(id, Weight(weight)) }

// Remove takes the destination out of the service. Its connections are the plane's affair; their counters go with it.
func (s *Service) Remove(id string) error {
	if !s.remove(id) {
		return s.opError("remove", id, ErrUnknown)
	}
	s.log.Info("destination removed", "backend", id)
	return nil
}

func (s *Service) remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.byID[id]
	if d == nil {
		return false
	}
	delete(s.byID, id)
	delete(s.byAddr, d.addr)
	old := s.current.Load()
	at := old.index(d)
	s.lockedSwap(newMembers(slices.Delete(slices.Clone(old.list), at, at+1)), change{removed, at})
	return true
}

// SetHealth records what one health source says. The destination takes new connections while no source says that it is down;
// a source that never spoke does not count, and none overrules another. A destination that is down stays in the list with
// weight 0 and keeps its connections, as with keepalived's inhibit_on_failure. cause explains a verdict of down in logs and
// snapshots; it may be nil. An ID that the service does not have is [ErrUnknown].
func (s *Service) SetHealth(id, source string, up bool, cause error) error {
	var was, is bool
	err := s.edit("set health", id, func(d *Dest) error {
		if source == "" {
			return errors.New("the health source has no name")
		}
		was = d.lockedUp()
		if d.health == nil {
			d.health = make(map[string]verdict)
		}
		v, known := d.health[source]
		if !known || v.up != up {
			v.since = time.Now()
		}
		v.up, v.cause = up, cause
		d.health[source] = v
		is = d.lockedUp()
		return nil
	})
	switch {
	case was && !is:
		attrs := []any{"backend", id, "source", source}
		if cause != nil {
			attrs = append(attrs, "err", cause)
		}
		s.log.Info("destination down", attrs...)
	case !was && is:
		s.log.Info("destination up", "backend", id, "source", source)
	}
	return err
}

// Drain, when on, keeps new connections away from the destination and leaves those it has; when off, ends that.
// It is apart from weight and health, which keep their values.
func (s *Service) Drain(id string, on bool) error {
	var was bool
	err := s.edit("drain", id, func(d *Dest) error {
		was, d.drained = d.drained, on
		return nil
	})
	if err == nil && was != on {
		s.log.Info("destination drain", "backend", id, "on", on)
	}
	return err
}

// edit changes one destination and publishes what a picker or a plane sees of that. On an error f must have changed nothing.
func (s *Service) edit(op, id string, f func(*Dest) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.byID[id]
	if d == nil {
		return s.opError(op, id, ErrUnknown)
	}
	if err := f(d); err != nil {
		return s.opError(op, id, err)
	}
	old := s.current.Load()
	at, next := old.index(d), d.lockedMember()
	if old.list[at] == next {
		return nil
	}
	list := slices.Clone(old.list)
	list[at] = next
	s.lockedSwap(newMembers(list), change{edited, at})
	return nil
}

// lockedSwap publishes a new membership and wakes the watchers. The caller holds mu.
func (s *Service) lockedSwap(next *members, c change) {
	s.picker.swap(&s.current, next, c)
	for w := range s.watchers {
		select {
		case w <- struct{}{}:
		default: // one wake is under way already, and it will see this change too
		}
	}
}

// watch has wake signalled, without blocking, after every change of the membership until unwatch.
func (s *Service) watch(wake chan<- struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[wake] = struct{}{}
}

func (s *Service) unwatch(wake chan<- struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, wake)
}

func (s *Service) opError(op, id string, err error) error {
	return fmt.Errorf("lvs: %s: %s %s: %w", s.name, op, id, err)
}

// unmap turns an IPv4-mapped IPv6 address into the IPv4 one that it stands for.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
