package memnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sequence sends n numbered frames from a to the group and returns what b and c
// heard, after an hour.
func sequence(t *testing.T, n int, opts []LANOption, faults func(l *LAN)) (heardB, heardC string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l, a, b, c := three(t, append(opts, WithQueue(10*n))...)
		faults(l)
		for i := range n {
			sendTo(t, a, group, fmt.Sprint(i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Hour)
		heardB, heardC = heard(t, b), heard(t, c)
	})
	return heardB, heardC
}

// inOrder is what is heard without faults.
func inOrder(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("1:%d", i))
	}
	return strings.Join(all, " ")
}

func TestFaultsArePossibleAndRepeatable(t *testing.T) {
	const n = 400
	for _, tt := range []struct {
		name      string
		faults    func(l *LAN)
		low, high int // frames heard
	}{
		{"loss", func(l *LAN) { l.SetLoss(0.3) }, 230, 330},
		{"duplicates", func(l *LAN) { l.SetDuplicate(0.3) }, 470, 570},
		{"reordering", func(l *LAN) { l.SetReorder(0.3) }, n, n},
		{"delay and duplicates", func(l *LAN) { l.SetDelay(0, 20*time.Millisecond); l.SetDuplicate(0.5) }, 550, 650},
		{"all", func(l *LAN) {
			l.SetLoss(0.5)
			l.SetDuplicate(0.5)
			l.SetReorder(0.5)
			l.SetDelay(time.Millisecond, 5*time.Millisecond)
		}, 240, 360},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, c := sequence(t, n, nil, tt.faults)
			if heard := len(strings.Fields(b)); heard < tt.low || heard > tt.high {
				t.Errorf("heard %d of %d, want %d to %d", heard, n, tt.low, tt.high)
			}
			if b == inOrder(n) || b == c {
				t.Error("no faults, or the same faults for both receivers")
			}
			if again, _ := sequence(t, n, nil, tt.faults); again != b {
				t.Error("the same seed gave other faults")
			}
			if other, _ := sequence(t, n, []LANOption{WithSeed(2)}, tt.faults); other == b {
				t.Error("another seed gave the same faults")
			}
		})
	}
}

func TestCertainFaults(t *testing.T) {
	if b, c := sequence(t, 50, nil, func(l *LAN) { l.SetLoss(1) }); b+c != "" {
		t.Errorf("heard %q and %q through a loss of 1", b, c)
	}
	if b, _ := sequence(t, 2, nil, func(l *LAN) { l.SetDuplicate(1) }); b != "1:0 1:0 1:1 1:1" {
		t.Errorf("heard %q, want everything twice", b)
	}
}

// TestDelayKeepsOrder varies the delay by much more than the frames are apart.
func TestDelayKeepsOrder(t *testing.T) {
	b, c := sequence(t, 300, nil, func(l *LAN) { l.SetDelay(0, 50*time.Millisecond) })
	if want := inOrder(300); b != want || c != want {
		t.Errorf("heard %q and %q, want all in order", b, c)
	}
}

func TestDelayBounds(t *testing.T) {
	const least, most = 5 * time.Millisecond, 9 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		l, a, b, _ := three(t)
		l.SetDelay(least, most)
		seen := map[time.Duration]bool{}
		for range 200 {
			t0 := time.Now()
			sendTo(t, a, addrB, "x")
			if _, _, err := b.ReadFromUDPAddrPort(make([]byte, 9)); err != nil {
				t.Fatal(err)
			}
			d := time.Since(t0)
			if d < least || d > most {
				t.Fatalf("a frame took %v, want %v to %v", d, least, most)
			}
			seen[d.Truncate(time.Millisecond)] = true
		}
		if len(seen) < 4 {
			t.Errorf("delays were %v, want them spread", seen)
		}
		l.SetDelay(least, 0) // a most below least means least
		t0 := time.Now()
		sendTo(t, a, addrB, "x")
		b.ReadFromUDPAddrPort(make([]byte, 9))
		if d := time.Since(t0); d != least {
			t.Errorf("a frame took %v, want %v", d, least)
		}
	})
}

func TestReorderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b, _ := three(t)
		l.SetReorder(1)
		for range 100 {
			t0 := time.Now()
			sendTo(t, a, addrB, "x")
			b.ReadFromUDPAddrPort(make([]byte, 9))
			if d := time.Since(t0); d <= 0 || d > reorderHold {
				t.Fatalf("a frame was held for %v, want at most %v", d, reorderHold)
			}
		}
	})
}

func TestCut(t *testing.T) {
	l, a, b, c := three(t)
	l.Cut(addrA.Addr(), addrB.Addr())
	sendTo(t, a, group, "x")
	sendTo(t, a, addrB, "x")
	sendTo(t, b, addrA, "y") // the other way is open
	expect(t, b, "")
	expect(t, c, "1:x")
	expect(t, a, "2:y")
	if got := l.Stats().Cut; got != 2 {
		t.Errorf("Stats().Cut = %d, want 2", got)
	}
	l.Heal()
	sendTo(t, a, addrB, "z")
	expect(t, b, "1:z")

	l.Cut(addrC.Addr(), netip.Addr{}) // silent
	l.Cut(netip.Addr{}, addrB.Addr()) // deaf
	sendTo(t, c, group, "s")
	sendTo(t, a, group, "d")
	sendTo(t, b, group, "h")
	sendTo(t, b, addrB, "self")
	expect(t, a, "2:h")
	expect(t, b, "2:self")
	expect(t, c, "1:d 2:h")
}

func TestPartition(t *testing.T) {
	addrD := netip.MustParseAddrPort("192.0.2.4:0")
	l, all := hosts(t, []netip.AddrPort{addrA, addrB, addrC, addrD})
	talk := func(want ...string) {
		t.Helper()
		for _, c := range all {
			sendTo(t, c, group, "x")
		}
		for i, c := range all {
			expect(t, c, want[i])
		}
	}
	l.Partition([]netip.Addr{addrA.Addr(), addrB.Addr()}) // against the rest
	talk("2:x", "1:x", "4:x", "3:x")
	l.Partition([]netip.Addr{addrA.Addr(), addrC.Addr()}, []netip.Addr{addrB.Addr()})
	talk("3:x", "", "1:x", "")
	l.Heal()
	talk("2:x 3:x 4:x", "1:x 3:x 4:x", "1:x 2:x 4:x", "1:x 2:x 3:x")
	l.Partition()
	talk("2:x 3:x 4:x", "1:x 3:x 4:x", "1:x 2:x 4:x", "1:x 2:x 3:x")
}

// TestCutSparesFlight cuts while a frame is under way.
func TestCutSparesFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b, _ := three(t)
		l.SetDelay(time.Second, time.Second)
		sendTo(t, a, addrB, "x")
		l.Cut(addrA.Addr(), addrB.Addr())
		sendTo(t, a, addrB, "y")
		time.Sleep(time.Second + 1)
		expect(t, b, "1:x")
	})
}

func TestCloseWithFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a, b, c := three(t)
		l.SetDelay(time.Second, time.Second)
		sendTo(t, a, group, "x")
		b.Close() // nobody is there when the frame arrives
		time.Sleep(2 * time.Second)
		expect(t, c, "1:x")
		if got := l.Stats(); got.Unheard != 1 || got.Delivered != 1 {
			t.Errorf("Stats() = %+v, want one unheard and one delivered", got)
		}
		sendTo(t, a, group, "y")
		l.Close()
	})
}

// TestCloseRaces closes a LAN, outside of a bubble, while its timer fires.
func TestCloseRaces(t *testing.T) {
	for range 200 {
		l, a, _, _ := three(t)
		l.SetDelay(0, 50*time.Microsecond)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 20 {
				a.WriteToUDPAddrPort([]byte("x"), group)
			}
		})
		wg.Go(func() { l.Close() })
		wg.Wait()
		l.mu.Lock()
		if l.flight.armed || len(l.flight.arrivals) > 0 {
			t.Error("a timer or a frame is left after Close")
		}
		l.mu.Unlock()
	}
}

// TestFramesAreAccounted balances the books under random faults.
func TestFramesAreAccounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 50 {
			l, a, b, c := three(t, WithSeed(r.Uint64()), WithQueue(1+r.IntN(50)))
			l.SetLoss(r.Float64() / 2)
			l.SetDelay(0, time.Duration(r.IntN(1e7)))
			l.SetReorder(r.Float64())
			if r.IntN(2) == 0 {
				l.Cut(addrA.Addr(), addrB.Addr())
			}
			for i := range 100 {
				sendTo(t, []*PacketConn{a, b, c}[i%3], group, "x")
			}
			time.Sleep(time.Second)
			got := l.Stats()
			if got.Sent != 100 || got.Delivered+got.Lost+got.Cut+got.Overflowed != 200 {
				t.Errorf("%+v, want 100 frames for 2 receivers each", got)
			}
			waiting := uint64(0)
			for _, c := range []*PacketConn{a, b, c} {
				waiting += uint64(len(strings.Fields(heard(t, c))))
			}
			if waiting != got.Delivered {
				t.Errorf("%d heard, %d delivered", waiting, got.Delivered)
			}
		}
	})
}
