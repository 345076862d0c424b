package vrrp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// parts starts routers that do not hear each other, phase apart, and lets 5
// intervals pass: each is Active.
func parts(seed uint64, phase time.Duration, change func(*settings), priorities ...uint8) *world {
	w := newWorld(seed)
	w.least, w.most = time.Millisecond, 5*time.Millisecond
	for i, p := range priorities {
		set := testSettings()
		set.priority = p
		if change != nil {
			change(&set)
		}
		n := w.add(fmt.Sprint(i), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 0), set)
		for j := range priorities {
			w.cut[[2]int{i, j}] = true
		}
		w.start(n)
		w.run(phase)
	}
	w.run(5 * time.Second)
	return w
}

// lastWord tells who of the losers announced after the one winner.
func (w *world) lastWord() error {
	holders := w.active()
	if len(holders) != 1 {
		return fmt.Errorf("%d are Active", len(holders))
	}
	for _, n := range w.nodes {
		if n != holders[0] && n.spoke > holders[0].spoke {
			return fmt.Errorf("%s announced after %s, which won", n.name, holders[0].name)
		}
	}
	return nil
}

// Parts of a network meet again at every phase of each other. Whichever advert
// crosses first, within two intervals one router is Active, and what it announces
// is the last word. With loss the winner may never hear of the loser; its refresh
// is the last word then. Case 24.
func TestSplitHeal(t *testing.T) {
	const interval = time.Second
	for _, priorities := range [][]uint8{{150, 100}, {100, 150}, {100, 100}, {255, 255}, {100, 150, 200}, {100, 100, 100}} {
		for phase := time.Duration(0); phase < interval; phase += interval / 40 {
			for _, c := range []struct {
				loss, duplicate, reorder float64
				installing               time.Duration
			}{{}, {duplicate: 0.3, reorder: 0.3}, {installing: 300 * time.Millisecond}, {loss: 0.1}, {loss: 0.3, reorder: 0.3}} {
				name := fmt.Sprintf("priorities %v, phase %v, %+v", priorities, phase, c)
				w := parts(uint64(phase), phase, nil, priorities...)
				w.installing = c.installing
				if n := len(w.active()); n != len(priorities) {
					t.Fatalf("%s: %d are Active of %d apart", name, n, len(priorities))
				}
				w.loss, w.duplicate, w.reorder = c.loss, c.duplicate, c.reorder
				clear(w.cut)
				if c.loss > 0 {
					w.run(30 * interval) // enough for adverts to get through
					w.loss = 0
					w.run(time.Minute + 2*interval) // and for a refresh
				} else {
					w.run(2 * interval)
				}
				if err := w.lastWord(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if p := w.problems(); p != "" {
					t.Errorf("%s: %s", name, p)
				}
			}
		}
	}
}

// What the extensions are for: to the letter of RFC 9568 a loser can leave
// without a word, and the winner, who never learns of it, does not announce. At
// some phases the loser has the last word.
func TestSplitHealToTheLetter(t *testing.T) {
	silent := 0
	for phase := time.Duration(0); phase < time.Second; phase += 25 * time.Millisecond {
		w := parts(uint64(phase), phase, func(s *settings) { strictly(s); once(s) }, 150, 100)
		clear(w.cut)
		w.run(2 * time.Second)
		if n := len(w.active()); n != 1 {
			t.Errorf("phase %v: %d are Active", phase, n)
		}
		if w.lastWord() != nil {
			silent++
		}
	}
	if silent == 0 {
		t.Error("the winner has the last word at every phase: nothing is left to do better")
	}
}

// Three of one priority promote at one moment. The highest address wins, and
// several hold the addresses for a round trip at most. Case 26, with the script
// three-equal.txt and TestTieOnLAN.
func TestSynchronizedStart(t *testing.T) {
	for seed := range uint64(200) {
		w := newWorld(seed)
		w.least, w.most = time.Millisecond, 20*time.Millisecond
		for i := range 3 {
			w.start(w.add(fmt.Sprint(i), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 0), testSettings()))
		}
		last := never
		w.check = func() {
			if len(w.active()) > 1 {
				last = w.now
			}
		}
		w.run(5 * time.Second)
		if holders := w.active(); len(holders) != 1 || holders[0] != w.nodes[2] {
			t.Errorf("seed %d: %d are Active, or not the highest address", seed, len(holders))
		}
		if together := time.Duration(last-t0) - down100; last == never || together > 2*w.most {
			t.Errorf("seed %d: several were Active for %v", seed, together)
		}
		if err := w.lastWord(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// A speaker that goes on with a lower claim does not hear us. It is told from one
// that is about to leave, and from copies. Case 27, with the scripts oneway*.txt.
func TestOneWay(t *testing.T) {
	lower := heard(50, lowPeer)
	at := func(d time.Duration) instant { return after(t0, d) }
	// warned counts the warnings of adverts at these moments.
	warned := func(r *rig, ev event, moments ...time.Duration) (n int) {
		for _, d := range moments {
			for _, a := range r.m.step(at(d), ev) {
				if a.kind == actWarn && a.warning == warnOneWay {
					n++
				}
			}
		}
		return n
	}
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		name    string
		set     func(*settings)
		moments []time.Duration
		want    int
	}{
		{"as many as a down interval has", nil, []time.Duration{0, s, 2 * s}, 0},
		{"one more", nil, []time.Duration{0, s, 2 * s, 3 * s}, 1},
		{"and each after that", nil, every(s, 10*s), 7},
		{"with losses", nil, []time.Duration{0, 3 * s, 6 * s, 9 * s}, 1},
		{"with a down interval between", nil, []time.Duration{0, s, 2 * s, 7 * s, 8 * s, 9 * s, 20 * s}, 0},
		{"copies", nil, []time.Duration{0, 0, 0, 0, 0, ms, ms, 2 * ms, s, s, s}, 0},
		{"ten in a down interval", func(s *settings) { s.adverts = 10 }, every(s, 10*s), 0},
		{"ten and one", func(s *settings) { s.adverts = 10 }, every(s, 11*s), 1},
	} {
		r := newRig(t)
		if c.set != nil {
			r = newRig(t, c.set)
		}
		if got := warned(r.active(), lower, c.moments...); got != c.want {
			t.Errorf("%s: warned %d times, want %d", c.name, got, c.want)
		}
	}
	r := newRig(t).active()
	if n := warned(r, lower, 0, s, 2*s) + warned(r, heard(50, highPeer), 3*s) + warned(r, lower, 4*s, 5*s, 6*s); n != 0 {
		t.Errorf("two speakers: warned %d times, want 0", n)
	}
	r = newRig(t).active()
	warned(r, lower, 0, s, 2*s)
	r.quietly(at(2*s), heard(200, highPeer)) // we leave, and come back
	r.quietly(r.m.deadline(), event{kind: evTick})
	if n := warned(r, lower, 6*s, 7*s, 8*s); n != 0 || r.m.state != Active {
		t.Errorf("after another promotion: warned %d times, want 0", n)
	}
}
