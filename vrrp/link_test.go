package vrrp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/mainstay-ha/mainstay/internal/memnet"
)

// group is where the multicast-like transport sends.
var group = netip.MustParseAddrPort("224.0.0.18:0")

// lanTransport carries adverts over a LAN in memory: to peers as UDP does, or
// to the group as IP protocol 112 does.
type lanTransport struct {
	lan   *memnet.LAN
	local netip.AddrPort
	peers []netip.AddrPort
}

func (l *lanTransport) Open(context.Context, VirtualRouter) (Link, error) {
	conn, err := l.lan.ListenPacket(l.local)
	if err != nil {
		return nil, err
	}
	link := &lanLink{inbox: newInbox(), conn: conn, local: l.local, to: l.local, peers: l.peers}
	if len(l.peers) == 1 && l.peers[0] == group {
		link.to = group
		if err := conn.JoinGroup(group.Addr()); err != nil {
			return nil, err
		}
	}
	link.running.Go(link.read)
	return link, nil
}

type lanLink struct {
	*inbox
	conn      *memnet.PacketConn
	local, to netip.AddrPort
	peers     []netip.AddrPort
	running   sync.WaitGroup
}

func (l *lanLink) Local() netip.AddrPort   { return l.local }
func (l *lanLink) Peers() []netip.AddrPort { return l.peers }
func (l *lanLink) Ready() <-chan struct{}  { return l.ready }

func (l *lanLink) read() {
	buf := make([]byte, 8192)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		l.put(buf[:n], from, l.to)
	}
}

func (l *lanLink) Send(packets []Packet) (err error) {
	for _, p := range packets {
		_, e := l.conn.WriteToUDPAddrPort(p.Data, p.To)
		err = errors.Join(err, e)
	}
	return err
}

func (l *lanLink) Receive(packets []Packet) (int, error) { return l.take(packets), nil }

func (l *lanLink) Close() error {
	err := l.conn.Close()
	l.running.Wait()
	return err
}

// fakeTransport hands out one link whose every side a test holds.
type fakeTransport struct {
	link   *fakeLink
	opened int
	err    error
}

func newFake() *fakeTransport {
	return &fakeTransport{link: &fakeLink{inbox: newInbox(), local: self, peers: []netip.AddrPort{group}}}
}

func (f *fakeTransport) Open(context.Context, VirtualRouter) (Link, error) {
	f.opened++
	if f.err != nil {
		return nil, f.err
	}
	f.link.mu.Lock()
	defer f.link.mu.Unlock()
	f.link.closed = false
	return f.link, nil
}

type fakeLink struct {
	*inbox
	local netip.AddrPort
	peers []netip.AddrPort

	mu      sync.Mutex // guards everything below
	sent    []Packet
	sendErr error
	recvErr error
	late    []Packet // what Receive finds although Ready said nothing
	closed  bool
	drops   uint64
}

func (f *fakeLink) Local() netip.AddrPort   { return f.local }
func (f *fakeLink) Peers() []netip.AddrPort { return f.peers }
func (f *fakeLink) Ready() <-chan struct{}  { return f.ready }

func (f *fakeLink) Send(packets []Packet) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sendErr != nil {
		return f.sendErr
	}
	for _, p := range packets {
		p.Data = bytes.Clone(p.Data)
		f.sent = append(f.sent, p)
	}
	return nil
}

func (f *fakeLink) Receive(packets []Packet) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.recvErr != nil {
		return 0, f.recvErr
	}
	for _, p := range f.late {
		f.put(p.Data, p.From, p.To)
	}
	f.late = nil
	return f.take(packets), nil
}

// deliver puts a packet in, as if it came from peer to the group.
func (f *fakeLink) deliver(data []byte, peer netip.AddrPort) bool { return f.put(data, peer, group) }

// lose makes the link unusable.
func (f *fakeLink) lose(err error) {
	f.mu.Lock()
	f.recvErr = err
	f.mu.Unlock()
	f.signal()
}

func (f *fakeLink) failSends(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sendErr = err
}

// adverts decodes what was sent, and forgets it.
func (f *fakeLink) adverts() (out []Advert) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.sent {
		var a Advert
		if err := a.Parse(p.Data, p.From.Addr(), p.To.Addr()); err != nil && err != DropCount {
			panic(err)
		}
		out = append(out, a)
	}
	f.sent = nil
	return out
}

func (f *fakeLink) Dropped(d DropReason) uint64 {
	if d == DropPeer {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.drops
	}
	return 0
}

func (f *fakeLink) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	f.closed = true
	return nil
}

// priorities are those of adverts.
func priorities(list []Advert) (out []uint8) {
	for _, a := range list {
		out = append(out, a.Priority)
	}
	return slices.Clip(out)
}
