package vrrp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/scenario"
)

// Every state meets every event: testdata/table.txt has a block for each state,
// and in it a line for each event: what is done, and the deadline after that,
// "=" if untouched, "-" if there is none.

const tableTime = t0 + int64(200*time.Millisecond)

var tableStates = map[string]func(t *testing.T) *rig{
	"initialize": func(t *testing.T) *rig { return newRig(t) },
	"startup-delay": func(t *testing.T) *rig {
		return newRig(t, func(s *settings) { s.startupDelay = 5 * time.Second }).backup()
	},
	"backup":    func(t *testing.T) *rig { return newRig(t).backup() },
	"nopreempt": func(t *testing.T) *rig { return newRig(t, nopreempt).backup() },
	"skew":      func(t *testing.T) *rig { return newRig(t).backup().quietly(t0, heard(0, highPeer)) },
	"hold": func(t *testing.T) *rig {
		return newRig(t, delays(time.Second)).backup().quietly(t0, heard(50, lowPeer))
	},
	"standby":  func(t *testing.T) *rig { return newRig(t).backup().quietly(t0, event{kind: evYield}) },
	"active":   func(t *testing.T) *rig { return newRig(t).active() },
	"owner":    func(t *testing.T) *rig { return newRig(t, owns).quietly(t0, event{kind: evStart}) },
	"yielding": func(t *testing.T) *rig { return newRig(t).active().quietly(t0, event{kind: evYield}) },
	"leaving":  func(t *testing.T) *rig { return newRig(t).active().quietly(t0, event{kind: evShutdown}) },
	"fault":    func(t *testing.T) *rig { return newRig(t).backup().quietly(t0, event{kind: evFault, fault: faultTracking}) },
	"retrying": func(t *testing.T) *rig {
		return newRig(t).active().quietly(t0, event{kind: evFault, fault: faultAddresses, retry: true})
	},
}

var tableEvents = []struct {
	name string
	ev   event
}{
	{"early tick", event{kind: evTick}},
	{"deadline", event{kind: evTick}}, // at the deadline, if there is one
	{"start", event{kind: evStart}},
	{"shutdown", event{kind: evShutdown}},
	{"lost", event{kind: evLost}},
	{"0", heard(0, lowPeer)},
	{"lower", heard(99, highPeer)},
	{"equal, lower address", heard(100, lowPeer)},
	{"equal, own address", heard(100, self)},
	{"equal, higher address", heard(100, highPeer)},
	{"higher", heard(101, lowPeer)},
	{"255", heard(255, lowPeer)},
	{"yield", event{kind: evYield}},
	{"resume", event{kind: evResume}},
	{"fault", event{kind: evFault, fault: faultTracking}},
	{"clear", event{kind: evClear, fault: faultTracking}},
	{"same settings", event{}}, // evSettings of the machine's own
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

// cell steps one machine.
func cell(m *machine, name string, ev event) string {
	now, before, state := tableTime, m.deadline(), m.state
	switch {
	case name == "deadline" && before != never:
		now = before
	case name == "same settings":
		ev = event{kind: evSettings, settings: m.set}
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
