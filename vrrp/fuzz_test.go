package vrrp

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Any bytes: no panic, and what is read is written back as it was, but for the
// reserved bits.
func FuzzAdvert(f *testing.F) {
	for _, g := range golden {
		f.Add(g.bytes(), g.src().Is6())
	}
	f.Add([]byte{0x31, 1, 100, 0, 0, 100, 0, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("224.0.0.18")
		if six {
			src, dst = netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::12")
		}
		fix(b, src, dst) // or a fuzzer would never get past the checksum
		var a, again Advert
		if err := a.Parse(b, src, dst); err != nil {
			if _, ok := err.(DropReason); !ok {
				t.Fatalf("Parse() = %v, not a DropReason", err)
			}
			return
		}
		out, err := a.AppendTo(nil, src, dst)
		if err != nil {
			// An address list that we would not send is read all the same.
			if checkAddrs(familyOf(src), a.Addrs) == nil {
				t.Fatalf("AppendTo() = %v", err)
			}
			return
		}
		if err := again.Parse(out, src, dst); err != nil {
			t.Fatalf("Parse(AppendTo()) = %v", err)
		}
		if a.VRID != again.VRID || a.Priority != again.Priority || a.Interval != again.Interval ||
			a.Checksum != again.Checksum || !slices.Equal(a.Addrs, again.Addrs) {
			t.Errorf("got %+v after a round trip, want %+v", again, a)
		}
		if reserved := b[4] & 0xf0; reserved == 0 && !bytes.Equal(b, out) {
			t.Errorf("wrote %x, read %x", out, b)
		}
	})
}

// fix gives b a right checksum unless its last byte is odd.
func fix(b []byte, src, dst netip.Addr) {
	if len(b) < headerLen || b[len(b)-1]&1 == 1 {
		return
	}
	resum(b, src, dst)
}

// Any events at any time: the machine keeps what its driver relies on, which
// world.step checks, and ends when told.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 200, 4, 0, 50, 8, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{9, 40, 1, 0, 0, 255, 255, 3, 0, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 255, 0, 255, 0, 255, 0, 255, 10, 11, 200, 0, 1, 12, 9, 0, 13, 2, 14, 2, 7, 2, 6, 8, 2, 0, 9, 1, 1, 1, 3, 5})
	f.Fuzz(func(t *testing.T, script []byte) {
		set := testSettings()
		w := newWorld(1)
		n := w.add("n", self, set)
		n.running = true
		next := func() byte {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return b
		}
		for len(script) > 0 {
			kind := eventKind(next()) % (evIdentity + 1)
			ev := event{kind: kind}
			switch kind {
			case evTick:
				if n.deadline() != never {
					w.now = max(w.now, n.deadline())
				}
			case evAdvert:
				ev.priority = next()
				ev.from = []netip.AddrPort{lowPeer, self, highPeer}[next()%3]
				ev.interval = centisecond * time.Duration(1+int(next())<<4)
			case evFault:
				ev.fault = faultSet(next()%31 + 1)
				ev.retry = ev.fault&faultAddresses != 0 && next()%2 == 0
			case evClear:
				ev.fault = faultSet(next()%31 + 1)
			case evInstalled: // only of what is held, which the world sees to
				ev.kind = evNeighbors
			case evTrack:
				ev.delta, ev.down = 4*(int(next())-128), next()%4 == 0
			case evIdentity:
				ev.from = []netip.AddrPort{lowPeer, self, highPeer}[next()%3]
			case evSettings:
				ev.settings = settings{
					priority: max(1, next()), interval: centisecond * time.Duration(1+int(next())<<4), preempt: next()%2 == 0,
					preemptDelay: time.Duration(next()) * time.Second, adverts: 1 + int(next()%100), version: 2 + int(next()%2),
					plan: AnnouncePlan{Burst: int(next()) - 1, Repeat: int(next()) - 1, Spacing: time.Duration(next()) * time.Millisecond},
				}
				q := next()
				ev.settings.quirks = quirks{q&1 != 0, q&2 != 0, q&4 != 0, q&8 != 0}
			}
			w.now = after(w.now, time.Duration(next())*time.Millisecond)
			w.step(n, ev)
		}
		w.step(n, event{kind: evShutdown})
		if at := n.deadline(); n.state == Active {
			w.now = at
			w.step(n, event{kind: evTick})
		}
		n.expect(n.state == Initialize && n.deadline() == never, "%v after a shutdown", n.state)
		if p := w.problems(); p != "" {
			t.Error(p)
		}
	})
}
