package upstream

import (
	"log/slog"
	"math/rand/v2"
	"time"
)

// Option configures a [Pool] in [New].
type Option func(*config)

// ServerOption configures one backend, in [WithServer], [Pool.Add] and
// [Pool.Update].
type ServerOption func(*spec)

// config collects what New was given.
type config struct {
	name     string
	balancer Balancer
	log      *slog.Logger
	servers  []spec
	seed     *rand.PCG // nil for a random one
	resolve  resolveConfig
	errs     []error

	admission
}

// WithName sets the group: the name of the pool in logs, metrics and
// snapshots; not empty, without spaces. Default "default".
func WithName(group string) Option { return func(c *config) { c.name = group } }

// WithServer adds a backend. The address is "host:port" with a port from 1 to
// 65535 and an IPv6 host in brackets, or "unix:/path". A host name is resolved
// by whoever dials it, or by the pool: see [Resolve]. The id is the address as given, unless [ID] says
// otherwise. Repeatable; the order counts, ties go to the earlier one.
func WithServer(addr string, opts ...ServerOption) Option {
	return func(c *config) { c.servers = append(c.servers, newSpec(addr, opts)) }
}

// WithBalancer sets the rule of choice, for primaries and backups alike.
// Default [RoundRobin].
func WithBalancer(b Balancer) Option { return func(c *config) { c.balancer = b } }

// WithLogger sets where transitions are logged, with the attributes group and
// backend: at Info, and at Warn when the last eligible peer is gone. Default:
// nowhere, which is also what nil means.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// ID names the backend inside its group; not empty, without spaces. Default the
// address as given.
func ID(id string) ServerOption { return func(s *spec) { s.id, s.named = id, true } }

// Address moves a backend to another address; only in [Pool.Update]. The backend
// at the old address leaves the pool and one with fresh state takes its id; see
// [Pool.Update].
func Address(addr string) ServerOption { return func(s *spec) { s.address, s.moved = addr, true } }

// Weight sets the backend's share, from 1 to 65535. Default 1.
func Weight(w int) ServerOption { return func(s *spec) { s.weight = w } }

// MaxFails sets how many failures within [FailTimeout] disable the backend
// temporarily (nginx: max_fails); 0 or more. Default 1; 0 never disables it.
func MaxFails(n int) ServerOption { return func(s *spec) { s.maxFails = n } }

// FailTimeout sets both the window in which [MaxFails] failures must fall and
// how long the backend then stays out (nginx: fail_timeout); 0 or more.
// Afterwards one request per window probes it. Default 10s.
func FailTimeout(d time.Duration) ServerOption { return func(s *spec) { s.failTimeout = d } }

// MaxConns limits the requests in flight from this pool to the backend (nginx:
// max_conns); 0 or more. It is never exceeded. Default 0, no limit.
func MaxConns(n int) ServerOption { return func(s *spec) { s.maxConns = n } }

// Backup makes the backend stand by until no other is eligible, of whatever
// [Priority].
func Backup() ServerOption { return func(s *spec) { s.backup = true } }

// Primary takes [Backup] back in an Update. It is the default.
func Primary() ServerOption { return func(s *spec) { s.backup = false } }

// Priority puts the backend into a tier, from 0 to 254: peers of priority 1 are
// asked when none of priority 0 is eligible, and so on. Every balancer runs its
// rule inside one tier at a time. A request that reached a tier does not go back
// to an earlier one. Default 0, the primaries. [Backup] is the tier after all of
// them: a backup's priority has no effect, and holds again after [Primary].
func Priority(n int) ServerOption { return func(s *spec) { s.priority = n } }

// Resolve makes the server a name that is resolved at run time, and again and
// again (nginx: resolve): each of its addresses becomes a peer with all the
// options of the server, its full weight too, and the id name/ip:port, where name
// is [ID], or the host; it has to be unique in the pool, and no other id may begin
// with it and a slash. See [Pool.Run]. Without it, or for an IP address, the
// dialer gets the address as given.
func Resolve() ServerOption { return func(s *spec) { s.resolve = true } }

// Service makes the server a name whose SRV records are resolved at run time, as
// with [Resolve] (nginx: service). The address is then a host without a port. A
// service without a dot, as http, stands for _http._tcp of the host; one with a
// dot is put before the host as it is. Records of the lowest priority become
// primaries and the others backups; of a server that is a [Backup], the lowest
// become backups and the others are not used. A record's weight is that of the
// peer unless [Weight] gives another than 1; weight 0 counts as 1.
func Service(name string) ServerOption {
	return func(s *spec) { s.resolve, s.service, s.served = true, name, true }
}

// Down takes the backend out of service by configuration.
func Down() ServerOption { return func(s *spec) { s.down = true } }

// Up takes [Down] back in an Update. It is the default.
func Up() ServerOption { return func(s *spec) { s.down = false } }
