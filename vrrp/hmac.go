package vrrp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mainstay-ha/mainstay/internal/option"
)

// HMACOption refines [WithHMAC].
type HMACOption func(*signing)

// signing is how adverts are signed.
type signing struct {
	active    HMACKey
	also      []HMACKey
	mode      hmacMode
	monotonic bool
	window    time.Duration // 0: follows the interval
	err       error         // of the options
}

type hmacMode uint8

const (
	enforce     hmacMode = iota
	permissive           // unsigned adverts are accepted
	receiveOnly          // and sent
)

// WithHMAC signs every advertisement with the key active, and drops what is not
// signed. Default: none, or the key that the transport brings, which this one
// replaces. It cannot be combined with [WithPassword].
//
// The proof is a trailer after the advert, HMAC-SHA256 as in
// draft-cassen-vrrp-auth-hmac, for both versions and families, unicast and
// multicast. The layout is that of keepalived 2.4.2 and later (auth_hmac);
// whether they understand each other has not been tested. Over UDP the source
// port is signed too.
//
// Every advert is signed with the time, and a receiver drops one that is older
// or newer than the window of [HMACWindow], or not newer than the last from the
// same speaker. So the speakers' clocks must agree within the window. A mark
// that a wrong clock has left falls out of the window when the clock is right
// again.
//
// To bring signatures to a running virtual router without a gap, take all its
// speakers to [HMACReceiveOnly], then all to [HMACPermissive], then all to the
// default. To change the key, let all know the new one by [HMACAlso], then make
// it the active one everywhere, then drop the old one.
func WithHMAC(active HMACKey, opts ...HMACOption) Option {
	s := signing{active: active}
	s.err = option.Apply(&s, opts)
	return func(c *config) { c.dialect.signing, c.named = &s, c.named|namedHMAC }
}

// HMACAlso accepts adverts signed with further keys. Ids are unique.
func HMACAlso(keys ...HMACKey) HMACOption {
	return func(s *signing) { s.also = append(slices.Clip(s.also), keys...) }
}

// HMACPermissive signs, and accepts adverts without a trailer; one with a
// trailer must be right.
func HMACPermissive() HMACOption { return func(s *signing) { s.mode = permissive } }

// HMACReceiveOnly does not sign, and accepts adverts without a trailer; one with
// a trailer must be right.
func HMACReceiveOnly() HMACOption { return func(s *signing) { s.mode = receiveOnly } }

// HMACMonotonic does without clocks that agree: an advert must be newer than the
// last from the same speaker, whatever its time. The price: a router that has
// just begun believes the first one, which may be an old one sent again, and a
// speaker whose clock was set back before it restarted is not heard until its
// clock has caught up. All speakers must do the same.
func HMACMonotonic() HMACOption { return func(s *signing) { s.monotonic = true } }

// HMACWindow sets how far the speakers' clocks may differ, 1s to 300s. Default:
// three advertisement intervals, at least 5s and at most 300s.
func HMACWindow(d time.Duration) HMACOption { return func(s *signing) { s.window = d } }

// Bounds of HMACWindow, and the least that is chosen without it.
const (
	minWindow     = time.Second
	maxWindow     = 300 * time.Second
	defaultWindow = 5 * time.Second
)

// windowFor is the window where adverts come every interval.
func (s *signing) windowFor(interval time.Duration) time.Duration {
	if s.window != 0 {
		return s.window
	}
	return min(max(3*interval, defaultWindow), maxWindow)
}

// keys are all keys that are accepted, the active one first.
func (s *signing) keys() []HMACKey { return append([]HMACKey{s.active}, s.also...) }

// validate reports every problem.
func (s *signing) validate() error {
	if s.active.id == 0 {
		return errors.New("vrrp: WithHMAC without a key")
	}
	var errs []error
	if s.err != nil {
		errs = append(errs, fmt.Errorf("vrrp: WithHMAC: %w", s.err))
	}
	var known [256]bool
	for _, k := range s.keys() {
		switch {
		case k.id == 0:
			errs = append(errs, errors.New("vrrp: HMACAlso without a key"))
		case known[k.id]:
			errs = append(errs, fmt.Errorf("vrrp: WithHMAC: two keys have the id %d", k.id))
		}
		known[k.id] = true
	}
	switch {
	case s.window != 0 && (s.window < minWindow || s.window > maxWindow):
		errs = append(errs, fmt.Errorf("vrrp: HMAC window %v is outside %v..%v", s.window, minWindow, maxWindow))
	case s.window != 0 && s.monotonic:
		errs = append(errs, errors.New("vrrp: HMACWindow has no meaning with HMACMonotonic"))
	}
	return errors.Join(errs...)
}
