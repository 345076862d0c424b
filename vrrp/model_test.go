package vrrp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

var (
	modelSteps = flag.Int("vrrp.steps", 0, "steps of machines in TestModel; 0: a million, fewer with -short or the race detector")
	modelSeed  = flag.Uint64("vrrp.seed", 0, "the one seed that TestModel runs, and traces")
)

// Two to five nodes crash, restart, yield, fail, stall and change on a network
// that loses, delays, duplicates, reorders and falls apart. Case 38.
//
// Safety: while the network is connected and loses nothing, two nodes hold the
// addresses together for one interval and the delay of one packet at most.
// Liveness: after trouble, one node does within two of the longest down interval;
// it is the right one, it stays, and none of those that were Active when the
// network healed has announced after it (case 24). All along, machines keep what
// world.step checks.
func TestModel(t *testing.T) {
	steps, want := 0, *modelSteps
	switch {
	case want > 0:
	case testing.Short() || race.Enabled:
		want = 100_000
	default:
		want = 1_000_000
	}
	for seed := max(1, *modelSeed); steps < want; seed++ {
		m := newModel(seed)
		if seed == *modelSeed {
			m.w.trace = func(n *node, line string) { t.Logf("%11.6f %s: %s", time.Duration(m.w.now-t0).Seconds(), n.name, line) }
			want = 0
		}
		for range 6 {
			if err := m.trouble(); err != nil {
				t.Fatalf("seed %d, in trouble: %v", seed, err)
			}
			if err := m.quiet(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		steps += m.w.steps
	}
}

// model drives a world by chance.
type model struct {
	w     *world
	rand  *rand.Rand
	ivl   time.Duration // all nodes, so that the bounds are known
	most  time.Duration // delay of a packet in a good network
	calm  bool          // the network is perfect but for delay, nobody fails
	since instant       // two nodes hold the addresses; never: they do not
	worst time.Duration
}

func newModel(seed uint64) *model {
	w := newWorld(seed)
	m := &model{w: w, rand: rand.New(rand.NewPCG(seed, 1)), since: never}
	r := m.rand
	base := testSettings()
	base.interval = []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 40_950 * time.Millisecond}[r.IntN(4)]
	if r.Float64() < 0.2 {
		base.version, base.interval = version2, time.Duration(1+r.IntN(5))*time.Second
	}
	base.adverts = []int{1, 2, 3, 3, 3, 5}[r.IntN(6)]
	// No refresh: the last word is to come from evidence.
	base.plan = AnnouncePlan{Burst: 1 + r.IntN(3), Delay: m.within(5 * time.Second), Repeat: r.IntN(3) - 1, Refresh: -1}
	if r.IntN(2) == 0 {
		base.plan.Spacing = m.within(50 * time.Millisecond)
	}
	m.ivl = base.interval
	m.most = m.ivl / 100
	if base.adverts == 1 {
		m.most = min(m.ivl, time.Second) / 1000 // jitter must be less than the skew then
	}
	w.least, w.most = 0, m.most
	if r.IntN(2) == 0 {
		w.installing = m.within(m.ivl)
	}
	sameChance := r.Float64() < 0.3
	for i := range 2 + r.IntN(4) {
		set := base
		set.priority = uint8(1 + r.IntN(254))
		if sameChance {
			set.priority = []uint8{100, 101, 255}[r.IntN(3)]
		}
		set.preempt = r.Float64() < 0.7
		if r.Float64() < 0.2 {
			set.preemptDelay = m.within(5 * m.ivl)
			set.quirks.preemptRest = r.IntN(2) == 0
		}
		if r.Float64() < 0.1 {
			set.startupDelay = m.within(3 * m.ivl)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), 0)
		w.start(w.add(fmt.Sprintf("n%d", i), addr, set))
	}
	w.check = m.overlap
	return m
}

// within is a span by chance, less than d.
func (m *model) within(d time.Duration) time.Duration { return time.Duration(m.rand.Int64N(int64(d))) }

// overlap measures for how long several nodes hold the addresses.
func (m *model) overlap() {
	holders := 0
	for _, n := range m.w.nodes {
		if n.running && n.holds {
			holders++
		}
	}
	switch {
	case holders < 2 || !m.calm:
		m.since = never
	case m.since == never:
		m.since = m.w.now
	default:
		m.worst = max(m.worst, time.Duration(m.w.now-m.since))
	}
}

// trouble does a few things at random moments. Now and then the network stays
// connected and everybody awake: then the bound of the overlap holds all the while.
func (m *model) trouble() error {
	w, r := m.w, m.rand
	connected := r.IntN(3) == 0
	w.duplicate, w.reorder = r.Float64()*0.2, r.Float64()*0.2
	w.most = m.within(m.ivl)
	if connected {
		w.duplicate, w.reorder, w.most = w.duplicate*2, 0, w.most/4
	} else {
		w.loss = r.Float64() * 0.3
	}
	m.calm, m.since, m.worst = connected, never, 0
	for range 1 + r.IntN(10) {
		n := w.nodes[r.IntN(len(w.nodes))]
		if kind := r.IntN(20); kind < 4 && connected {
			w.step(n, event{kind: evNeighbors})
		} else {
			m.harm(n, kind)
		}
		w.run(m.within(4 * m.ivl))
	}
	return m.bounded()
}

// bounded holds the overlap so far to its bound.
func (m *model) bounded() error {
	if bound := m.ivl + m.w.most; m.worst > bound {
		return fmt.Errorf("two held the addresses for %v, more than %v", m.worst, bound)
	}
	return nil
}

// harm does one thing to a node; kinds below 4 are for the network.
func (m *model) harm(n *node, kind int) {
	w, r := m.w, m.rand
	fault := faultSet(1) << r.IntN(len(faultNames))
	switch kind {
	case 0: // one way
		for _, o := range w.nodes {
			if o != n && r.IntN(2) == 0 {
				w.cut[[2]int{n.index, o.index}] = true
			}
		}
	case 1: // two parts
		side := r.IntN(1 << len(w.nodes))
		for a := range w.nodes {
			for b := range w.nodes {
				if (side>>a^side>>b)&1 == 1 {
					w.cut[[2]int{a, b}] = true
				}
			}
		}
	case 2:
		clear(w.cut)
	case 3:
		if n.stopped {
			w.cont(n)
		} else {
			w.stop(n, r.IntN(2) == 0)
		}
	case 4, 5:
		w.kill(n)
	case 6, 7, 8:
		if !n.running {
			w.start(n)
		}
	case 9:
		w.step(n, event{kind: evYield})
	case 10:
		w.step(n, event{kind: evResume})
	case 11, 12:
		w.step(n, event{kind: evFault, fault: fault, retry: fault == faultAddresses})
	case 13:
		w.step(n, event{kind: evClear, fault: fault})
	case 14, 15:
		w.step(n, event{kind: evTrack, delta: r.IntN(600) - 300, down: r.IntN(4) == 0})
	case 16:
		set := n.set
		set.priority = uint8(1 + r.IntN(255))
		set.preempt = !set.preempt
		w.step(n, event{kind: evSettings, settings: set})
	case 17:
		w.step(n, event{kind: evStalled, late: m.ivl * 10})
	case 18:
		w.step(n, event{kind: evNeighbors})
	case 19: // another address, of nobody else
		w.step(n, event{kind: evIdentity, from: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + n.index + 5*r.IntN(40))}), 0)})
	}
}

// quiet heals the network and everybody, and looks at what comes of it.
func (m *model) quiet() error {
	w := m.w
	clear(w.cut)
	w.loss, w.duplicate, w.reorder = 0, 0, 0
	w.most = m.most
	m.calm = false
	longest, running := time.Duration(0), 0
	var apart []*node // Active in what was a part of the network
	for _, n := range w.nodes {
		w.cont(n)
		w.step(n, event{kind: evClear, fault: faultLink | faultSource | faultGroup | faultAddresses})
		w.step(n, event{kind: evTrack, delta: n.delta})
		if n.running {
			running++
			down := n.set.down(1, m.ivl)
			longest = max(longest, down, n.set.preemptDelay+m.ivl+down, n.set.startupDelay+down)
		}
	}
	for _, n := range w.active() {
		if !n.yielding {
			apart = append(apart, n)
		}
	}
	w.run(m.ivl) // what trouble sent has arrived, and a yield that began has ended
	m.calm, m.since, m.worst = true, never, 0
	w.run(2 * longest)
	if running == 0 {
		return nil
	}
	holders := w.active()
	if len(holders) != 1 {
		return fmt.Errorf("%d are Active of %d", len(holders), running)
	}
	holder := holders[0]
	if err := m.bounded(); err != nil {
		return err
	}
	if err := m.rightful(holder); err != nil {
		return err
	}
	if p := w.problems(); p != "" {
		return fmt.Errorf("%s", p)
	}
	// Nothing moves without a reason.
	w.run(3*longest + slowest)
	if again := w.active(); len(again) != 1 || again[0] != holder {
		return fmt.Errorf("%s lost the addresses in peace", holder.name)
	}
	for _, n := range apart {
		if n != holder && n.spoke > holder.spoke {
			return fmt.Errorf("%s announced after %s, which is Active", n.name, holder.name)
		}
	}
	return nil
}

// rightful tells if a better node stands by that would preempt.
func (m *model) rightful(holder *node) error {
	for _, n := range m.w.nodes {
		if n.running && n.preempts() && n.effective() > holder.effective() {
			return fmt.Errorf("%s (%d) is Active, %s preempts with %d", holder.name, holder.effective(), n.name, n.effective())
		}
	}
	return nil
}
