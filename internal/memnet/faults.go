package memnet

import (
	"net/netip"
	"time"
)

// reorderHold is the most a reordered frame is held back, beyond its delay.
const reorderHold = 10 * time.Millisecond

// faults is what the LAN does to frames, apart from carrying them.
type faults struct {
	loss, duplicate, reorder float64
	minDelay, maxDelay       time.Duration

	cuts map[direction]bool // one way
	side map[netip.Addr]int // the partition each host is in, from 1
}

// direction is one way between two hosts; the zero Addr means any host.
type direction struct{ from, to netip.Addr }

func (f *faults) cutBetween(from, to netip.Addr) bool {
	var any netip.Addr
	if f.cuts[direction{from, to}] || f.cuts[direction{from, any}] || f.cuts[direction{any, to}] {
		return true
	}
	a, b := f.side[from], f.side[to]
	return a != b && len(f.side) > 0
}

// SetLoss makes each frame vanish with probability p, for each receiver on its
// own. Default 0.
func (l *LAN) SetLoss(p float64) { l.set(func(f *faults) { f.loss = p }) }

// SetDuplicate makes each frame arrive twice with probability p, each copy with
// a delay of its own. Default 0.
func (l *LAN) SetDuplicate(p float64) { l.set(func(f *faults) { f.duplicate = p }) }

// SetReorder holds each frame back with probability p, for up to 10 ms beyond
// its delay, so that later ones overtake it. Default 0: frames between two
// sockets never overtake each other, even when the delay varies.
func (l *LAN) SetReorder(p float64) { l.set(func(f *faults) { f.reorder = p }) }

// SetDelay makes each frame take from least to most, evenly spread. Default 0:
// a frame has arrived when the call that sent it returns. A most below least
// means least.
func (l *LAN) SetDelay(least, most time.Duration) {
	least = max(0, least)
	l.set(func(f *faults) { f.minDelay, f.maxDelay = least, max(least, most) })
}

// Cut drops every frame from one host to another, one way, until [LAN.Heal].
// The zero Addr means any host, so Cut(a, netip.Addr{}) silences a and
// Cut(netip.Addr{}, a) deafens it. Frames in flight still arrive.
func (l *LAN) Cut(from, to netip.Addr) {
	l.set(func(f *faults) {
		if f.cuts == nil {
			f.cuts = make(map[direction]bool)
		}
		f.cuts[direction{from, to}] = true
	})
}

// Partition splits the LAN: frames pass only between hosts of the same set. The
// hosts in no set form one more. It replaces an earlier partition, until
// [LAN.Heal]. Frames in flight still arrive.
func (l *LAN) Partition(sets ...[]netip.Addr) {
	side := make(map[netip.Addr]int)
	for i, set := range sets {
		for _, host := range set {
			side[host] = i + 1
		}
	}
	l.set(func(f *faults) { f.side = side })
}

// Heal undoes every Cut and Partition. Loss, delay, duplication and reordering
// stay as they are.
func (l *LAN) Heal() { l.set(func(f *faults) { f.cuts, f.side = nil, nil }) }

func (l *LAN) set(change func(*faults)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.faults)
}
