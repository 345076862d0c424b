package vrrp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

var modelSteps = flag.Int("vrrp.steps", 200_000, "steps of machines in TestModel")

// Nodes that fail, yield and change on a network that loses, delays, duplicates
// and reorders. Safety: while the network is connected and loses nothing, two
// nodes hold the addresses together for one interval and the delay of one
// packet at most. Liveness: after trouble, one node does within two of the
// longest down interval, and it is the right one.
func TestModel(t *testing.T) {
	steps := 0
	for seed := uint64(1); steps < *modelSteps; seed++ {
		m := newModel(seed)
		for range 6 {
			m.trouble()
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
	calm  bool          // the network is perfect but for delay, nobody fails
	since instant       // two nodes hold the addresses; never: they do not
	worst time.Duration
}

func newModel(seed uint64) *model {
	w := newWorld(seed)
	m := &model{w: w, rand: rand.New(rand.NewPCG(seed, 1)), since: never}
	intervals := []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 40_950 * time.Millisecond}
	m.ivl = intervals[m.rand.IntN(len(intervals))]
	w.least, w.most = 0, m.ivl/100
	sameChance := m.rand.Float64() < 0.3
	for i := range 2 + m.rand.IntN(4) {
		set := testSettings()
		set.interval = m.ivl
		set.priority = uint8(1 + m.rand.IntN(254))
		if sameChance {
			set.priority = []uint8{100, 101, 255}[m.rand.IntN(3)]
		}
		set.preempt = m.rand.Float64() < 0.7
		if m.rand.Float64() < 0.2 {
			set.preemptDelay = time.Duration(m.rand.Int64N(int64(5 * m.ivl)))
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), 0)
		w.start(w.add(fmt.Sprintf("n%d", i), addr, set))
	}
	w.check = m.overlap
	return m
}

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

// trouble does a few things at random moments.
func (m *model) trouble() {
	w, r := m.w, m.rand
	m.calm = false
	w.loss, w.duplicate, w.reorder = r.Float64()*0.3, r.Float64()*0.2, r.Float64()*0.2
	w.most = time.Duration(r.Int64N(int64(m.ivl)))
	for range 1 + r.IntN(8) {
		n := w.nodes[r.IntN(len(w.nodes))]
		switch r.IntN(12) {
		case 0, 1:
			w.kill(n)
		case 2, 3:
			if !n.running {
				w.start(n)
			}
		case 4:
			w.step(n, event{kind: evYield})
		case 5:
			w.step(n, event{kind: evResume})
		case 6:
			w.step(n, event{kind: evFault, fault: faultTracking << r.IntN(2)})
		case 7:
			w.step(n, event{kind: evFault, fault: faultAddresses, retry: true})
		case 8:
			w.step(n, event{kind: evClear, fault: faultTracking << r.IntN(2)})
		case 9:
			set := n.set
			set.priority = uint8(1 + r.IntN(255))
			set.preempt = !set.preempt
			w.step(n, event{kind: evSettings, settings: set})
		case 10:
			for _, o := range w.nodes {
				if o != n && r.IntN(2) == 0 {
					w.cut[[2]int{n.index, o.index}] = true
				}
			}
		case 11:
			clear(w.cut)
		}
		w.run(time.Duration(r.Int64N(int64(4 * m.ivl))))
	}
}

// quiet heals the network and everybody, and looks at what comes of it.
func (m *model) quiet() error {
	w := m.w
	clear(w.cut)
	w.loss, w.duplicate, w.reorder = 0, 0, 0
	w.most = m.ivl / 100
	longest, running := time.Duration(0), 0
	for _, n := range w.nodes {
		w.step(n, event{kind: evClear, fault: faultTracking | faultGroup | faultAddresses})
		if n.running {
			running++
			longest = max(longest, downInterval(3, 1, m.ivl), n.set.preemptDelay+m.ivl)
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
	if bound := m.ivl + w.most; m.worst > bound {
		return fmt.Errorf("two held the addresses for %v, more than %v", m.worst, bound)
	}
	if err := m.rightful(holders[0]); err != nil {
		return err
	}
	if p := w.problems(); p != "" {
		return fmt.Errorf("%s", p)
	}
	// Nothing moves without a reason.
	w.run(3 * longest)
	if again := w.active(); len(again) != 1 || again[0] != holders[0] {
		return fmt.Errorf("%s lost the addresses in peace", holders[0].name)
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
