package upstream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Snapshot is the state of a pool at one moment, for people and for JSON.
// Each backend is consistent in itself; traffic goes on between two of them.
type Snapshot struct {
	Group      string `json:"group"`      // the pool's name
	Balancer   string `json:"balancer"`   // nginx's name of the rule
	Generation uint64 `json:"generation"` // grows by one with each change of the configuration
	NoPeer     uint64 `json:"no_peer"`    // picks that ended with ErrNoPeer
	Busy       uint64 `json:"busy"`       // picks that ended with ErrBusy
	Leaving    int64  `json:"leaving"`    // requests in flight on removed backends

	Waiting      int    `json:"waiting"`       // requests in the queue
	Queued       uint64 `json:"queued"`        // requests that had to wait
	QueueFull    uint64 `json:"queue_full"`    // picks that ended with ErrQueueFull
	QueueTimeout uint64 `json:"queue_timeout"` // picks that ended with ErrQueueTimeout
	Retrying     int64  `json:"retrying"`      // retries in flight that the budget counts
	Retries      uint64 `json:"retries"`       // retries begun that the budget counts
	OverBudget   uint64 `json:"over_budget"`   // picks that ended with ErrBudget
	Panicking    bool   `json:"panicking"`     // health is ignored
	Panics       uint64 `json:"panics"`        // times that began

	Backends []BackendSnapshot `json:"backends"` // in configured order

	Names []NameSnapshot `json:"names,omitempty"` // servers that are resolved, in configured order
}

// NameSnapshot is what is known of a server given with [Resolve] or [Service].
type NameSnapshot struct {
	ID        string    `json:"backend"`          // of the server
	Name      string    `json:"name"`             // what is asked for
	Kind      string    `json:"kind"`             // "SRV", or "A and AAAA" or the one asked for
	Resolved  bool      `json:"resolved"`         // there has been an address
	Addresses []string  `json:"addresses"`        // the last good ones, with ports
	Looked    time.Time `json:"looked,omitzero"`  // the last lookup
	Next      time.Time `json:"next,omitzero"`    // the next lookup; past while it is under way
	Changed   time.Time `json:"changed,omitzero"` // the last change of the addresses
	Err       string    `json:"err,omitempty"`    // why the last lookups did not do
	Lookups   uint64    `json:"lookups"`          // lookups ended, of an SRV record's targets too
	Failures  uint64    `json:"failures"`         // lookups that failed; that there are no records is an answer
}

// BackendSnapshot is the state of one backend. Times that never came are absent.
type BackendSnapshot struct {
	ID          string        `json:"backend"`          // unique in the group
	Addr        string        `json:"addr"`             // as configured
	Backup      bool          `json:"backup"`           // stands by until no primary is eligible
	Weight      int           `json:"weight"`           // as configured
	Effective   int           `json:"effective_weight"` // the weight less the penalty of recent failures
	MaxConns    int           `json:"max_conns"`        // 0 for none
	MaxFails    int           `json:"max_fails"`        // 0 for never
	FailTimeout time.Duration `json:"fail_timeout"`     // nanoseconds
	Priority    int           `json:"priority"`         // the tier, 0 first; of no effect for a backup

	StickyID     string        `json:"sticky_id,omitempty"`    // with Sticky: what names it
	ResponseTime time.Duration `json:"response_time,omitzero"` // with LeastTime: the average it goes by, nanoseconds

	State  State            `json:"state"`            // takes requests, or why not
	Since  time.Time        `json:"since,omitzero"`   // when the state last changed
	Why    string           `json:"why,omitempty"`    // not up: the reason in words, with the last error
	Active int64            `json:"active"`           // requests in flight
	Fails  int64            `json:"fails"`            // failures in the present window
	Retry  time.Duration    `json:"retry,omitzero"`   // unavailable: until the next probe, nanoseconds
	Health []HealthSnapshot `json:"health,omitempty"` // what the health sources say, by name

	Share   float64           `json:"share,omitzero"`   // in a slow start: of the weight, below 1
	Ejected *EjectionSnapshot `json:"ejected,omitzero"` // ejected as an outlier: why and until when

	Requests    uint64    `json:"requests"`              // attempts begun
	Failures    uint64    `json:"failures"`              // attempts ended with Failure
	Free        uint64    `json:"free"`                  // attempts ended with Free
	Pass        uint64    `json:"pass"`                  // attempts ended with Pass
	Unavailable uint64    `json:"unavailable"`           // times the failures reached max_fails
	Selected    time.Time `json:"selected,omitzero"`     // the last attempt begun
	LastFailure time.Time `json:"last_failure,omitzero"` // the last attempt ended with Failure
	LastError   string    `json:"last_error,omitempty"`  // Request.Cause of that attempt
	LastStatus  int       `json:"last_status,omitzero"`  // Request.Status of that attempt
	Ejections   uint64    `json:"ejections"`             // times the peer was ejected
}

// EjectionSnapshot is the present ejection of a backend.
type EjectionSnapshot struct {
	Reason string    `json:"reason"` // consecutive_5xx, consecutive_gateway_failure or success_rate
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Times  int       `json:"times"` // what the ejection time was multiplied by
}

// HealthSnapshot is what one health source says of a backend.
type HealthSnapshot struct {
	Source string    `json:"source"`
	Up     bool      `json:"up"`
	Cause  string    `json:"cause,omitempty"` // as SetHealth was told
	Since  time.Time `json:"since"`           // when the source changed its mind last
}

// State says whether a backend takes requests, and if not, the first reason.
type State string

// The states of a backend, a stronger reason before a weaker one.
const (
	StateDown        State = "down"        // configured down
	StateUnhealthy   State = "unhealthy"   // a health source says down
	StateDraining    State = "draining"    // told to drain
	StateEjected     State = "ejected"     // an outlier, out for a time
	StateUnavailable State = "unavailable" // max_fails reached: out, or waiting for its probe
	StateUp          State = "up"          // none of them: it takes requests
)

// Snapshot returns the state of the pool.
func (p *Pool) Snapshot() Snapshot {
	p.config.Lock()
	defer p.config.Unlock()
	p.forgetLeft()
	v := p.view.Load()
	s := Snapshot{
		Group:      p.name,
		Balancer:   p.bal.String(),
		Generation: v.generation,
		Backends:   make([]BackendSnapshot, 0, len(v.all)),
	}
	now := p.Now()
	p.mu.Lock()
	if now >= p.due {
		p.tendLocked(now)
	}
	for _, b := range p.leaving {
		s.Leaving += b.connsLocked()
	}
	s.NoPeer, s.Busy = p.noPeer, p.busy
	s.Waiting, s.Queued, s.QueueFull, s.QueueTimeout = p.queue.n, p.queued, p.queueFull, p.queueTimeout
	s.Retrying, s.Retries, s.OverBudget = p.retries.Load(), p.retried, p.overBudget
	s.Panicking, s.Panics = p.panicking, p.panics
	p.mu.Unlock()
	for _, b := range v.all {
		s.Backends = append(s.Backends, p.status(b, now))
	}
	for _, n := range p.names.all {
		s.Names = append(s.Names, n.status())
	}
	return s
}

// status reads one backend. The caller holds p.config.
func (p *Pool) status(b *Backend, now int64) BackendSnapshot {
	s := BackendSnapshot{
		ID:          b.id,
		Addr:        b.spec.address,
		Backup:      b.spec.backup,
		Weight:      b.spec.weight,
		MaxConns:    b.spec.maxConns,
		MaxFails:    b.spec.maxFails,
		FailTimeout: b.spec.failTimeout,
		Priority:    b.spec.priority,
	}
	for source, h := range b.health {
		v := HealthSnapshot{Source: source, Up: h.up, Since: h.since}
		if h.cause != nil {
			v.Cause = h.cause.Error()
		}
		s.Health = append(s.Health, v)
	}
	slices.SortFunc(s.Health, func(x, y HealthSnapshot) int { return cmp.Compare(x.Source, y.Source) })

	p.mu.Lock()
	gate := b.gate.Load()
	s.Effective = int((b.effective + p.unit - 1) / p.unit)
	if b.rising {
		s.Share = float64(b.weight) / float64(b.nominal)
	}
	if rec := b.record; rec != nil {
		s.Ejections = rec.ejections
		if gate&gateEjected != 0 {
			s.Ejected = &EjectionSnapshot{rec.reason, p.at(rec.since), p.at(rec.until), rec.times}
		}
	}
	s.LastStatus = int(b.lastStatus)
	s.Active = b.connsLocked()
	s.Fails = b.fails
	s.Requests, s.Failures, s.Free, s.Pass = uint64(b.begun), b.failures, b.free, b.pass
	s.Unavailable = b.unavail
	left := b.checked + b.failTimeout - now
	if p.hints {
		s.StickyID = *b.sticky.Load()
	}
	if b.memo != nil {
		s.ResponseTime = time.Duration(b.memo.average.load() * timeStep)
	}
	changed, selected, failed, err := b.changed, b.selected, b.failed, b.lastErr
	p.mu.Unlock()

	s.State = stateOf(gate)
	if s.State == StateUnavailable {
		s.Retry = max(0, time.Duration(left))
	}
	s.Since, s.Selected, s.LastFailure = p.at(changed), p.at(selected), p.at(failed)
	if err != nil {
		s.LastError = err.Error()
	}
	s.Why = s.why()
	return s
}

// why says in words what keeps the backend from taking requests.
func (s *BackendSnapshot) why() string {
	switch s.State {
	case StateDown:
		return "configured down"
	case StateUnhealthy:
		var down []string
		for _, h := range s.Health {
			if h.Up {
				continue
			}
			if h.Cause == "" {
				h.Cause = "down"
			}
			down = append(down, h.Source+": "+h.Cause)
		}
		return strings.Join(down, "; ")
	case StateDraining:
		return fmt.Sprintf("draining, %d requests in flight", s.Active)
	case StateEjected:
		return s.last(s.Ejected.Reason)
	case StateUnavailable:
		return s.last(fmt.Sprintf("%d failures in a window of %v", s.Fails, s.FailTimeout))
	}
	return ""
}

// last adds what the last failure was.
func (s *BackendSnapshot) last(why string) string {
	switch {
	case s.LastError != "":
		return why + ", the last: " + s.LastError
	case s.LastStatus != 0:
		return fmt.Sprintf("%s, the last: status %d", why, s.LastStatus)
	}
	return why
}

// stateOf names the first reason in a gate.
func stateOf(gate uint32) State {
	switch {
	case gate&gateDown != 0:
		return StateDown
	case gate&gateHealth != 0:
		return StateUnhealthy
	case gate&gateDrain != 0:
		return StateDraining
	case gate&gateEjected != 0:
		return StateEjected
	case gate&gateFails != 0:
		return StateUnavailable
	}
	return StateUp
}

// at turns a time of the pool's clock into a date; 0 is never.
func (p *Pool) at(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return p.base.Add(time.Duration(ns)).Round(0)
}
