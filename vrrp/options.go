package vrrp

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Option configures a [Router]; see [New] and [Router.Update].
type Option func(*config)

// config is everything that options set.
type config struct {
	settings
	vips         []netip.Prefix
	transport    Transport
	addresses    AddressManager
	onTransition []func(Transition)
	announcer    Announcer
	source       netip.Addr // of WithUnicast
	peers        []Peer     // likewise; none: multicast, or those of the transport
	family       Family
	virtualMAC   bool
	dynamic      bool
	dialect      dialect
	log          *slog.Logger
	wall         func() time.Time // for display and HMAC only; tests replace it
	core         func(core) core  // nil but in tests

	named named // options used since it was last cleared
}

// named is a set of options.
type named uint32

const (
	namedPriority named = 1 << iota
	namedInterval
	namedPreempt
	namedPreemptDelay
	namedFamily
	namedStartupDelay
	namedDownTimerAdverts
	namedHMAC
	namedTransport
	namedAddresses
	namedOnTransition
	namedLogger
	namedVersion
	namedPassword
	namedChecksum
	namedAnnounce
	namedAnnouncePlan
	namedUnicast
	namedVirtualMAC
	namedDynamic
	namedStandby
	namedVIPs
	namedProfile
)

var optionNames = []string{
	"WithPriority", "WithInterval", "WithPreempt", "WithPreemptDelay", "WithFamily", "WithStartupDelay",
	"WithDownTimerAdverts", "WithHMAC", "WithTransport", "WithAddresses", "WithOnTransition", "WithLogger",
	"WithVersion", "WithPassword", "WithChecksum", "WithAnnounce", "WithAnnouncePlan", "WithUnicast", "WithVirtualMAC",
	"WithDynamicInterface", "WithStandby", "WithVIPs", "a profile",
}

// String lists the options.
func (n named) String() string {
	var out []string
	for i, name := range optionNames {
		if n&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

func defaults() config {
	return config{
		settings: settings{priority: 100, interval: time.Second, preempt: true, adverts: 3, version: version3},
		log:      slog.New(slog.DiscardHandler),
		wall:     time.Now,
	}
}

// WithPriority sets the priority, 1 to 255, default 100. The speaker with the
// highest one is to be Active. 255 is for the owner of the addresses: it is
// Active at once. Between others leave a gap: two priorities that differ by 1
// wait only 1/256 of an interval apart.
func WithPriority(priority uint8) Option {
	return func(c *config) { c.priority, c.named = priority, c.named|namedPriority }
}

// WithInterval sets the time between advertisements, 10ms to 40.95s in whole
// centiseconds, default 1s; 1s to 255s in whole seconds in version 2. A Backup takes over after three intervals of
// silence and up to one more, the less the higher its priority. Give all
// speakers the same: a Backup follows the interval of the Active router, but
// counts each difference as an error.
func WithInterval(d time.Duration) Option {
	return func(c *config) { c.interval, c.named = d, c.named|namedInterval }
}

// WithPreempt tells whether a Backup takes over from an Active router with a
// lower priority (Preempt_Mode), default true. It takes over from a silent or
// resigning one in any case. Priority 255 always preempts.
func WithPreempt(on bool) Option {
	return func(c *config) { c.preempt, c.named = on, c.named|namedPreempt }
}

// WithPreemptDelay makes a Backup tolerate an Active router with a lower
// priority for that long since it first heard it, then take over at exactly
// that moment; 0 or more, default 0. It never delays the takeover from a silent
// router. This is keepalived's preempt_delay, except that keepalived waits for
// the rest of the down interval too.
func WithPreemptDelay(d time.Duration) Option {
	return func(c *config) { c.preemptDelay, c.named = d, c.named|namedPreemptDelay }
}

// WithStartupDelay makes [Router.Run] stay in Initialize for that long, deaf and
// silent; 0 or more, default 0. It is for networks that lose packets after
// boot.
func WithStartupDelay(d time.Duration) Option {
	return func(c *config) { c.startupDelay, c.named = d, c.named|namedStartupDelay }
}

// WithDownTimerAdverts sets how many advertisements may be missing, 1 to 100,
// default 3 as in RFC 9568. All speakers must agree.
func WithDownTimerAdverts(n int) Option {
	return func(c *config) { c.adverts, c.named = n, c.named|namedDownTimerAdverts }
}

// WithFamily sets the address family of the virtual router. Default: that of
// its addresses, and that of the transport if it has none.
func WithFamily(f Family) Option {
	return func(c *config) { c.family, c.named = f, c.named|namedFamily }
}

// WithTransport sets how the router meets the others. Every router needs one.
func WithTransport(t Transport) Option {
	switch p := t.(type) {
	case *UDP:
		if p == nil {
			t = nil
		}
	case *Raw:
		if p == nil {
			t = nil
		}
	}
	return func(c *config) { c.transport, c.named = t, c.named|namedTransport }
}

// WithAddresses sets who installs and removes the virtual addresses. Default:
// nobody; the state is all there is.
func WithAddresses(m AddressManager) Option {
	return func(c *config) { c.addresses, c.named = m, c.named|namedAddresses }
}

// WithOnTransition calls f for each transition, in order, on one goroutine that
// does nothing else and lives while there is something to tell. Given several
// times, all are called, in order. f may call every method of the router but
// Run. If it is slow, 1,024 transitions wait, and then the latest only;
// [Router.Run] returns after the last call.
func WithOnTransition(f func(Transition)) Option {
	return func(c *config) {
		c.named |= namedOnTransition
		if f != nil {
			c.onTransition = append(slices.Clip(c.onTransition), f)
		}
	}
}

// WithAnnounce sets who tells the neighbours where the addresses are. Default:
// nobody.
func WithAnnounce(a Announcer) Option {
	return func(c *config) { c.announcer, c.named = a, c.named|namedAnnounce }
}

// WithAnnouncePlan sets when they are told; see [AnnouncePlan] for the default.
func WithAnnouncePlan(p AnnouncePlan) Option {
	return func(c *config) { c.plan, c.named = p, c.named|namedAnnouncePlan }
}

// WithUnicast sends adverts to peers only, at least one, and takes them from
// nobody else (keepalived's unicast_peer, and unicast_src_ip for source). source
// is where they come from, an address of this host; the zero Addr leaves the
// choice to the transport. [Router.Update] may change the peers, not the source.
// It cannot be combined with [WithVirtualMAC] or [UDPTransport]. Default:
// multicast, or the peers that the transport has.
func WithUnicast(source netip.Addr, peers ...Peer) Option {
	return func(c *config) {
		c.source, c.peers, c.named = source, slices.Clone(peers), c.named|namedUnicast
	}
}

// WithVirtualMAC makes the router answer for its addresses with the virtual MAC
// of RFC 9568 section 7.3, 00-00-5E-00-01-VRID (02 for IPv6), and send adverts
// from it. Default: the MAC of the interface. The transport, the address manager
// and the announcer must all support it.
func WithVirtualMAC() Option {
	return func(c *config) { c.virtualMAC, c.named = true, c.named|namedVirtualMAC }
}

// WithStandby makes every Run begin on standby, as after [Router.Yield]: the
// router claims priority 1 and does not preempt until [Router.Resume]. It is for a
// host that is to stay out of the way over a restart. Default: false.
func WithStandby(on bool) Option {
	return func(c *config) { c.standby, c.named = on, c.named|namedStandby }
}

// WithDynamicInterface lets [Router.Run] begin, in Fault, while the interface
// does not exist (keepalived's dynamic_interfaces). Default: Run returns an error;
// once it has begun, the interface may go and come in any case.
func WithDynamicInterface() Option {
	return func(c *config) { c.dynamic, c.named = true, c.named|namedDynamic }
}

// WithVIPs replaces the virtual addresses, for [Router.Update]; [New] refuses it.
// The rules of New hold for them, and the family stays.
func WithVIPs(vips ...netip.Prefix) Option {
	return func(c *config) { c.vips, c.named = slices.Clone(vips), c.named|namedVIPs }
}

// WithLogger sets the logger; default none, which is also what nil means.
// Transitions are logged at Info, what an operator should look at at Warn,
// failures at Error. Its handler is called by the goroutine that runs the
// router, and must not wait for the router: Update, Yield and Resume do.
func WithLogger(log *slog.Logger) Option {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(c *config) { c.log, c.named = log, c.named|namedLogger }
}
