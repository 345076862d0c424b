package vrrp

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/vrrp/internal/rawip"
	"github.com/mainstay-ha/mainstay/vrrp/internal/rtnl"
)

// counted adds up the counters of snapshots, by their JSON keys.
type counted map[string]uint64

func (c counted) add(t *testing.T, s Status) {
	t.Helper()
	doc, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var parts struct {
		Statistics map[string]any    `json:"statistics"`
		Drops      map[string]uint64 `json:"drops"`
		Lateness   map[string]any    `json:"lateness"`
	}
	if err := json.Unmarshal(doc, &parts); err != nil {
		t.Fatal(err)
	}
	for key, v := range parts.Statistics {
		if n, ok := v.(float64); ok {
			c["statistics "+key] += uint64(n)
		}
	}
	for key, n := range parts.Drops {
		c["drops "+key] += n
	}
	c["lateness count"] += uint64(parts.Lateness["count"].(float64))
}

// version2 is an advert of version 2 by hand.
func version2message(interval uint8, auth uint8, data string) []byte {
	b := append([]byte{0x21, 51, 200, 1, auth, interval, 0, 0, 192, 0, 2, 100}, make([]byte, 8)...)
	copy(b[12:], data)
	sum := ^fold(sum16(0, b))
	b[6], b[7] = byte(sum>>8), byte(sum)
	return b
}

// Every counter in the document counts something.
func TestEveryCounterCounts(t *testing.T) {
	got := counted{}
	// hears runs a router on a raw transport, in Backup or Active, and gives it
	// datagrams.
	hears := func(name string, vips []netip.Prefix, opts []Option, datagrams ...rawip.Datagram) {
		bubble(t, name, func(t *testing.T) {
			n := newRawNet()
			r := runRaw(t, n.raw(t), 51, vips, opts...)
			pass(3900 * time.Millisecond)
			for _, d := range datagrams {
				n.mu.Lock()
				for _, s := range n.sockets { // past the filter
					s.queue = append(s.queue, d)
					s.ready <- struct{}{}
				}
				n.mu.Unlock()
				synctest.Wait()
			}
			got.add(t, r.Snapshot())
			_ = r.end()
			got.add(t, r.Snapshot())
		})
	}
	datagram := func(data []byte, edit ...func(*rawip.Datagram)) rawip.Datagram {
		d := rawip.Datagram{Data: data, Src: highPeer.Addr(), Dst: group.Addr(), TTL: 255}
		for _, f := range edit {
			f(&d)
		}
		return d
	}
	plain := func(edit ...func(*Advert)) []byte { return message(highPeer, 200, edit...) }
	low := datagram(message(lowPeer, 50), func(d *rawip.Datagram) { d.Src = lowPeer.Addr() })
	hears("drops", vips4, nil,
		datagram(plain()[:11]),
		datagram(with(plain(), 0, 0x41)),
		datagram(with(plain(), 0, 0x32)),
		datagram(with(plain(), 7, 0)),
		datagram(plain(func(a *Advert) { a.Addrs = nil })),
		datagram(plain(func(a *Advert) { a.Interval = 0 })),
		datagram(plain(), func(d *rawip.Datagram) { d.TTL = 254 }),
		datagram(plain(), func(d *rawip.Datagram) { d.AH = true }),
		datagram(plain(), func(d *rawip.Datagram) { d.Src = netip.MustParseAddr("fe80::1") }),
		datagram(plain(), func(d *rawip.Datagram) { d.Src = self.Addr() }),
		datagram(message(self, 200), func(d *rawip.Datagram) { d.Src = self.Addr() }),
		datagram(func() []byte {
			a := Advert{VRID: 51, Priority: 200, Interval: time.Second, Addrs: addrsOf(vips4)}
			return a.appendTo(nil, IPv4, highPeer.Addr(), self.Addr())
		}(), func(d *rawip.Datagram) { d.Dst = self.Addr() }),
	)
	hears("differences", vips4, nil,
		datagram(plain(func(a *Advert) { a.Interval = 2 * time.Second })),
		datagram(plain(func(a *Advert) { a.Addrs = addrs("192.0.2.100", "192.0.2.101") })),
		datagram(plain(func(a *Advert) { a.Addrs = addrs("192.0.2.101") })),
		datagram(plain(func(a *Advert) { a.Checksum = MessageOnly })),
		datagram(plain(func(a *Advert) { a.Priority = 100 })),
		datagram(plain(func(a *Advert) { a.Priority = 0 })),
	)
	hears("IPv6", vips6, nil, func() rawip.Datagram {
		from, to := netip.MustParseAddr("fe80::9"), netip.MustParseAddr("ff02::12")
		a := Advert{VRID: 51, Priority: 200, Interval: time.Second, Addrs: addrs("2001:db8::1")}
		return rawip.Datagram{Data: a.appendTo(nil, IPv6, from, to), Src: from, Dst: to, TTL: 255}
	}())
	hears("losing", vips4, nil, low, low)
	hears("owner", vips4, []Option{WithPriority(owner)}, datagram(message(lowPeer, owner), func(d *rawip.Datagram) { d.Src = lowPeer.Addr() }))
	hears("version 2", vips4, []Option{WithVersion(2)}, datagram(version2message(2, 0, "")), datagram(version2message(1, 1, "secret")))
	hears("password", vips4, []Option{WithVersion(2), WithPassword("secret12")}, datagram(version2message(1, 1, "another")))
	hears("unicast", vips4, []Option{WithUnicast(netip.Addr{}, Peer{Addr: lowPeer.Addr()})}, func() rawip.Datagram {
		a := Advert{VRID: 51, Priority: 200, Interval: time.Second, Addrs: addrsOf(vips4)}
		return datagram(a.appendTo(nil, IPv4, highPeer.Addr(), self.Addr()), func(d *rawip.Datagram) { d.Dst = self.Addr() })
	}())

	bubble(t, "another VRID", func(t *testing.T) {
		fake := newFake()
		fake.link.drops = 1
		r := run(t, vips4, WithTransport(fake))
		fake.link.deliver(plain(func(a *Advert) { a.VRID = 52 }), highPeer)
		synctest.Wait()
		got.add(t, r.Snapshot())
	})
	bubble(t, "signatures", func(t *testing.T) {
		r, link, peer := keyedFake(t)
		sign := func(a *authenticator, at time.Time) []byte { b := plain(); return a.sign(b, b, highPeer, at) }
		good := sign(peer, time.Now())
		for _, b := range [][]byte{
			plain(), with(sign(peer, time.Now()), len(plain()), 2), sign(newAuthenticator(testKey(8), IPv4, 51, time.Second, 1), time.Now()),
			sign(newAuthenticator(testKey(7), IPv4, 51, time.Second, 1), time.Now().Add(-time.Minute)), with(sign(peer, time.Now()), 2, 255), good, good,
		} {
			link.deliver(b, highPeer)
			synctest.Wait()
		}
		got.add(t, r.Snapshot())
	})
	bubble(t, "what goes wrong here", func(t *testing.T) {
		n := newRawNet()
		var spy *spy
		told := &announcer{j: newJournal()}
		block := make(chan struct{})
		warn := func(now instant, ev event) (out []action) {
			if ev.kind == evNeighbors {
				return []action{{kind: actAnnounce}, {kind: actWarn, warning: warnStalled}, {kind: actWarn, warning: warnOneWay}}
			}
			return nil
		}
		r := runRaw(t, n.raw(t), 51, vips4, WithPriority(owner), spying(&spy, warn), silence, WithAnnounce(told),
			WithOnTransition(func(Transition) { <-block }),
			WithAddresses(FuncAddresses(nil, func(context.Context, []netip.Prefix) error { return errors.New("stuck") })))
		pass(time.Second)
		told.events(AddressEvent{Kind: AddressRestored})
		synctest.Wait()
		told.fail(errors.New("no buffers"))
		told.events(AddressEvent{Kind: AddressRestored})
		told.events(AddressEvent{Kind: AddressConflict})
		synctest.Wait()
		n.mu.Lock()
		n.sockets[0].lost, n.sockets[0].sendErr = 1, errors.New("no buffers")
		n.mu.Unlock()
		pass(2 * time.Second)
		for range 600 { // in and out of Fault, so that callbacks coalesce
			n.link(func(l *rtnl.Link) { l.Running = false })
			n.link(func(l *rtnl.Link) { l.Running = true })
		}
		got.add(t, r.Snapshot())
		close(block)
		_ = r.end()
	})
	bubble(t, "installing", func(t *testing.T) {
		r := run(t, vips4, WithTransport(newFake()), WithPriority(owner), WithAddresses(FuncAddresses(
			func(context.Context, []netip.Prefix) error { return errors.New("no") }, nil)))
		synctest.Wait()
		got.add(t, r.Snapshot())
	})

	for key, n := range got {
		if n == 0 {
			t.Errorf("nothing counts %s", key)
		}
	}
	if len(got) < 40 {
		t.Errorf("%d counters were seen", len(got))
	}
}
