package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// The speakers of the tests, in the order of the tie-break.
var (
	lowPeer  = netip.MustParseAddrPort("192.0.2.1:0")
	self     = netip.MustParseAddrPort("192.0.2.2:0")
	highPeer = netip.MustParseAddrPort("192.0.2.3:0")
)

// t0 is not zero, so that a forgotten "now +" shows.
const t0 instant = 1_000_000_000_000

func testSettings() settings {
	return settings{priority: 100, interval: time.Second, preempt: true, adverts: 3, version: version3}
}

// rig steps a machine and reads what it did.
type rig struct {
	t *testing.T
	m *machine
}

func newRig(t *testing.T, change ...func(*settings)) *rig {
	set := testSettings()
	for _, f := range change {
		f(&set)
	}
	return &rig{t, newMachine(set, self)}
}

// step steps an event and compares actions, state and deadline; wait is relative
// to now, and negative for none.
func (r *rig) step(now instant, ev event, actions string, state State, wait time.Duration) {
	r.t.Helper()
	if got := describe(r.m.step(now, ev)); got != actions {
		r.t.Errorf("step(%v) did %q, want %q", ev.kind, got, actions)
	}
	if r.m.state != state {
		r.t.Errorf("step(%v): state = %v, want %v", ev.kind, r.m.state, state)
	}
	switch got := r.m.deadline(); {
	case wait < 0 && got != never:
		r.t.Errorf("step(%v): deadline in %v, want none", ev.kind, time.Duration(got-now))
	case wait >= 0 && got != after(now, wait):
		r.t.Errorf("step(%v): deadline in %v, want %v", ev.kind, time.Duration(got-now), wait)
	}
}

// quietly steps events whose effect is tested elsewhere.
func (r *rig) quietly(now instant, events ...event) *rig {
	for _, ev := range events {
		r.m.step(now, ev)
	}
	return r
}

// backup takes the machine to Backup at t0, active to Active at t0.
func (r *rig) backup() *rig { return r.quietly(t0, event{kind: evStart}) }

func (r *rig) active() *rig {
	r.quietly(t0-int64(r.m.down()), event{kind: evStart})
	return r.quietly(t0, event{kind: evTick})
}

// heard is an advert at the interval of the tests.
func heard(priority uint8, from netip.AddrPort) event {
	return event{kind: evAdvert, priority: priority, from: from, interval: time.Second}
}

var kindNames = map[eventKind]string{
	evTick: "tick", evStart: "start", evShutdown: "shutdown", evLost: "lost", evAdvert: "advert",
	evYield: "yield", evResume: "resume", evFault: "fault", evClear: "clear", evSettings: "settings",
	evInstalled: "installed", evTrack: "track", evStalled: "stalled", evNeighbors: "neighbors", evIdentity: "identity",
}

func (k eventKind) String() string { return kindNames[k] }

var warningWords = [warnings]string{
	warnEqualPriority: "equal", warnOwnerConflict: "owners", warnLosing: "losing", warnDuplicate: "duplicate",
	warnInterval: "interval", warnAddressList: "addresses", warnStalled: "stalled", warnOneWay: "oneway",
	warnDuplicateVRID: "vrid",
}

// describe writes actions as words.
func describe(actions []action) string {
	var out []string
	announced := 0 // rounds in a row
	for _, a := range actions {
		switch a.kind {
		case actSend:
			out = append(out, fmt.Sprintf("send %d", a.priority))
		case actInstall:
			out = append(out, "install")
		case actRemove:
			out = append(out, "remove")
		case actTransition:
			out = append(out, fmt.Sprintf("%v>%v %v", a.from, a.to, a.reason))
		case actWarn:
			out = append(out, "warn "+warningWords[a.warning])
		case actAnnounce:
			announced++
			if n := len(out); announced > 1 {
				out = out[:n-1]
			}
			out = append(out, fmt.Sprintf("announce %d", announced))
			continue
		}
		announced = 0
	}
	return strings.Join(out, ", ")
}

// Spans of the default rig.
const (
	down100 = 3*time.Second + 156*time.Second/256
	skew100 = 156 * time.Second / 256
	down1   = 3*time.Second + 255*time.Second/256
)

// version2At speaks version 2 at this interval.
func version2At(interval time.Duration) func(*settings) {
	return func(s *settings) { s.version, s.interval = version2, interval }
}

// spaced is a plan whose rounds are apart: two at once, two after 2 s.
func spaced(s *settings) {
	s.plan = AnnouncePlan{Burst: 2, Delay: 2 * time.Second, Repeat: 2, Refresh: 30 * time.Second, Spacing: 100 * time.Millisecond}
}

// downInterval is Active_Down_Interval of version 3.
func downInterval(adverts int, priority uint8, interval time.Duration) time.Duration {
	return time.Duration(adverts)*interval + skewTime(priority, interval)
}
