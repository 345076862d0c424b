package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/scenario"
)

// Every state meets every event: testdata/table.txt has a block for each state,
// and in it a line for each event: what is done, and the deadline after that,
// "=" if untouched, "-" if there is none.

const tableTime = t0 + int64(200*time.Millisecond)

func faulty(f faultSet) event  { return event{kind: evFault, fault: f} }
func healthy(f faultSet) event { return event{kind: evClear, fault: f} }
func trackersSay(delta int, down bool) event {
	return event{kind: evTrack, delta: delta, down: down}
}

var (
	hasStarted   = event{kind: evStart}
	hasInstalled = event{kind: evInstalled}
	hasYielded   = event{kind: evYield}
	hasStalled   = event{kind: evStalled, late: 10 * time.Second}
	hasFailed    = event{kind: evFault, fault: faultAddresses, retry: true}
)

// strictly is the profile that keeps to the letter of RFC 9568.
func strictly(s *settings) {
	s.quirks.silentOnYield, s.quirks.removeFirst = true, true
}

// quietly5798 is the profile of an Active router as RFC 5798 has it.
func quietly5798(s *settings) {
	strictly(s)
	s.quirks.silentOnLosing = true
}

func rests(s *settings) { s.quirks.preemptRest = true }

var tableStates = map[string]func(t *testing.T) *rig{
	"initialize": func(t *testing.T) *rig { return newRig(t) },
	"startup-delay": func(t *testing.T) *rig {
		return newRig(t, func(s *settings) { s.startupDelay = 5 * time.Second }).backup()
	},
	"backup":    func(t *testing.T) *rig { return newRig(t).backup() },
	"backup-v2": func(t *testing.T) *rig { return newRig(t, version2At(2*time.Second)).backup() },
	"nopreempt": func(t *testing.T) *rig { return newRig(t, nopreempt).backup() },
	"skew":      func(t *testing.T) *rig { return newRig(t).backup().quietly(t0, heard(0, highPeer)) },
	"beaten":    func(t *testing.T) *rig { return newRig(t).backup().quietly(t0, heard(50, lowPeer)) },
	"hold": func(t *testing.T) *rig {
		return newRig(t, delays(time.Second)).backup().quietly(t0, heard(50, lowPeer))
	},
	"hold-then-rest": func(t *testing.T) *rig {
		return newRig(t, delays(time.Second), rests).backup().quietly(t0, heard(50, lowPeer))
	},
	"rest": func(t *testing.T) *rig {
		r := newRig(t, delays(time.Second), rests).backup()
		return r.quietly(t0-int64(time.Second), heard(50, lowPeer)).quietly(t0, event{kind: evTick})
	},
	"standby":    func(t *testing.T) *rig { return newRig(t).backup().quietly(t0, hasYielded) },
	"active":     func(t *testing.T) *rig { return newRig(t).active() },
	"announcing": func(t *testing.T) *rig { return newRig(t, spaced).active().quietly(t0, hasInstalled) },
	"announced":  func(t *testing.T) *rig { return newRig(t).active().quietly(t0, hasInstalled) },
	"active-nopreempt": func(t *testing.T) *rig {
		return newRig(t, nopreempt).active().quietly(t0, hasInstalled)
	},
	"active-standby": func(t *testing.T) *rig {
		r := newRig(t).quietly(t0-int64(down1), hasStarted, hasYielded)
		return r.quietly(t0, event{kind: evTick}, hasInstalled)
	},
	"active-strict": func(t *testing.T) *rig { return newRig(t, strictly).active().quietly(t0, hasInstalled) },
	"active-5798":   func(t *testing.T) *rig { return newRig(t, quietly5798).active().quietly(t0, hasInstalled) },
	"owner":         func(t *testing.T) *rig { return newRig(t, owns).quietly(t0, hasStarted, hasInstalled) },
	"yielding":      func(t *testing.T) *rig { return newRig(t).active().quietly(t0, hasInstalled, hasYielded) },
	"leaving": func(t *testing.T) *rig {
		return newRig(t).active().quietly(t0, hasInstalled, event{kind: evShutdown})
	},
	"fault":    func(t *testing.T) *rig { return newRig(t).backup().quietly(t0, faulty(faultTracking)) },
	"retrying": func(t *testing.T) *rig { return newRig(t).active().quietly(t0, hasFailed) },
}

var tableEvents = []struct {
	name string
	ev   event
}{
	{"early tick", event{kind: evTick}},
	{"deadline", event{kind: evTick}}, // at the deadline, if there is one
	{"start", hasStarted},
	{"shutdown", event{kind: evShutdown}},
	{"lost", event{kind: evLost}},
	{"0", heard(0, lowPeer)},
	{"lower", heard(99, highPeer)},
	{"equal, lower address", heard(100, lowPeer)},
	{"equal, own address", heard(100, self)},
	{"equal, higher address", heard(100, highPeer)},
	{"higher", heard(101, lowPeer)},
	{"255", heard(255, lowPeer)},
	{"yield", hasYielded},
	{"resume", event{kind: evResume}},
	{"installed", hasInstalled},
	{"neighbors", event{kind: evNeighbors}},
	{"identity", event{kind: evIdentity, from: netip.MustParseAddrPort("192.0.2.9:0")}},
	{"track, no change", trackersSay(0, false)},
	{"track +50", trackersSay(50, false)},
	{"track -50", trackersSay(-50, false)},
	{"track, down", trackersSay(0, true)},
	{"stalled", hasStalled},
	{"stalled, past the deadline", hasStalled},
	{"fault addresses", hasFailed},
	{"fault link", faulty(faultLink)},
	{"fault source", faulty(faultSource)},
	{"fault tracking", faulty(faultTracking)},
	{"fault group", faulty(faultGroup)},
	{"clear addresses", healthy(faultAddresses)},
	{"clear link", healthy(faultLink)},
	{"clear source", healthy(faultSource)},
	{"clear tracking", healthy(faultTracking)},
	{"clear group", healthy(faultGroup)},
	{"same settings", event{}}, // evSettings of the machine's own
	{"other plan", event{}},    // evSettings with one
}

func TestEveryStateMeetsEveryEvent(t *testing.T) {
	scenario.Run(t, "testdata/table.txt", func(t *testing.T) func(*testing.T, *scenario.Cmd) string {
		seen := 0
		t.Cleanup(func() {
			if !t.Failed() && seen != len(tableStates) {
				t.Errorf("%d states in the script, %d exist", seen, len(tableStates))
			}
		})
		return func(t *testing.T, c *scenario.Cmd) string {
			seen++
			var out strings.Builder
			for _, e := range tableEvents {
				fmt.Fprintf(&out, "%s: %s\n", e.name, cell(tableStates[c.Args[0]](t).m, e.name, e.ev))
			}
			return out.String()
		}
	})
}

// Each kind of event has a line.
func TestTableIsComplete(t *testing.T) {
	kinds := map[eventKind]bool{evSettings: true}
	for _, e := range tableEvents {
		kinds[e.ev.kind] = true
	}
	for k := evTick; k <= evIdentity; k++ {
		if !kinds[k] {
			t.Errorf("no line for %v", k)
		}
	}
}

// cell steps one machine.
func cell(m *machine, name string, ev event) string {
	now, before, state := tableTime, m.deadline(), m.state
	switch {
	case (name == "deadline" || strings.HasSuffix(name, "past the deadline")) && before != never:
		now = before
	case name == "same settings":
		ev = event{kind: evSettings, settings: m.set}
	case name == "other plan":
		ev = event{kind: evSettings, settings: m.set}
		ev.settings.plan = AnnouncePlan{Burst: 2, Refresh: 30 * time.Second}
	}
	out := describe(m.step(now, ev))
	if m.state != state && !strings.Contains(out, m.state.String()) {
		out += " !" + m.state.String()
	}
	switch after := m.deadline(); {
	case after == before && after == never:
		out += " -"
	case after == before:
		out += " ="
	case after == never:
		out += " -"
	default:
		out += " " + time.Duration(after-now).String()
	}
	return strings.TrimSpace(out)
}
