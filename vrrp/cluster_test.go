package vrrp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// fleet is a number of hosts with one sync group each, over the same networks. A
// member of a group is a network.
type fleet struct {
	rng   *rand.Rand
	now   instant
	hosts []*fleetHost
	wires []fleetWire          // packets under way
	cut   map[[3]int]bool      // network, from, to
	loss  float64              // of every packet
	delay time.Duration        // of every packet; 0: random, up to 2 ms
	steps int                  // that machines have made
	trace func(string, ...any) // or nil
}

type fleetHost struct {
	*cluster
	down bool
}

type fleetWire struct {
	at        instant
	net, from int
	to        int
	ev        event
}

// newFleet has priorities by host and network; addrs orders the hosts' addresses
// on each network.
func newFleet(seed uint64, priorities [][]uint8, addrs [][]int, change func(*settings)) *fleet {
	f := &fleet{rng: rand.New(rand.NewPCG(seed, 1)), cut: map[[3]int]bool{}}
	for h := range priorities {
		var members []*machine
		for n, p := range priorities[h] {
			set := testSettings()
			set.priority = p
			if change != nil {
				change(&set)
			}
			self := netip.AddrFrom4([4]byte{10, 0, byte(n), byte(1 + addrs[n][h])})
			members = append(members, newMachine(set, netip.AddrPortFrom(self, 0)))
		}
		f.hosts = append(f.hosts, &fleetHost{cluster: newCluster(members)})
	}
	return f
}

func (f *fleet) start() {
	for h := range f.hosts {
		f.do(h, everybody, event{kind: evStart})
	}
}

// do steps a host and performs its actions.
func (f *fleet) do(h, member int, ev event) {
	host := f.hosts[h]
	if host.down {
		return
	}
	var installed []int
	f.steps++
	for _, a := range host.step(f.now, member, ev) {
		switch a.kind {
		case actSend:
			f.send(h, a.member, a.priority)
		case actInstall:
			installed = append(installed, a.member)
		case actTransition:
			if f.trace != nil {
				f.trace("%v host %d member %d: %v > %v (%v)", time.Duration(f.now), h, a.member, a.from, a.to, a.reason)
			}
		}
	}
	for _, m := range installed {
		f.do(h, m, event{kind: evInstalled})
	}
}

func (f *fleet) send(h, net int, priority uint8) {
	m := f.hosts[h].members[net]
	if m.faults&unsendable != 0 {
		return
	}
	for to := range f.hosts {
		if to == h || f.cut[[3]int{net, h, to}] || f.rng.Float64() < f.loss {
			continue
		}
		delay := f.delay
		if delay == 0 {
			delay = time.Duration(1+f.rng.IntN(2000)) * time.Microsecond
		}
		f.wires = append(f.wires, fleetWire{after(f.now, delay), net, h, to,
			event{kind: evAdvert, priority: priority, from: m.self, interval: m.set.interval}})
	}
}

// run passes time.
func (f *fleet) run(d time.Duration) {
	end := after(f.now, d)
	for {
		next, wire, host := end, -1, -1
		for i, w := range f.wires {
			if w.at < next {
				next, wire = w.at, i
			}
		}
		for h, host1 := range f.hosts {
			if at := host1.deadline(); !host1.down && at < next {
				next, wire, host = max(at, f.now), -1, h
			}
		}
		f.now = next
		switch {
		case wire >= 0:
			w := f.wires[wire]
			f.wires[wire] = f.wires[len(f.wires)-1]
			f.wires = f.wires[:len(f.wires)-1]
			if f.hosts[w.to].members[w.net].faults&unsendable == 0 {
				f.do(w.to, w.net, w.ev)
			}
		case host >= 0:
			f.do(host, everybody, event{kind: evTick})
		default:
			return
		}
	}
}

// states describes each host by the states of its members.
func (f *fleet) states() string {
	var hosts []string
	for _, h := range f.hosts {
		var b strings.Builder
		for _, m := range h.members {
			b.WriteByte("IBAF"[m.state])
		}
		if h.down {
			b.WriteByte('x')
		}
		hosts = append(hosts, b.String())
	}
	return strings.Join(hosts, " ")
}

// settled is how long a fleet of test settings needs to come to rest: a verdict,
// and two elections.
const settled = 3 * 4 * time.Second

func TestGroupElection(t *testing.T) {
	two := [][]int{{0, 1}, {0, 1}}     // the addresses of host 1 are higher on both networks
	crossed := [][]int{{0, 1}, {1, 0}} // on the first network only
	for _, c := range []struct {
		name       string
		priorities [][]uint8
		addrs      [][]int
		act        func(*fleet)
		want       string
	}{
		{"the higher priorities win", [][]uint8{{150, 150}, {100, 100}}, two, nil, "AA BB"},
		{"crossed priorities", [][]uint8{{150, 100}, {100, 150}}, two, nil, "AA BB|BB AA"},
		{"equal priorities", [][]uint8{{100, 100}, {100, 100}}, two, nil, "AA BB|BB AA"},
		{"equal priorities, crossed addresses", [][]uint8{{100, 100}, {100, 100}}, crossed, nil, "AA BB|BB AA"},
		{"owners", [][]uint8{{255, 255}, {100, 100}}, two, nil, "AA BB"},
		{"two owners, crossed addresses", [][]uint8{{255, 255}, {255, 255}}, crossed, nil, "AA BB|BB AA"},
		{"a fault of one is that of all", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, 1, event{kind: evFault, fault: faultLink})
		}, "FF AA"},
		{"the fault goes away", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, 1, event{kind: evFault, fault: faultLink})
			f.run(settled)
			f.do(0, 1, event{kind: evClear, fault: faultLink})
		}, "AA BB"},
		{"two faults, one goes away", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, 1, event{kind: evFault, fault: faultLink})
			f.do(0, 0, event{kind: evTrack, down: true})
			f.run(settled)
			f.do(0, 1, event{kind: evClear, fault: faultLink})
		}, "FF AA"},
		{"nobody is healthy", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, 1, event{kind: evFault, fault: faultLink})
			f.do(1, 0, event{kind: evFault, fault: faultLink})
		}, "FF FF"},
		{"one network is cut: nobody takes half", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.cutNet(1, true)
		}, "AA BB"},
		{"one network is cut, and they start anew", [][]uint8{{150, 100}, {100, 150}}, two, func(f *fleet) {
			f.cutNet(0, true)
			f.restart(0)
			f.restart(1)
		}, "AA BB|BB AA"},
		{"all networks are cut", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.cutNet(0, true)
			f.cutNet(1, true)
		}, "AA AA"},
		{"all networks heal", [][]uint8{{150, 100}, {100, 150}}, two, func(f *fleet) {
			f.cutNet(0, true)
			f.cutNet(1, true)
			f.run(settled)
			f.cutNet(0, false)
			f.cutNet(1, false)
		}, "AA BB"},
		{"one way only, on the first network", [][]uint8{{150, 100}, {100, 150}}, two, func(f *fleet) {
			f.cutNet(0, true)
			f.cutNet(1, true)
			f.run(settled)
			f.cutNet(0, false)
			f.cutNet(1, false)
			f.cut[[3]int{0, 0, 1}] = true // host 1 does not hear host 0
		}, "BB AA"},
		{"the Active host dies", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) { f.hosts[0].down = true }, "AAx AA"},
		{"yield", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) { f.do(0, everybody, event{kind: evYield}) }, "BB AA"},
		{"yield and resume", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, everybody, event{kind: evYield})
			f.run(settled)
			f.do(0, everybody, event{kind: evResume})
		}, "AA BB"},
		{"shutdown", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) { f.do(0, everybody, event{kind: evShutdown}) }, "II AA"},
		{"a transport fails", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) { f.do(0, 0, event{kind: evLost}) }, "IF AA"},
		{"weights of all members", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, everybody, event{kind: evTrack, delta: -100})
		}, "BB AA"},
		{"the weight of one member", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, 1, event{kind: evTrack, delta: -100})
		}, "AA BB"},
		{"asleep", [][]uint8{{150, 150}, {100, 100}}, two, func(f *fleet) {
			f.do(0, everybody, event{kind: evStalled, late: time.Minute})
		}, "AA BB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(1, c.priorities, c.addrs, nil)
			f.trace = t.Logf
			f.start()
			f.run(settled)
			if c.act != nil {
				c.act(f)
				f.run(settled)
			}
			if got := f.states(); !strings.Contains(c.want, got) || len(got) == 0 {
				t.Errorf("states are %q, want %q", got, c.want)
			}
		})
	}
}

func (f *fleet) cutNet(net int, on bool) {
	for a := range f.hosts {
		for b := range f.hosts {
			f.cut[[3]int{net, a, b}] = on
		}
	}
}

// restart kills a host and starts it again.
func (f *fleet) restart(h int) {
	old := f.hosts[h]
	var members []*machine
	for _, m := range old.members {
		members = append(members, newMachine(m.set, m.self))
	}
	f.hosts[h] = &fleetHost{cluster: newCluster(members)}
	f.do(h, everybody, event{kind: evStart})
}

// Two groups that start at the same moment, on networks that take the same time
// in both directions, and are each better on one: they must not leave together
// for ever. That is what the order of the members is for.
func TestGroupsDoNotLeaveTogether(t *testing.T) {
	for _, c := range []struct {
		name       string
		priorities [][]uint8
		addrs      [][]int
	}{
		{"priorities", [][]uint8{{150, 100}, {100, 150}}, [][]int{{0, 1}, {0, 1}}},
		{"addresses", [][]uint8{{100, 100}, {100, 100}}, [][]int{{0, 1}, {1, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(1, c.priorities, c.addrs, nil)
			f.delay = time.Millisecond
			f.start()
			f.run(settled)
			if got := f.states(); got != "AA BB" && got != "BB AA" {
				t.Errorf("states are %q", got)
			}
		})
	}
}

// A group that loses one leg cannot say so there; the other group takes over on
// both legs as soon as an Active speaker would have been heard.
func TestGroupTakesOverOneLegLost(t *testing.T) {
	f := newFleet(1, [][]uint8{{150, 150}, {100, 100}}, [][]int{{0, 1}, {0, 1}}, nil)
	f.start()
	f.run(settled)
	f.do(0, 1, event{kind: evFault, fault: faultLink})
	f.run(time.Second + skewTime(100, time.Second) + 3*time.Millisecond)
	if got := f.states(); got != "FF AA" {
		t.Errorf("states are %q after an interval and a skew", got)
	}
}

// The preempt delays of a group's members end at different moments, as the adverts
// on their networks come at different ones. Who has waited goes on wanting.
func TestGroupPreemptDelay(t *testing.T) {
	for _, delay := range []time.Duration{5 * time.Second, 5200 * time.Millisecond, 5700 * time.Millisecond} {
		f := newFleet(1, [][]uint8{{150, 150}, {100, 100}}, [][]int{{0, 1}, {0, 1}}, func(s *settings) { s.preemptDelay = delay })
		f.delay = time.Millisecond
		f.hosts[0].down = true
		f.start()
		f.run(settled + 300*time.Millisecond)
		f.do(1, 1, heard(0, netip.AddrPortFrom(netip.MustParseAddr("10.0.1.9"), 0))) // another cadence there
		f.run(500 * time.Millisecond)
		f.restart(0)
		f.run(delay + 2*time.Second)
		if got := f.states(); got != "AA BB" {
			t.Errorf("after %v: states are %q", delay, got)
		}
	}
}

// Whatever happens to some groups, when it stops happening they come to rest:
// the members of each are in one state, and of those that can hear each other
// exactly one is Active.
func TestGroupModel(t *testing.T) {
	runs := 8000 // a million and a half steps
	if testing.Short() || race.Enabled {
		runs = 200
	}
	total := 0
	for seed := range uint64(runs) {
		problem, steps := groupRun(seed, nil)
		total += steps
		if problem != "" {
			groupRun(seed, t.Logf)
			t.Fatalf("seed %d: %s", seed, problem)
		}
	}
	t.Logf("%d steps in %d histories", total, runs)
}

// groupRun plays one random history and returns what was wrong at its end.
func groupRun(seed uint64, trace func(string, ...any)) (problem string, steps int) {
	rng := rand.New(rand.NewPCG(seed, 2))
	hosts, nets := 2+rng.IntN(2), 1+rng.IntN(3)
	preempt := rng.IntN(4) > 0
	priorities := make([][]uint8, hosts)
	for h := range priorities {
		for range nets {
			priorities[h] = append(priorities[h], uint8(100+rng.IntN(3)*25))
		}
	}
	addrs := make([][]int, nets)
	for n := range addrs {
		addrs[n] = rng.Perm(hosts)
	}
	f := newFleet(seed, priorities, addrs, func(s *settings) { s.preempt = preempt })
	f.trace = trace
	f.start()
	for range 5 + rng.IntN(25) {
		f.run(time.Duration(rng.Int64N(int64(3 * time.Second))))
		f.happen(rng, hosts, nets)
		if trace != nil {
			trace("%v states %s", time.Duration(f.now), f.states())
		}
	}
	f.loss, f.cut = 0, map[[3]int]bool{}
	f.run(settled)
	for h := range f.hosts {
		f.do(h, everybody, event{kind: evResume})
	}
	f.run(settled)
	return f.atRest(), f.steps
}

// happen does something to somebody.
func (f *fleet) happen(rng *rand.Rand, hosts, nets int) {
	h, n := rng.IntN(hosts), rng.IntN(nets)
	faults := [...]faultSet{faultLink, faultSource, faultAddresses}
	var what string
	switch rng.IntN(14) {
	case 0, 1:
		f.cutNet(n, true)
		what = fmt.Sprint("cut net ", n)
	case 2, 3:
		f.cutNet(n, false)
		what = fmt.Sprint("heal net ", n)
	case 4:
		f.cut[[3]int{n, h, rng.IntN(hosts)}] = true
		what = "one way"
	case 5:
		f.loss = float64(rng.IntN(4)) / 10
	case 6:
		f.do(h, n, event{kind: evFault, fault: faults[rng.IntN(3)], retry: false})
		what = fmt.Sprint("fault of ", h, n)
	case 7, 8:
		f.do(h, n, event{kind: evClear, fault: faultLink | faultSource | faultAddresses})
		what = fmt.Sprint("clear of ", h, n)
	case 9:
		f.do(h, everybody, event{kind: evTrack, delta: rng.IntN(100) - 50, down: rng.IntN(3) == 0})
	case 10:
		f.do(h, everybody, event{kind: evYield})
		what = fmt.Sprint("yield of ", h)
	case 11:
		f.do(h, everybody, event{kind: evResume})
	case 12:
		f.do(h, everybody, event{kind: evStalled, late: 10 * time.Second})
		what = fmt.Sprint("stall of ", h)
	case 13:
		f.restart(h)
		what = fmt.Sprint("restart of ", h)
	}
	if f.trace != nil {
		f.trace("%v %s", time.Duration(f.now), what)
	}
}

// atRest tells what is wrong with a fleet that has been left alone, with all
// networks sound.
func (f *fleet) atRest() string {
	active, healthy := 0, 0
	for _, h := range f.hosts {
		var faults faultSet
		for _, m := range h.members {
			faults |= m.faults
			if m.state != h.members[0].state {
				return "members differ: " + f.states()
			}
		}
		state := h.members[0].state
		if faults == 0 {
			healthy++
		} else if state != Fault {
			return "faulty and not in fault: " + f.states()
		}
		if state == Active {
			active++
		}
	}
	if active != min(healthy, 1) {
		return fmt.Sprintf("%d hosts are Active, %d are healthy: %s", active, healthy, f.states())
	}
	return ""
}

// A better speaker on a later member counts once it has been heard twice: what
// was heard once, and then no more, has gone by itself.
func TestGroupIgnoresWhoHasGone(t *testing.T) {
	f := newFleet(1, [][]uint8{{100, 100}}, [][]int{{0}, {0}}, nil)
	f.start()
	f.run(settled)
	better := event{kind: evAdvert, priority: 200, from: netip.MustParseAddrPort("10.0.1.9:0"), interval: time.Second}
	f.do(0, 1, better)
	f.run(1600 * time.Millisecond)
	if got := f.states(); got != "AA" {
		t.Errorf("states are %q after one advert", got)
	}
	f.do(0, 1, better)
	f.run(time.Second)
	f.do(0, 1, better)
	f.run(600 * time.Millisecond)
	if got := f.states(); got != "BB" {
		t.Errorf("states are %q after two adverts", got)
	}
	f.run(settled)
	f.do(0, 0, better)
	if got := f.states(); got != "BB" {
		t.Errorf("states are %q after an advert on the first member", got)
	}
}

// The member that lost answers the better speaker, as a lone router does; the
// others resign.
func TestGroupLeavesInOrder(t *testing.T) {
	f := newFleet(1, [][]uint8{{100, 100}}, [][]int{{0}, {0}}, nil)
	f.start()
	f.run(settled)
	var got []string
	for _, a := range f.hosts[0].step(f.now, 0, event{kind: evAdvert, priority: 200, from: netip.MustParseAddrPort("10.0.0.9:0"), interval: time.Second}) {
		switch a.kind {
		case actSend:
			got = append(got, fmt.Sprintf("%d send %d", a.member, a.priority))
		case actRemove:
			got = append(got, fmt.Sprintf("%d remove", a.member))
		case actTransition:
			got = append(got, fmt.Sprintf("%d %v", a.member, a.reason))
		}
	}
	want := "0 send 100, 0 remove, 0 higher-priority, 1 send 0, 1 remove, 1 group"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("actions are %s\nwant %s", s, want)
	}
}

func TestGroupAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	f := newFleet(1, [][]uint8{{100, 100}}, [][]int{{0}, {0}}, nil)
	f.start()
	f.run(settled)
	c, lower := f.hosts[0].cluster, event{kind: evAdvert, priority: 50, from: netip.MustParseAddrPort("10.0.0.9:0"), interval: time.Second}
	if n := testing.AllocsPerRun(10, func() {
		for range 1000 {
			f.now = max(f.now, c.deadline())
			c.step(f.now, everybody, event{kind: evTick})
			c.step(f.now, 0, lower)
		}
	}); n != 0 {
		t.Errorf("%v allocations in 2000 steps", n)
	}
}
