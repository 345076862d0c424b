package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func owns(s *settings)      { s.priority = owner }
func nopreempt(s *settings) { s.preempt = false }
func delays(d time.Duration) func(*settings) {
	return func(s *settings) { s.preemptDelay = d }
}

// RFC 9568 section 6.1: Skew_Time = ((256 - priority) * Active_Adver_Interval) /
// 256 and Active_Down_Interval = 3 * Active_Adver_Interval + Skew_Time.
func TestRFC9568_6_1_SkewAndDownInterval(t *testing.T) {
	// Figures of the formulas, by hand.
	for _, c := range []struct {
		name     string
		priority uint8
		interval time.Duration
		skew     time.Duration
		down     time.Duration
	}{
		{"default", 100, time.Second, 609_375 * time.Microsecond, 3_609_375 * time.Microsecond},
		{"254 at 10 ms", 254, 10 * time.Millisecond, 78_125, 30_078_125},
		{"1 at 10 ms", 1, 10 * time.Millisecond, 9_960_937, 39_960_937},
		{"owner", 255, time.Second, 3_906_250, 3_003_906_250},
		{"longest", 1, 40_950 * time.Millisecond, 40_790_039_062, 163_640_039_062},
	} {
		if got := skewTime(c.priority, c.interval); got != c.skew {
			t.Errorf("%s: skewTime() = %v, want %v", c.name, got, c.skew)
		}
		if got := downInterval(3, c.priority, c.interval); got != c.down {
			t.Errorf("%s: downInterval() = %v, want %v", c.name, got, c.down)
		}
	}
	if got := downInterval(1, 254, 10*time.Millisecond); got != 10_078_125 {
		t.Errorf("downInterval(1 advert) = %v, want 10.078125ms", got)
	}
}

// RFC 9568 section 6.4.2: Active_Down_Timer fires. Silence makes a Backup
// Active exactly when the formulas say, at every priority, never earlier for a
// lower one. Case 11.
func TestRFC9568_6_4_2_TakeoverExactAtEveryPriority(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Millisecond, time.Second, 40_950 * time.Millisecond} {
		last := time.Duration(0)
		for priority := 254; priority >= 1; priority-- {
			r := newRig(t, func(s *settings) { s.priority, s.interval = uint8(priority), interval })
			r.backup()
			// interval*(1024-priority)/256, rounded down.
			want := interval * time.Duration(1024-priority) / 256
			if want <= last {
				t.Fatalf("priority %d waits %v, not more than the %v of the next higher", priority, want, last)
			}
			last = want
			r.step(after(t0, want-1), event{kind: evTick}, "", Backup, 1)
			if got := r.m.deadline(); got != after(t0, want) {
				t.Fatalf("priority %d at %v: deadline %v, want %v", priority, interval, time.Duration(got-t0), want)
			}
			r.m.step(after(t0, want), event{kind: evTick})
			if r.m.state != Active {
				t.Fatalf("priority %d at %v: %v at the deadline", priority, interval, r.m.state)
			}
		}
	}
}

// RFC 9568 section 6.4.1, startup with priority 255: send an ADVERTISEMENT,
// announce each address, set Adver_Timer, be Active. Case 12.
func TestRFC9568_6_4_1_StartupOwner(t *testing.T) {
	r := newRig(t, owns)
	r.step(t0, event{kind: evStart}, "send 255, install, initialize>active owner", Active, time.Second)
	r.step(t0, hasInstalled, "announce 5", Active, time.Second)
}

// RFC 9568 section 6.4.1, startup with another priority: set Active_Adver_Interval
// to Advertisement_Interval, Active_Down_Timer to Active_Down_Interval, be Backup.
func TestRFC9568_6_4_1_StartupBackup(t *testing.T) {
	r := newRig(t)
	r.step(t0, event{kind: evStart}, "initialize>backup startup", Backup, down100)
	r.step(after(t0, 1), event{kind: evStart}, "", Backup, down100-1) // started already
}

// RFC 9568 section 6.4.2, shutdown: cancel Active_Down_Timer, be Initialize. No
// packet.
func TestRFC9568_6_4_2_Shutdown(t *testing.T) {
	newRig(t).backup().step(after(t0, 1), event{kind: evShutdown}, "backup>initialize shutdown", Initialize, -1)
}

// RFC 9568 section 6.4.2, Active_Down_Timer fires: send an ADVERTISEMENT, announce
// each address, set Adver_Timer, be Active. The addresses are held by then (section
// 8.1.2: neighbours are not told before they are). Case 10.
func TestRFC9568_6_4_2_TimerFires(t *testing.T) {
	r := newRig(t).backup()
	r.step(after(t0, down100-1), event{kind: evTick}, "", Backup, 1)
	r.step(after(t0, 3_609_375*time.Microsecond), event{kind: evTick}, "send 100, install, backup>active no-response", Active, time.Second)
	r.step(after(t0, down100), hasInstalled, "announce 5", Active, time.Second)
}

// RFC 9568 section 6.4.2, priority 0: set Active_Down_Timer to Skew_Time. Case 14.
func TestRFC9568_6_4_2_PriorityZero(t *testing.T) {
	for _, phase := range []time.Duration{0, 1, skew100, 2 * time.Second, down100 - 1, down100} {
		at := after(t0, phase)
		r := newRig(t).backup()
		r.step(at, heard(0, highPeer), "", Backup, skew100)
		r.step(after(at, skew100-1), event{kind: evTick}, "", Backup, 1)
		r.step(after(at, skew100), event{kind: evTick}, "send 100, install, backup>active resigned", Active, time.Second)
	}
	t1, t2 := after(t0, 1700*time.Millisecond), after(t0, 1900*time.Millisecond)
	r := newRig(t).backup()
	slow := event{kind: evAdvert, priority: 200, from: highPeer, interval: 2 * time.Second}
	r.step(t0, slow, "", Backup, 2*down100)
	// The skew is of the learned interval, and counts from the last priority 0.
	zero := event{kind: evAdvert, priority: 0, from: highPeer, interval: 5 * time.Second}
	r.step(t1, zero, "", Backup, 2*skew100)
	r.step(t2, zero, "", Backup, 2*skew100)
	r.step(after(t2, 2*skew100-1), event{kind: evTick}, "", Backup, 1)
	r.step(after(t2, 2*skew100), event{kind: evTick}, "send 100, install, backup>active resigned", Active, time.Second)
}

// RFC 9568 section 6.4.2, priority not lower than the local one: set
// Active_Adver_Interval, recompute, set Active_Down_Timer. Case 16.
func TestRFC9568_6_4_2_HigherOrEqualPriorityAdvert(t *testing.T) {
	t1 := after(t0, 2*time.Second)
	for _, c := range []struct {
		name string
		ev   event
		want string
	}{
		{"higher", heard(101, lowPeer), ""},
		{"equal, higher address", heard(100, highPeer), "warn equal"},
		{"equal, lower address", heard(100, lowPeer), "warn equal"}, // no comparison of addresses in Backup
		{"owner", heard(255, lowPeer), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			newRig(t).backup().step(t1, c.ev, c.want, Backup, down100)
		})
	}
}

// RFC 9568 section 6.4.2, priority lower than the local one: with Preempt_Mode
// discard it, without follow it. Case 20.
func TestRFC9568_6_4_2_LowerPriorityAdvert(t *testing.T) {
	t1 := after(t0, 2*time.Second)
	t.Run("preempt", func(t *testing.T) {
		r := newRig(t).backup()
		r.step(t1, heard(99, highPeer), "", Backup, down100-2*time.Second) // the timer is not touched
		r.step(after(t0, down100), event{kind: evTick}, "send 100, install, backup>active preempt", Active, time.Second)
	})
	t.Run("nopreempt", func(t *testing.T) {
		r := newRig(t, nopreempt).backup()
		r.step(t1, heard(99, highPeer), "", Backup, down100)
		r.step(after(t1, down100), event{kind: evTick}, "send 100, install, backup>active no-response", Active, time.Second)
	})
	t.Run("nopreempt, resigns", func(t *testing.T) {
		r := newRig(t, nopreempt).backup()
		r.quietly(t1, heard(99, highPeer))
		r.step(t1, heard(0, highPeer), "", Backup, skew100)
	})
	t.Run("an owner always preempts", func(t *testing.T) {
		r := newRig(t, owns, nopreempt).quietly(t0, event{kind: evStart}, event{kind: evFault, fault: faultTracking}, event{kind: evClear, fault: faultTracking})
		r.step(t1, heard(254, highPeer), "", Backup, downInterval(3, 255, time.Second)-2*time.Second)
	})
}

// RFC 9568 sections 6.4.2 and 6.4.3: Active_Adver_Interval is that of the adverts
// that are followed; an Active router keeps to its own. Case 22.
func TestRFC9568_6_4_2_LearnsInterval(t *testing.T) {
	r := newRig(t).backup()
	fast := event{kind: evAdvert, priority: 200, from: highPeer, interval: 100 * time.Millisecond}
	r.step(t0, fast, "", Backup, down100/10)
	r.step(t0, heard(200, highPeer), "", Backup, down100)
	// A discarded advert teaches nothing.
	r.step(t0, event{kind: evAdvert, priority: 1, from: lowPeer, interval: 10 * time.Millisecond}, "", Backup, down100)
	// An Active router uses its own interval, and one that leaves learns the winner's.
	r.step(after(t0, down100), event{kind: evTick}, "send 100, install, backup>active preempt", Active, time.Second)
	r.step(t0, fast, "send 100, remove, active>backup higher-priority", Backup, down100/10)
	// A restart forgets.
	r.quietly(t0, event{kind: evShutdown})
	r.step(t0, event{kind: evStart}, "initialize>backup startup", Backup, down100)
}

// RFC 9568 section 6.4.3, shutdown: cancel Adver_Timer, send an ADVERTISEMENT of
// priority 0, be Initialize. The wait for the heir is ours; a profile skips it.
func TestRFC9568_6_4_3_Shutdown(t *testing.T) {
	t1 := after(t0, 300*time.Millisecond)
	t.Run("with an heir", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t1, event{kind: evShutdown}, "send 0", Active, time.Second)
		t2 := after(t1, skew100)
		r.step(t2, heard(50, lowPeer), "", Active, handover)
		r.step(after(t2, handover-1), heard(50, lowPeer), "", Active, 1)
		r.step(after(t2, handover), event{kind: evTick}, "remove, active>initialize shutdown", Initialize, -1)
	})
	t.Run("with one that comes last", func(t *testing.T) {
		r := newRig(t).active()
		r.quietly(t1, event{kind: evShutdown})
		r.step(after(t1, time.Second-1), heard(1, lowPeer), "", Active, handover)
	})
	t.Run("at a short interval", func(t *testing.T) {
		r := newRig(t, func(s *settings) { s.interval = 20 * time.Millisecond }).active()
		r.quietly(t0, event{kind: evShutdown})
		r.step(t0, heard(50, lowPeer), "", Active, 5*time.Millisecond)
	})
	t.Run("without", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t1, event{kind: evShutdown}, "send 0", Active, time.Second)
		r.step(after(t1, time.Second-1), event{kind: evTick}, "", Active, 1)
		r.step(after(t1, time.Second), event{kind: evTick}, "remove, active>initialize shutdown", Initialize, -1)
	})
}

// RFC 9568 section 6.4.3, Adver_Timer fires: send an ADVERTISEMENT, set it again.
func TestRFC9568_6_4_3_AdverTimer(t *testing.T) {
	r := newRig(t).active()
	r.step(after(t0, time.Second), event{kind: evTick}, "send 100", Active, time.Second)
	// Lateness does not add up ...
	r.step(after(t0, 2300*time.Millisecond), event{kind: evTick}, "send 100", Active, 700*time.Millisecond)
	// ... but missed adverts are not made up for.
	r.step(after(t0, 7*time.Second), event{kind: evTick}, "send 100", Active, time.Second)
	r.step(after(t0, 9*time.Second), event{kind: evTick}, "send 100", Active, time.Second)
}

// RFC 9568 section 6.4.3, priority 0: send an ADVERTISEMENT, set Adver_Timer. That
// two were Active is a reason to announce. Case 15.
func TestRFC9568_6_4_3_PriorityZeroAdvert(t *testing.T) {
	newRig(t).active().step(after(t0, 400*time.Millisecond), heard(0, highPeer), "send 100", Active, time.Second)
	r := newRig(t, func(s *settings) { s.plan.Burst = 2 }).active().quietly(t0, hasInstalled)
	r.quietly(after(t0, time.Second), event{kind: evTick})
	r.step(after(t0, 1400*time.Millisecond), heard(0, highPeer), "send 100, announce 2", Active, time.Second)
}

// RFC 9568 section 6.4.3, higher priority: cancel Adver_Timer, set
// Active_Adver_Interval, recompute, set Active_Down_Timer, be Backup.
func TestRFC9568_6_4_3_HigherPriorityAdvert(t *testing.T) {
	// The answer, once, is ours; the RFC only yields.
	r := newRig(t).active()
	r.step(after(t0, 400*time.Millisecond), heard(101, lowPeer), "send 100, remove, active>backup higher-priority", Backup, down100)
	r.step(after(t0, 500*time.Millisecond), heard(101, lowPeer), "", Backup, down100)

	r = newRig(t, strictly).active()
	r.step(after(t0, 400*time.Millisecond), heard(101, lowPeer), "remove, active>backup higher-priority", Backup, down100)
}

// RFC 9568 section 6.4.3, equal priority: the greater primary address wins, as an
// unsigned number in network order. Cases 17 and 18.
func TestRFC9568_6_4_3_TieBreak(t *testing.T) {
	t1 := after(t0, 400*time.Millisecond)
	t.Run("higher address", func(t *testing.T) {
		newRig(t).active().step(t1, heard(100, highPeer), "warn equal, send 100, remove, active>backup higher-address", Backup, down100)
	})
	t.Run("lower address", func(t *testing.T) {
		newRig(t).active().step(t1, heard(100, lowPeer), "warn equal, warn losing, send 100", Active, 600*time.Millisecond)
	})
	t.Run("own address", func(t *testing.T) {
		newRig(t).active().step(t1, heard(100, self), "warn duplicate", Active, 600*time.Millisecond)
	})
	t.Run("addresses compare as unsigned numbers", func(t *testing.T) {
		r := newRig(t)
		r.m.self = netip.MustParseAddrPort("127.0.0.1:0")
		r.active().step(t1, heard(100, netip.MustParseAddrPort("128.0.0.1:0")), "warn equal, send 100, remove, active>backup higher-address", Backup, down100)
	})
	t.Run("one address, higher port", func(t *testing.T) {
		r := newRig(t)
		r.m.self = netip.MustParseAddrPort("127.0.0.1:9999")
		r.active().step(t1, heard(100, netip.MustParseAddrPort("127.0.0.1:10000")), "warn equal, send 100, remove, active>backup higher-address", Backup, down100)
	})
	for i := range 16 {
		t.Run(fmt.Sprintf("byte %d of 16", i), func(t *testing.T) {
			// The bytes after it say the opposite.
			low, high := [16]byte{0: 0xfe, 1: 0x80}, [16]byte{0: 0xfe, 1: 0x80}
			low[i], high[i] = 0x7f, 0x80
			for j := i + 1; j < 16; j++ {
				low[j] = 0xff
			}
			lower, higher := netip.AddrPortFrom(netip.AddrFrom16(low), 0), netip.AddrPortFrom(netip.AddrFrom16(high), 0)
			r := newRig(t)
			r.m.self = lower
			r.active().step(t1, heard(100, higher), "warn equal, send 100, remove, active>backup higher-address", Backup, down100)
			r = newRig(t)
			r.m.self = higher
			r.active().step(t1, heard(100, lower), "warn equal, warn losing, send 100", Active, 600*time.Millisecond)
		})
	}
	t.Run("an identity that changed", func(t *testing.T) {
		r := newRig(t).active().quietly(t0, event{kind: evIdentity, from: netip.MustParseAddrPort("192.0.2.4:0")})
		r.step(t1, heard(100, highPeer), "warn equal, warn losing, send 100", Active, 600*time.Millisecond)
		r.step(t1, heard(100, netip.MustParseAddrPort("192.0.2.4:0")), "warn duplicate", Active, 600*time.Millisecond)
	})
}

// RFC 9568 section 6.4.3, lower claim: discard the advert and send one at once, so
// that learning bridges find the Active router; Adver_Timer is not reset. RFC 5798
// only discards. Case 23.
func TestRFC9568_6_4_3_LosingAdvert(t *testing.T) {
	r := newRig(t).active()
	for i := range 5 {
		t1 := after(t0, time.Duration(i+1)*100*time.Millisecond)
		r.step(t1, heard(99, highPeer), "warn losing, send 100", Active, time.Second-time.Duration(t1-t0))
	}
	// Two that both believe to win do not answer each other without end.
	t1, pause := after(t0, 600*time.Millisecond), time.Second/16
	r.step(t1, heard(99, highPeer), "warn losing, send 100", Active, 400*time.Millisecond)
	r.step(after(t1, pause-1), heard(99, highPeer), "warn losing", Active, 400*time.Millisecond-pause+1)
	r.step(after(t1, pause), heard(99, highPeer), "warn losing, send 100", Active, 400*time.Millisecond-pause)

	r = newRig(t, quietly5798).active()
	r.step(after(t0, 300*time.Millisecond), heard(99, highPeer), "warn losing", Active, 700*time.Millisecond)

	// The neighbours may have believed the loser.
	for _, profile := range []func(*settings){strictly, quietly5798} {
		r = newRig(t, profile).active().quietly(t0, hasInstalled)
		r.quietly(after(t0, time.Second), event{kind: evTick}, event{kind: evTick})
		if got := describe(r.m.step(after(t0, 1300*time.Millisecond), heard(99, highPeer))); !strings.HasSuffix(got, "announce 5") {
			t.Errorf("a losing advert: %q, no announcement", got)
		}
	}
}

// Erratum 8298 of RFC 9568: an owner listens. Two of them converge by address.
// Case 25.
func TestErratum8298_TwoOwners(t *testing.T) {
	t1 := after(t0, 400*time.Millisecond)
	r := newRig(t, owns).quietly(t0, event{kind: evStart})
	r.step(t1, heard(255, lowPeer), "warn owners, warn losing, send 255", Active, 600*time.Millisecond)
	r.step(t1, heard(254, highPeer), "warn losing", Active, 600*time.Millisecond) // has heard the answer
	r.step(t1, heard(255, highPeer), "warn owners, send 255, remove, active>backup higher-address", Backup, downInterval(3, 255, time.Second))
}

// The extensions that are not in the RFC.

// Case 21.
func TestPreemptDelay(t *testing.T) {
	t1 := after(t0, time.Second)
	const delay = 10 * time.Second
	t.Run("promotes at exactly the delay", func(t *testing.T) {
		r := newRig(t, delays(delay)).backup()
		for i := range 10 {
			at := after(t1, time.Duration(i)*time.Second)
			r.step(at, heard(50, lowPeer), "", Backup, min(down100, delay-time.Duration(i)*time.Second))
		}
		r.step(after(t1, delay), event{kind: evTick}, "send 100, install, backup>active preempt-delay", Active, time.Second)
	})
	t.Run("shorter than a down interval", func(t *testing.T) {
		r := newRig(t, delays(time.Millisecond)).backup()
		r.step(t1, heard(50, lowPeer), "", Backup, time.Millisecond)
		r.step(after(t1, time.Millisecond), event{kind: evTick}, "send 100, install, backup>active preempt-delay", Active, time.Second)
	})
	t.Run("cancelled by a higher advert", func(t *testing.T) {
		r := newRig(t, delays(2*time.Second)).backup()
		r.step(t1, heard(50, lowPeer), "", Backup, 2*time.Second)
		r.step(t1, heard(200, highPeer), "", Backup, down100)
		// The next lower one starts it anew.
		r.step(after(t1, time.Second), heard(50, lowPeer), "", Backup, 2*time.Second)
	})
	t.Run("never delays silence", func(t *testing.T) {
		r := newRig(t, delays(delay)).backup()
		r.step(t1, heard(50, lowPeer), "", Backup, down100)
		r.step(after(t1, down100), event{kind: evTick}, "send 100, install, backup>active no-response", Active, time.Second)
		newRig(t, delays(delay)).backup().step(after(t0, down100), event{kind: evTick}, "send 100, install, backup>active no-response", Active, time.Second)
	})
	t.Run("never delays a resignation", func(t *testing.T) {
		r := newRig(t, delays(delay)).backup()
		r.quietly(t1, heard(50, lowPeer))
		r.step(t1, heard(0, lowPeer), "", Backup, skew100)
	})
	t.Run("then the rest of the down interval", func(t *testing.T) {
		r := newRig(t, delays(delay), rests).backup()
		for i := range 10 {
			r.quietly(after(t1, time.Duration(i)*time.Second), heard(50, lowPeer))
		}
		t2 := after(t1, delay)
		r.step(t2, event{kind: evTick}, "", Backup, down100-time.Second)
		r.step(t2, heard(50, lowPeer), "", Backup, down100-time.Second) // discarded now
		r.step(after(t1, 9*time.Second+down100), event{kind: evTick}, "send 100, install, backup>active preempt", Active, time.Second)
	})
	t.Run("then silence", func(t *testing.T) {
		r := newRig(t, delays(time.Second), rests).backup().quietly(t1, heard(50, lowPeer))
		r.quietly(after(t1, time.Second), event{kind: evTick})
		r.step(after(t1, down100), event{kind: evTick}, "send 100, install, backup>active no-response", Active, time.Second)
	})
	t.Run("the rest is cancelled by a higher advert", func(t *testing.T) {
		r := newRig(t, delays(time.Second), rests).backup().quietly(t1, heard(50, lowPeer))
		r.quietly(after(t1, time.Second), event{kind: evTick}, heard(101, highPeer))
		r.step(after(t1, 2*time.Second), heard(50, lowPeer), "", Backup, time.Second) // anew
	})
	t.Run("the rest ends with preemption", func(t *testing.T) {
		r := newRig(t, delays(time.Second), rests).backup().quietly(t1, heard(50, lowPeer))
		r.quietly(after(t1, time.Second), event{kind: evTick})
		set := r.m.set
		set.preempt = false
		r.step(after(t1, time.Second), event{kind: evSettings, settings: set}, "", Backup, down100-time.Second)
		set.preempt = true
		r.quietly(after(t1, time.Second), event{kind: evSettings, settings: set})
		r.step(after(t1, 2*time.Second), heard(50, lowPeer), "", Backup, time.Second) // anew
	})
	t.Run("ends with preemption", func(t *testing.T) {
		r := newRig(t, delays(2*time.Second)).backup()
		r.quietly(t1, heard(50, lowPeer))
		set := r.m.set
		set.preempt = false
		r.step(t1, event{kind: evSettings, settings: set}, "", Backup, down100)
	})
}

func TestStartupDelay(t *testing.T) {
	r := newRig(t, func(s *settings) { s.startupDelay = 5 * time.Second })
	r.step(t0, event{kind: evStart}, "", Initialize, 5*time.Second)
	r.step(after(t0, time.Second), heard(0, lowPeer), "", Initialize, 4*time.Second)
	r.step(after(t0, 5*time.Second), event{kind: evTick}, "initialize>backup startup", Backup, down100)

	r = newRig(t, func(s *settings) { s.startupDelay = 5 * time.Second })
	r.quietly(t0, event{kind: evStart})
	r.step(after(t0, time.Second), event{kind: evShutdown}, "", Initialize, -1)
}

func TestYield(t *testing.T) {
	t1 := after(t0, 300*time.Millisecond)
	t2 := after(t1, 200*time.Millisecond)
	yield := event{kind: evYield}
	t.Run("to an heir", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t1, yield, "send 0", Active, time.Second)
		r.step(t2, heard(0, highPeer), "", Active, 800*time.Millisecond)
		r.step(t2, heard(1, lowPeer), "warn equal", Active, handover)
		r.step(after(t2, handover), event{kind: evTick}, "remove, active>backup yield", Backup, down1-handover)
		if got := r.m.effective(); got != 1 {
			t.Errorf("effective priority = %d, want 1", got)
		}
		// It stands by: lower than everybody, and it does not preempt.
		t2 := after(t2, handover)
		r.step(t2, heard(1, lowPeer), "warn equal", Backup, down1)
		r.step(after(t2, down1), event{kind: evTick}, "send 1, install, backup>active no-response", Active, time.Second)
		r.step(after(t2, down1), heard(2, lowPeer), "send 1, remove, active>backup higher-priority", Backup, down1)
	})
	t.Run("learns the heir's interval", func(t *testing.T) {
		r := newRig(t).active()
		r.quietly(t1, yield)
		r.quietly(t2, event{kind: evAdvert, priority: 50, from: lowPeer, interval: 2 * time.Second})
		r.step(after(t2, handover), event{kind: evTick}, "remove, active>backup yield", Backup, 2*down1-handover)
	})
	t.Run("to nobody", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t1, yield, "send 0", Active, time.Second)
		r.step(t2, yield, "", Active, 800*time.Millisecond) // no second priority 0
		r.step(after(t1, time.Second), event{kind: evTick}, "remove, active>backup yield", Backup, down1)
	})
	t.Run("in backup", func(t *testing.T) {
		r := newRig(t).backup()
		r.step(t1, yield, "", Backup, down1-300*time.Millisecond) // shifted
		r.step(t1, heard(50, lowPeer), "", Backup, down1)
	})
	t.Run("then shutdown", func(t *testing.T) {
		r := newRig(t).active()
		r.quietly(t1, yield)
		r.step(t2, event{kind: evShutdown}, "", Active, 800*time.Millisecond)
		r.step(t2, yield, "", Active, 800*time.Millisecond) // the shutdown stands
		r.step(t2, heard(50, lowPeer), "", Active, handover)
		r.step(after(t2, handover), event{kind: evTick}, "remove, active>initialize shutdown", Initialize, -1)
	})
	t.Run("then fault", func(t *testing.T) {
		r := newRig(t).active()
		r.quietly(t1, yield)
		r.step(t2, event{kind: evFault, fault: faultTracking}, "remove, active>fault fault", Fault, -1)
	})
	t.Run("an owner too", func(t *testing.T) {
		r := newRig(t, owns).quietly(t0, event{kind: evStart})
		r.step(t1, yield, "send 0", Active, time.Second)
		r.quietly(t2, heard(50, lowPeer))
		r.step(after(t2, handover), event{kind: evTick}, "remove, active>backup yield", Backup, down1-handover)
	})
	t.Run("and resume", func(t *testing.T) {
		r := newRig(t).active()
		r.quietly(t1, yield)
		r.quietly(after(t2, -handover), heard(50, lowPeer))
		r.quietly(t2, event{kind: evTick})
		left := down100 - handover // it preempts
		r.step(t2, event{kind: evResume}, "", Backup, left)
		r.step(after(t2, time.Second), heard(50, lowPeer), "", Backup, left-time.Second)
		r.step(after(t2, time.Second), event{kind: evResume}, "", Backup, left-time.Second)
	})
}

// Keepalived's FAULT: adverts are ignored, nothing is sent, and the way back leads
// through Backup. Priority 0 is sent once, and not over a broken link. Case 30.
func TestFault(t *testing.T) {
	t1 := after(t0, 300*time.Millisecond)
	fault, other := event{kind: evFault, fault: faultTracking}, event{kind: evFault, fault: faultGroup}
	clearFault, clearOther := event{kind: evClear, fault: faultTracking}, event{kind: evClear, fault: faultGroup}
	t.Run("from active", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t1, fault, "send 0, remove, active>fault fault", Fault, -1)
		r.step(t1, heard(0, lowPeer), "", Fault, -1) // deaf
		r.step(t1, clearFault, "fault>backup recovered", Backup, down100)
	})
	t.Run("link, from active", func(t *testing.T) {
		for _, f := range []faultSet{faultLink, faultSource, faultLink | faultTracking} {
			r := newRig(t).active().quietly(t0, hasInstalled)
			r.step(t1, faulty(f), "remove, active>fault fault", Fault, -1)
			r.step(t1, fault, "", Fault, -1)
			r.step(t1, healthy(f|fault.fault), "fault>backup recovered", Backup, down100)
		}
	})
	t.Run("link, while yielding", func(t *testing.T) {
		r := newRig(t).active().quietly(t0, hasInstalled, hasYielded)
		r.step(t1, faulty(faultLink), "remove, active>fault fault", Fault, -1)
		r.step(t1, healthy(faultLink), "fault>backup recovered", Backup, down1) // still on standby
	})
	t.Run("every set of faults", func(t *testing.T) {
		all := faultSet(1<<len(faultNames) - 1)
		for set := faultSet(1); set <= all; set++ {
			r := newRig(t).active()
			sent := 0
			for f := faultSet(1); f <= all; f <<= 1 {
				if set&f != 0 {
					sent += strings.Count(describe(r.m.step(t1, faulty(f))), "send 0")
				}
			}
			first := set & -set
			if want := 1; r.m.state != Fault || sent > want || sent == want != (first&unsendable == 0) {
				t.Errorf("%v: %v, priority 0 sent %d times", set.names(), r.m.state, sent)
			}
			for f := faultSet(1); f <= all; f <<= 1 {
				if set&f != 0 && r.m.state != Fault {
					t.Errorf("%v: left with %v still there", set.names(), f.names())
				}
				r.m.step(t1, healthy(f))
			}
			if r.m.state != Backup {
				t.Errorf("%v: %v when all are clear", set.names(), r.m.state)
			}
		}
	})
	t.Run("from backup", func(t *testing.T) {
		r := newRig(t, delays(time.Minute)).backup()
		r.quietly(t1, heard(50, lowPeer)) // a preempt delay runs
		r.step(t1, fault, "backup>fault fault", Fault, -1)
	})
	t.Run("before the start", func(t *testing.T) {
		r := newRig(t)
		r.step(t0, fault, "", Initialize, -1)
		r.step(t0, event{kind: evStart}, "initialize>fault fault", Fault, -1)
	})
	t.Run("two, and one clears", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t1, fault, "send 0, remove, active>fault fault", Fault, -1)
		r.step(t1, other, "", Fault, -1)
		r.step(t1, clearFault, "", Fault, -1)
		r.step(t1, clearFault, "", Fault, -1)
		r.step(t1, clearOther, "fault>backup recovered", Backup, down100)
	})
	t.Run("an owner waits too", func(t *testing.T) {
		r := newRig(t, owns).quietly(t0, event{kind: evStart}, fault)
		r.step(t1, clearFault, "fault>backup recovered", Backup, downInterval(3, 255, time.Second))
	})
	t.Run("shutdown", func(t *testing.T) {
		r := newRig(t).active().quietly(t1, fault)
		r.step(t1, event{kind: evShutdown}, "fault>initialize shutdown", Initialize, -1)
	})
	t.Run("retries by itself", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t1, event{kind: evFault, fault: faultAddresses, retry: true}, "send 0, remove, active>fault fault", Fault, down100)
		r.step(after(t1, down100), event{kind: evTick}, "fault>backup recovered", Backup, down100)
	})
	t.Run("retries, but another stays", func(t *testing.T) {
		r := newRig(t).active().quietly(t1, event{kind: evFault, fault: faultAddresses, retry: true}, other)
		r.step(after(t1, down100), event{kind: evTick}, "", Fault, -1)
	})
	t.Run("a restart tries again", func(t *testing.T) {
		r := newRig(t).active().quietly(t1, event{kind: evFault, fault: faultAddresses, retry: true})
		r.step(t1, event{kind: evShutdown}, "fault>initialize shutdown", Initialize, -1)
		r.step(t1, event{kind: evStart}, "initialize>backup startup", Backup, down100)
	})
}

func TestLostTransport(t *testing.T) {
	newRig(t).active().step(t0, event{kind: evLost}, "remove, active>initialize lost", Initialize, -1)
	newRig(t).backup().step(t0, event{kind: evLost}, "backup>initialize lost", Initialize, -1)
	newRig(t).step(t0, event{kind: evLost}, "", Initialize, -1)
}

// No transition, and the next advert shows it. Case 33; the addresses are the
// driver's.
func TestSettings(t *testing.T) {
	t1 := after(t0, time.Second)
	change := func(f func(*settings)) event {
		set := testSettings()
		f(&set)
		return event{kind: evSettings, settings: set}
	}
	priority := func(p uint8) event { return change(func(s *settings) { s.priority = p }) }
	interval := func(d time.Duration) event { return change(func(s *settings) { s.interval = d }) }
	t.Run("priority shifts the deadline", func(t *testing.T) {
		r := newRig(t).backup()
		r.step(t1, priority(200), "", Backup, downInterval(3, 200, time.Second)-time.Second)
		r.step(t1, priority(1), "", Backup, down1-time.Second)
	})
	t.Run("priority shifts the skew", func(t *testing.T) {
		r := newRig(t).backup().quietly(t0, heard(0, highPeer))
		r.step(after(t0, 100*time.Millisecond), priority(1), "", Backup, skewTime(1, time.Second)-100*time.Millisecond)
	})
	t.Run("priority moves a deadline into the past", func(t *testing.T) {
		r := newRig(t).backup()
		t2 := after(t0, 3500*time.Millisecond)
		r.quietly(t2, priority(254))
		r.step(t2, event{kind: evTick}, "send 254, install, backup>active no-response", Active, time.Second)
	})
	t.Run("priority while active", func(t *testing.T) {
		r := newRig(t).active()
		r.step(after(t0, 300*time.Millisecond), priority(50), "send 50", Active, 700*time.Millisecond)
		r.step(t1, event{kind: evTick}, "send 50", Active, time.Second)
	})
	t.Run("own interval, nobody heard", func(t *testing.T) {
		newRig(t).backup().step(t1, interval(2*time.Second), "", Backup, 2*down100-time.Second)
	})
	t.Run("own interval, learned another", func(t *testing.T) {
		r := newRig(t).backup().quietly(t0, heard(200, highPeer))
		r.step(t1, interval(2*time.Second), "", Backup, down100-time.Second)
	})
	t.Run("shorter interval while active", func(t *testing.T) {
		r := newRig(t).active()
		r.step(after(t0, 300*time.Millisecond), interval(100*time.Millisecond), "send 100", Active, 100*time.Millisecond)
	})
	t.Run("longer interval while active", func(t *testing.T) {
		r := newRig(t).active()
		r.step(t0, interval(10*time.Second), "send 100", Active, time.Second)
		for i := range 2 {
			r.step(after(t0, time.Duration(i+1)*time.Second), event{kind: evTick}, "send 100", Active, time.Second)
		}
		r.step(after(t0, 3*time.Second), event{kind: evTick}, "send 100", Active, 10*time.Second)
	})
	t.Run("interval while yielding", func(t *testing.T) {
		r := newRig(t).active().quietly(t0, event{kind: evYield})
		r.step(t0, interval(10*time.Second), "", Active, time.Second)
	})
}

// The machine takes the time as it comes: a clock that runs backwards costs
// precision, never sense.
func TestTimeBackwards(t *testing.T) {
	r := newRig(t).backup()
	r.step(after(t0, -time.Hour), event{kind: evTick}, "", Backup, time.Hour+down100)
	r.step(after(t0, -time.Hour), heard(200, highPeer), "", Backup, down100)
	r.step(after(t0, -time.Hour+down100), event{kind: evTick}, "send 100, install, backup>active no-response", Active, time.Second)
	r.step(after(t0, -2*time.Hour), event{kind: evTick}, "", Active, time.Hour+down100+time.Second)
}

// An advert that arrives with the deadline, or just before it, is no silence if
// it is stepped first. Case 13; TestAdvertsBeforeDeadlines has the driver's part.
func TestAdvertAtTheDeadline(t *testing.T) {
	for _, early := range []time.Duration{0, 1} {
		at := after(t0, down100-early)
		r := newRig(t).backup()
		r.step(at, heard(200, highPeer), "", Backup, down100)
		r.step(after(t0, down100), event{kind: evTick}, "", Backup, down100-early)
	}
}
