package vrrp

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
)

// hub is a port with 255 routers on an engine that the test turns by hand. Its
// socket allocates nothing.
type hub struct {
	engine *engine
	socket *stillSocket
}

const hubRouters = 255

// newHub makes the routers Active, or Backups of a better router.
func newHub(t testing.TB, active bool) *hub {
	t.Helper()
	n := newRawNet()
	raw := n.raw(t)
	h := &hub{engine: newEngine(newTimerWaiter()), socket: &stillSocket{netSocket: &netSocket{net: n}}}
	var units []*unit
	var sessions []*session
	for v := 1; v <= hubRouters; v++ {
		vips := []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(v)}), 32)}
		r, err := New(uint8(v), vips, WithTransport(raw))
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.open(context.Background(), h.engine)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
		u := launch(h.engine, []*session{s}, func(m []*machine) core { return solo{m[0], h.engine} })
		u.begin()
		units = append(units, u)
		a := Advert{VRID: uint8(v), Priority: 200, Interval: time.Second, Addrs: addrsOf(vips)}
		h.socket.waiting = append(h.socket.waiting, rawip.Datagram{
			Data: a.appendTo(nil, IPv4, highPeer.Addr(), group.Addr()), Src: highPeer.Addr(), Dst: group.Addr(), TTL: 255,
		})
	}
	port := sessions[0].link.(*rawLink).port
	port.drop()
	port.socket, port.index = h.socket, eth0Index
	if err := port.use(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, u := range units {
			u.fail(nil, context.Canceled)
		}
		h.engine.close()
		for _, s := range sessions {
			s.close()
		}
	})
	h.socket.next = len(h.socket.waiting) // nothing yet
	if active {
		h.pass(t, 4*time.Second)
	}
	return h
}

// pass lets time pass for the engine, and turns it once.
func (h *hub) pass(t testing.TB, d time.Duration) {
	h.engine.start = h.engine.start.Add(-d)
	if _, over := h.engine.turn(); over {
		t.Fatal("the engine has ended")
	}
}

// hear has every router receive an advert, in one turn or more.
func (h *hub) hear(t testing.TB) {
	h.socket.next = 0
	for h.socket.next < len(h.socket.waiting) {
		h.pass(t, 0)
	}
}

// stillSocket gives the same datagrams again, and sends none.
type stillSocket struct {
	*netSocket
	waiting []rawip.Datagram
	next    int
	sent    int
}

func (s *stillSocket) Receive(d []rawip.Datagram) (int, error) {
	n := copy(d, s.waiting[min(s.next, len(s.waiting)):])
	s.next += n
	return n, nil
}

func (s *stillSocket) Send(d []rawip.Datagram) error {
	s.sent += len(d)
	return nil
}

func (s *stillSocket) Close() error { return nil }

// 255 adverts received and 255 sent, without an allocation, on one engine.
func TestAllocationsOfEngine(t *testing.T) {
	backups := newHub(t, false)
	gate(t, "received", 4, func() { backups.hear(t) })
	actives := newHub(t, true)
	before := actives.socket.sent
	gate(t, "sent", 4, func() { actives.pass(t, time.Second) })
	if sent := actives.socket.sent - before; sent != 11*4*hubRouters { // AllocsPerRun runs once more
		t.Errorf("%d adverts sent, want %d", sent, 11*4*hubRouters)
	}
}

// What an advert costs the engine, beside the system calls. One operation is one
// advert, of 255 routers.
func BenchmarkEngine(b *testing.B) {
	for _, active := range []bool{false, true} {
		b.Run(fmt.Sprintf("%d routers, %s", hubRouters, map[bool]string{false: "received", true: "sent"}[active]), func(b *testing.B) {
			h := newHub(b, active)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += hubRouters {
				if active {
					h.pass(b, time.Second)
				} else {
					h.hear(b)
				}
			}
		})
	}
}
