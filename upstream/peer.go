package upstream

import "sync/atomic"

// Backend is one peer of a [Pool]. The pointer is its identity: it stays the
// same while the id and the address stay, so callers may key connections by it.
// All methods are safe for concurrent use.
type Backend struct {
	// What a pick reads of every peer comes first and close together. Guarded
	// by the pool's mu; gate is also read and ended written without it.
	gate        atomic.Uint32
	current     int64        // smooth round robin's running weight
	effective   int64        // weight less the penalty of recent failures, recovering
	weight      int64        // the configured one, or a share of it in a slow start
	begun       int64        // leases given out
	ended       atomic.Int64 // leases given back
	maxConns    int64
	checked     int64 // start of the fail_timeout window
	failTimeout int64

	// Guarded by the pool's mu.
	accessed int64 // the last failure
	fails    int64 // failures in the window
	maxFails int64
	selected int64 // the last pick
	failed   int64 // the last failure, charged or not
	failures uint64
	free     uint64
	pass     uint64
	unavail  uint64 // times the peer became temporarily disabled
	changed  int64  // the last change of state
	lastErr  error

	lastStatus int32   // of the last failure
	rising     bool    // a slow start is on the way
	ramp       ramp    // the slow start
	nominal    int64   // the configured weight; in the pool's unit, as the others
	record     *record // of an outlier detection, nil without

	sticky atomic.Pointer[string] // nil until needed; written under the pool's config mutex

	// Set once.
	pool    *Pool
	memo    *memo // of rules that remember, else nil
	id      string
	network string
	addr    string

	// Guarded by the pool's config mutex.
	spec   spec
	health map[string]verdict
	order  int   // of the server in the configuration
	from   *name // that has this address, nil for a server that is no name
}

// The reasons why a pick has to look closer at a peer, or may not take it.
// Written under the pool's mu.
const (
	gateDown    uint32 = 1 << iota // configured down
	gateDrain                      // told to drain
	gateHealth                     // a health source says down
	gateGone                       // removed from the pool
	gateFails                      // fails >= max_fails: wait for the window
	gateCap                        // has a max_conns
	gateFailed                     // fails > 0: a success may clear it
	gateEjected                    // ejected as an outlier
	gatePanic                      // health is ignored

	gateOut  = gateDown | gateDrain | gateHealth | gateGone | gateEjected
	gatePick = gateOut | gateFails | gateCap
	gateSick = gateHealth | gateEjected | gateFails
)

// newBackend returns a backend in its first state.
func (p *Pool) newBackend(s *spec) *Backend {
	b := &Backend{pool: p, id: s.id, spec: *s, order: p.names.next()}
	b.network, b.addr = s.dial()
	if p.memos {
		b.memo = new(memo)
	}
	b.effective = int64(s.weight) * p.unit
	b.weight = b.effective
	if p.outlier != nil {
		b.record = new(record)
	}
	b.adoptLocked(s, p.Now()) // nobody else sees b yet
	return b
}

// adoptLocked takes over a configuration. The caller holds the pool's mu.
func (b *Backend) adoptLocked(s *spec, now int64) {
	b.nominal = int64(s.weight) * b.pool.unit
	b.ramp.span = int64(s.slowStart)
	if b.rising {
		b.climbLocked(now)
	} else {
		b.weighLocked(b.nominal)
	}
	b.maxConns = int64(s.maxConns)
	b.maxFails = int64(s.maxFails)
	b.failTimeout = int64(s.failTimeout)
	if b.pool.hints || b.sticky.Load() != nil {
		id := s.stickyID()
		b.sticky.Store(&id)
	}
	was := b.gate.Load()
	b.setLocked(gateDown, s.down)
	b.setLocked(gateCap, s.maxConns > 0)
	b.failedLocked()
	is := b.gate.Load()
	if (was^is)&(gateDown|gateFails) != 0 {
		b.changed = now
	}
	if was&^is&(gateDown|gateFails) != 0 {
		b.riseLocked(now)
	}
}

// leaveLocked marks a backend that the membership no longer has. The caller
// holds the pool's mu.
func (b *Backend) leaveLocked() {
	b.setLocked(gateGone, true)
	b.landLocked()
}

// ID names the backend inside its group; by default the address as configured.
func (b *Backend) ID() string { return b.id }

// Group is the name of the pool.
func (b *Backend) Group() string { return b.pool.name }

// Network is "tcp", or "unix" for a "unix:/path" address.
func (b *Backend) Network() string { return b.network }

// Addr is the address to dial on [Backend.Network]: "host:port", or the path
// of the socket. A host name is left for the dialer to resolve.
func (b *Backend) Addr() string { return b.addr }

// Gone reports that the backend has left the pool. Requests in flight go on;
// idle connections to it can be closed.
func (b *Backend) Gone() bool { return b.gate.Load()&gateGone != 0 }

// answer is what a peer says to a pick.
type answer uint8

const (
	yes  answer = iota
	no          // not eligible
	full        // eligible but for max_conns
)

// admit decides for a peer whose gate g is not clear. The caller holds mu.
func (b *Backend) admit(g uint32, now int64) answer {
	if g&gatePanic != 0 {
		g &^= gateSick
	}
	switch {
	case g&gateOut != 0:
		return no
	case g&gateFails != 0 && now-b.checked <= b.failTimeout:
		return no
	case g&gateCap != 0 && b.connsLocked() >= b.maxConns:
		return full
	}
	return yes
}

// backLocked is when a peer that is out for a time may be picked again, 0 for a
// peer that is in, or out for good. The caller holds the pool's mu.
func (b *Backend) backLocked() (at int64) {
	g := b.gate.Load()
	if g&(gateOut&^gateEjected) != 0 {
		return 0
	}
	if g&gateFails != 0 {
		at = b.checked + b.failTimeout + 1
	}
	if g&gateEjected != 0 {
		at = max(at, b.record.until)
	}
	return at
}

// connsLocked is the number of leases in hand. It can only shrink while the
// caller holds the pool's mu.
func (b *Backend) connsLocked() int64 { return b.begun - b.ended.Load() }

// setLocked switches bits of the gate. The caller holds the pool's mu.
func (b *Backend) setLocked(bits uint32, on bool) {
	g := b.gate.Load()
	if on {
		g |= bits
	} else {
		g &^= bits
	}
	b.gate.Store(g)
}

// failedLocked brings the gate in line with the failures. The caller holds the
// pool's mu.
func (b *Backend) failedLocked() {
	b.setLocked(gateFailed, b.fails > 0)
	b.setLocked(gateFails, b.maxFails > 0 && b.fails >= b.maxFails)
}
