package vrrp

// Keepalived makes a router behave as keepalived does where this package would
// not and both are sound. Options after it override it:
//
//   - A preempt delay is followed by the rest of the down interval
//     (preempt_delay).
//   - A better advert is not answered before the router leaves
//     (higher_prio_send_advert off).
//   - The addresses are not announced again after the second burst
//     (garp_master_refresh 0).
//   - Adverts of version 3 over IPv4 carry the checksum with a pseudo-header,
//     whatever others send.
//
// The version stays 3; a router beside a keepalived that is not told otherwise
// needs WithVersion(2). A router that leaves keeps the addresses until its heir
// advertises, which keepalived does not.
func Keepalived() Option {
	return func(c *config) {
		c.named |= namedProfile
		c.quirks = quirks{preemptRest: true, silentOnYield: true}
		c.plan = AnnouncePlan{Refresh: -1}
		c.dialect.checksum = PseudoHeader
	}
}

// StrictRFC9568 makes a router do what RFC 9568 says and nothing beside it.
// Options after it override it:
//
//   - A router that resigns removes the addresses first, and does not wait for
//     an heir. [Router.Yield] then returns [ErrNoHeir].
//   - A better advert is not answered before the router leaves.
//   - The addresses are announced once.
//   - Adverts over IPv4 carry the checksum without a pseudo-header, which
//     keepalived and FRR drop unless they are told to expect it
//     (v3_checksum_as_v2).
func StrictRFC9568() Option {
	return func(c *config) {
		c.named |= namedProfile
		c.quirks = quirks{removeFirst: true, silentOnYield: true}
		c.plan = AnnouncePlan{Burst: 1, Repeat: -1, Refresh: -1}
		c.dialect.checksum = MessageOnly
	}
}
