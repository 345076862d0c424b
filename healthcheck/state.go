package healthcheck

import (
	"fmt"
	"time"
)

// State is what the manager holds of a target.
type State uint8

const (
	// Unknown: no check has passed or failed yet.
	Unknown State = iota
	// Down: it failed Fall times in a row, or its first check failed.
	Down
	// Up: it passed Rise times in a row, or its first check passed.
	Up
)

// String returns "unknown", "down" or "up".
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Down:
		return "down"
	case Up:
		return "up"
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText is String; it makes the JSON of a snapshot readable.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (s *State) UnmarshalText(b []byte) error {
	for _, v := range []State{Unknown, Down, Up} {
		if v.String() == string(b) {
			*s = v
			return nil
		}
	}
	return fmt.Errorf("healthcheck: unknown state %q", b)
}

// verdict is the state machine of one target: HAProxy's health counter, one
// number from 0 to rise+fall-1, up from rise on. The zero verdict has no
// result yet.
type verdict struct {
	health int32
	known  bool
}

// step counts one result and reports whether the state changed. The first
// result decides alone. After that a failure costs a point and, once below
// rise, all of them; a pass earns a point and, once at rise, all of them: so
// only results in a row add up.
func (v *verdict) step(p *Policy, pass bool) (changed bool) {
	rise := int32(p.Rise)
	last := rise + int32(p.Fall) - 1
	before := v.state(p)
	switch {
	case !v.known && pass:
		v.health = last
	case !v.known:
		v.health = 0
	case pass:
		v.health++
		if v.health >= rise {
			v.health = last
		}
	default:
		v.health--
		if v.health < rise {
			v.health = 0
		}
	}
	v.known = true
	return v.state(p) != before
}

func (v *verdict) state(p *Policy) State {
	switch {
	case !v.known:
		return Unknown
	case v.health >= int32(p.Rise):
		return Up
	}
	return Down
}

// interval returns the time to the next check.
func (v *verdict) interval(p *Policy) time.Duration {
	switch {
	case !v.known:
		return p.FastInterval
	case v.health == 0:
		return p.DownInterval
	case v.health == int32(p.Rise+p.Fall-1):
		return p.Interval
	}
	return p.FastInterval
}
