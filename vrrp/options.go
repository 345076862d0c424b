package vrrp

import (
	"errors"
	"fmt"
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
	family       Family
	transport    Transport
	addresses    AddressManager
	onTransition []func(Transition)
	announcer    Announcer
	source       netip.Addr // of WithUnicast
	peers        []Peer     // likewise; none: multicast, or those of the transport
	virtualMAC   bool
	vips         []netip.Prefix // of WithVIPs, for Update
	dialect      dialect
	log          *slog.Logger
	wall         func() time.Time // for display and HMAC only; tests replace it

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
	namedVIPs
	namedProfile
)

// updatable is what Router.Update takes.
const updatable = namedPriority | namedInterval | namedPreempt | namedPreemptDelay

var optionNames = []string{
	"WithPriority", "WithInterval", "WithPreempt", "WithPreemptDelay", "WithFamily", "WithStartupDelay",
	"WithDownTimerAdverts", "WithHMAC", "WithTransport", "WithAddresses", "WithOnTransition", "WithLogger",
	"WithVersion", "WithPassword", "WithChecksum", "WithAnnounce", "WithAnnouncePlan", "WithUnicast", "WithVirtualMAC",
	"WithVIPs", "a profile",
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
	if u, ok := t.(*UDP); ok && u == nil {
		t = nil
	}
	return func(c *config) { c.transport, c.named = t, c.named|namedTransport }
}

// WithAddresses sets who installs and removes the virtual addresses. Default:
// nobody; the state is all there is.
func WithAddresses(m AddressManager) Option {
	return func(c *config) { c.addresses, c.named = m, c.named|namedAddresses }
}

// WithOnTransition calls f for each transition, in order, on one goroutine that
// does nothing else. f may call every method of the router but Run. If it is
// slow, 1,024 transitions wait, and then the latest only; [Router.Run] returns
// after the last call.
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

// WithUnicast sends adverts to peers only, and takes them from nobody else.
// source is where they come from; the zero Addr leaves the choice to the
// transport. [Router.Update] may change the peers.
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

// WithVIPs replaces the virtual addresses, for [Router.Update].
func WithVIPs(vips ...netip.Prefix) Option {
	return func(c *config) { c.vips, c.named = slices.Clone(vips), c.named|namedVIPs }
}

// WithLogger sets the logger; default none, which is also what nil means.
// Transitions are logged at Info, what an operator should look at at Warn,
// failures at Error.
func WithLogger(log *slog.Logger) Option {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(c *config) { c.log, c.named = log, c.named|namedLogger }
}

// bound is a Transport that brings a key and knows its family.
type bound interface {
	hmacKey() HMACKey
	family() Family
}

var _ bound = (*UDP)(nil)

// validate reports every problem of a configuration at once.
func (c *config) validate(vrid uint8, vips []netip.Prefix) error {
	errs := c.settings.validate()
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("vrrp: "+format, args...)) }
	if vrid == 0 {
		bad("VRID 0 is outside 1..255")
	}
	if c.named&namedFamily != 0 && c.family != IPv4 && c.family != IPv6 {
		bad("family %v is neither IPv4 nor IPv6", c.family)
	}
	family := c.familyFor(vips)
	if c.transport == nil {
		bad("a transport is needed, see WithTransport")
	}
	if b, ok := c.transport.(bound); ok {
		if family != 0 && family != b.family() {
			bad("the virtual router is %v, the transport is %v", family, b.family())
		}
	}
	return errors.Join(append(errs, checkVIPs(family, vips), c.checkDialect(family))...)
}

func (s *settings) validate() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("vrrp: "+format, args...)) }
	if s.priority == 0 {
		bad("priority 0 is outside 1..255")
	}
	if err := checkInterval(s.version, s.interval); err != nil {
		errs = append(errs, err)
	}
	if s.preemptDelay < 0 {
		bad("preempt delay %v is negative", s.preemptDelay)
	}
	if s.startupDelay < 0 {
		bad("startup delay %v is negative", s.startupDelay)
	}
	if s.adverts < 1 || s.adverts > 100 {
		bad("%d down timer adverts are outside 1..100", s.adverts)
	}
	return errs
}

// familyFor is the family of the router, or 0 if the transport will tell.
func (c *config) familyFor(vips []netip.Prefix) Family {
	if c.family == 0 && len(vips) > 0 {
		return familyOf(vips[0].Addr())
	}
	if b, ok := c.transport.(bound); ok && c.family == 0 {
		return b.family()
	}
	if c.family == 0 && c.version == version2 {
		return IPv4 // the only one it has
	}
	return c.family
}

// checkVIPs refuses addresses that cannot be advertised, and repeated ones.
func checkVIPs(f Family, vips []netip.Prefix) error {
	if len(vips) == 0 {
		return nil
	}
	for _, p := range vips {
		if !p.IsValid() {
			return fmt.Errorf("vrrp: virtual address %v is not an address with a prefix length", p)
		}
	}
	addrs := addrsOf(vips)
	errs := []error{checkAddrs(f, addrs)}
	for i, a := range addrs {
		if slices.Contains(addrs[:i], a) {
			errs = append(errs, fmt.Errorf("vrrp: virtual address %v is listed twice", a))
		}
	}
	return errors.Join(errs...)
}

// addrsOf returns the addresses of prefixes.
func addrsOf(vips []netip.Prefix) []netip.Addr {
	addrs := make([]netip.Addr, len(vips))
	for i, p := range vips {
		addrs[i] = p.Addr()
	}
	return addrs
}
