package healthcheck

import (
	"errors"
	"fmt"
	"time"
)

// Policy says how often a target is checked and how many results in a row
// change its state. A zero field takes its default.
//
// Every interval runs from the start of one check to the start of the next and
// varies by the manager's jitter (see [WithJitter]). The interval after the
// first check, and after one that started late, is whatever brings the target
// to its place in the round: a twentieth of the interval to 1.15 of it. A check
// that takes longer than its interval puts the next one off until it has ended;
// rounds that were missed are not made up for.
type Policy struct {
	// Interval between checks of a target that is up without doubt; default
	// 5s, range 10ms to 24h.
	Interval time.Duration
	// FastInterval is the interval while a change is under way (up with a
	// failure, down with a pass, or no result yet); default 1s but at most half
	// of Interval, range 10ms to 24h.
	FastInterval time.Duration
	// DownInterval is the interval of a target that is down without doubt;
	// default twice Interval, range 10ms to 24h.
	DownInterval time.Duration
	// Timeout is the time one check has, from connecting to the last byte;
	// default 2s but at most half of Interval, range 1ms to less than Interval.
	Timeout time.Duration
	// Rise is how many passes in a row bring a target that is down up; default
	// 2, range 1 to 1000.
	Rise int
	// Fall is how many failures in a row take a target that is up down; default
	// 3, range 1 to 1000.
	Fall int
}

const (
	minInterval = 10 * time.Millisecond // also the least pause between two checks of a target
	maxInterval = 24 * time.Hour
	minTimeout  = time.Millisecond
	maxCount    = 1000
)

// withDefaults fills in the zero fields. HAProxy has the same three intervals
// under the names inter, fastinter and downinter.
func (p Policy) withDefaults() Policy {
	if p.Interval == 0 {
		p.Interval = 5 * time.Second
	}
	interval := max(minInterval, min(p.Interval, maxInterval)) // a bad one is one problem, not four
	if p.FastInterval == 0 {
		p.FastInterval = max(minInterval, min(time.Second, interval/2))
	}
	if p.DownInterval == 0 {
		p.DownInterval = min(maxInterval, 2*interval)
	}
	if p.Timeout == 0 {
		p.Timeout = min(2*time.Second, interval/2)
	}
	if p.Rise == 0 {
		p.Rise = 2
	}
	if p.Fall == 0 {
		p.Fall = 3
	}
	return p
}

// validate reports every problem of a policy with its defaults filled in.
func (p Policy) validate() error {
	var problems []error
	for _, v := range []struct {
		name string
		d    time.Duration
	}{{"Interval", p.Interval}, {"FastInterval", p.FastInterval}, {"DownInterval", p.DownInterval}} {
		if v.d < minInterval || v.d > maxInterval {
			problems = append(problems, fmt.Errorf("policy: %s is %v, want %v to %v", v.name, v.d, minInterval, maxInterval))
		}
	}
	if p.Timeout < minTimeout || p.Timeout >= max(p.Interval, minInterval) {
		problems = append(problems, fmt.Errorf("policy: Timeout is %v, want %v to less than Interval (%v)", p.Timeout, minTimeout, p.Interval))
	}
	for _, v := range []struct {
		name string
		n    int
	}{{"Rise", p.Rise}, {"Fall", p.Fall}} {
		if v.n < 1 || v.n > maxCount {
			problems = append(problems, fmt.Errorf("policy: %s is %d, want 1 to %d", v.name, v.n, maxCount))
		}
	}
	return errors.Join(problems...)
}
