package vrrp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/scenario"
)

// Elections as scripts. Commands:
//
//	node NAME [priority=N] [interval=D] [preempt=no] [delay=D] [startup=D] [version=2]
//	     [profile=strict|5798|keepalived]                                    addresses count up from 192.0.2.1
//	start|kill|shutdown|yield|resume|lost NAME...
//	fault|clear NAME... [of=addresses|link|source|tracking|group]            addresses by default
//	track NAME [delta=N] [down=yes]      what the trackers say
//	neighbors NAME...                    may have forgotten
//	set NAME [priority=N] [interval=D] [preempt=yes|no]
//	wire [delay=D] [install=D]
//	stop|sleep|cont NAME...              the process stops, the host sleeps, it goes on
//	cut A>B...      heal
//	run D
//
// The output is what machines did, with the time since the start.
func TestScenarios(t *testing.T) {
	scenario.Run(t, "testdata/election/*.txt", func(t *testing.T) func(*testing.T, *scenario.Cmd) string {
		return (&script{w: newWorld(1), nodes: map[string]*node{}}).play
	})
}

type script struct {
	w     *world
	nodes map[string]*node
}

var scriptEvents = map[string]event{
	"shutdown": {kind: evShutdown}, "yield": {kind: evYield}, "resume": {kind: evResume}, "lost": {kind: evLost},
	"fault": {kind: evFault, fault: faultAddresses}, "clear": {kind: evClear, fault: faultAddresses},
	"track": {kind: evTrack}, "neighbors": {kind: evNeighbors},
}

var scriptProfiles = map[string]quirks{
	"strict":     {silentOnYield: true, removeFirst: true},
	"5798":       {silentOnYield: true, removeFirst: true, silentOnLosing: true},
	"keepalived": {preemptRest: true},
}

func (s *script) play(t *testing.T, c *scenario.Cmd) string {
	w := s.w
	var out strings.Builder
	w.trace = func(n *node, line string) {
		fmt.Fprintf(&out, "%11.6f %s: %s\n", time.Duration(w.now-t0).Seconds(), n.name, line)
	}
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s: %s", c.Pos, fmt.Sprintf(format, args...))
	}
	named := func(name string) *node {
		n := s.nodes[name]
		if n == nil {
			fail("no node %s", name)
		}
		return n
	}
	switch names := c.Positional(); c.Name {
	case "node":
		set := testSettings()
		s.configure(c, &set, fail)
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(len(w.nodes) + 1)}), 0)
		s.nodes[names[0]] = w.add(names[0], addr, set)
	case "start":
		for _, name := range names {
			w.start(named(name))
		}
	case "kill":
		for _, name := range names {
			w.kill(named(name))
		}
	case "stop", "sleep":
		for _, name := range names {
			w.stop(named(name), c.Name == "sleep")
		}
	case "cont":
		for _, name := range names {
			w.cont(named(name))
		}
	case "set":
		set := named(names[0]).set
		s.configure(c, &set, fail)
		w.step(named(names[0]), event{kind: evSettings, settings: set})
	case "wire":
		if v, ok := c.Arg("delay"); ok {
			w.least = span(v, fail)
			w.most = w.least
		}
		if v, ok := c.Arg("install"); ok {
			w.installing = span(v, fail)
		}
	case "cut":
		for _, way := range names {
			from, to, _ := strings.Cut(way, ">")
			w.cut[[2]int{named(from).index, named(to).index}] = true
		}
	case "heal":
		clear(w.cut)
	case "run":
		w.run(span(names[0], fail))
	default:
		ev, ok := scriptEvents[c.Name]
		if !ok {
			fail("unknown command %s", c.Name)
		}
		if of, ok := c.Arg("of"); ok {
			i := slices.Index(faultNames[:], of)
			if i < 0 {
				fail("no fault %s", of)
			}
			ev.fault = 1 << i
		}
		ev.retry = ev.kind == evFault && ev.fault == faultAddresses
		if v, ok := c.Arg("delta"); ok {
			delta, err := strconv.Atoi(v)
			if err != nil {
				fail("delta: %v", err)
			}
			ev.delta = delta
		}
		if v, ok := c.Arg("down"); ok {
			ev.down = v == "yes"
		}
		for _, name := range names {
			w.step(named(name), ev)
		}
	}
	if p := w.problems(); p != "" {
		fail("%s", p)
	}
	return out.String()
}

func (s *script) configure(c *scenario.Cmd, set *settings, fail func(string, ...any)) {
	if v, ok := c.Arg("priority"); ok {
		n, err := strconv.ParseUint(v, 10, 8)
		if err != nil {
			fail("priority: %v", err)
		}
		set.priority = uint8(n)
	}
	for key, d := range map[string]*time.Duration{"interval": &set.interval, "delay": &set.preemptDelay, "startup": &set.startupDelay} {
		if v, ok := c.Arg(key); ok {
			*d = span(v, fail)
		}
	}
	if v, ok := c.Arg("preempt"); ok {
		set.preempt = v == "yes"
	}
	if v, ok := c.Arg("version"); ok {
		set.version = int(v[0] - '0')
	}
	if v, ok := c.Arg("profile"); ok {
		q, known := scriptProfiles[v]
		if !known {
			fail("no profile %s", v)
		}
		set.quirks = q
	}
}

func span(s string, fail func(string, ...any)) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		fail("%v", err)
	}
	return d
}
