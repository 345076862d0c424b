package vrrp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Two halves meet again at every phase of each other. Without loss the winner
// hears a losing advert after the loser has removed the addresses, so what it
// announces then is the last word; with loss, one remains within two intervals.
func TestSplitHeal(t *testing.T) {
	const interval = time.Second
	for _, priorities := range [][2]uint8{{150, 100}, {100, 150}, {100, 100}, {255, 255}} {
		for phase := time.Duration(0); phase < interval; phase += interval / 40 {
			for _, loss := range []float64{0, 0.3} {
				name := fmt.Sprintf("priorities %v, phase %v, loss %v", priorities, phase, loss)
				w := newWorld(uint64(phase))
				w.least, w.most = time.Millisecond, 5*time.Millisecond
				for i, p := range priorities {
					set := testSettings()
					set.priority, set.interval = p, interval
					w.add(fmt.Sprint(i), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 0), set)
				}
				w.cut[[2]int{0, 1}], w.cut[[2]int{1, 0}] = true, true
				w.start(w.nodes[0])
				w.run(phase)
				w.start(w.nodes[1])
				w.run(5 * interval)

				removed, evidence := never, never
				w.trace = func(n *node, line string) {
					switch line {
					case "remove":
						removed = w.now
					case "warning: " + warningTexts[warnLosing]:
						evidence = w.now
					}
				}
				w.loss = loss
				clear(w.cut)
				if loss > 0 {
					w.run(30 * interval) // enough for adverts to get through
				} else {
					w.run(2 * interval)
				}
				if n := len(w.active()); n != 1 {
					t.Errorf("%s: %d are Active", name, n)
				}
				if loss == 0 && (removed == never || evidence == never || evidence < removed) {
					t.Errorf("%s: the winner heard of the loser at %d, which left at %d", name, evidence-t0, removed-t0)
				}
				if p := w.problems(); p != "" {
					t.Errorf("%s: %s", name, p)
				}
			}
		}
	}
}
