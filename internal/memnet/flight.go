package memnet

import (
	"container/heap"
	"net/netip"
	"time"
)

// frame is one datagram on the wire.
type frame struct {
	from netip.AddrPort
	data []byte
}

// arrival is a frame that will reach a socket.
type arrival struct {
	at    time.Time
	seq   uint64 // breaks ties: frames due at the same time keep their order
	frame frame
	to    *PacketConn
}

// flight holds the frames under way. One timer serves them all, so that they
// arrive in order of time, and at equal times in the order of sending.
type flight struct {
	arrivals arrivals
	seq      uint64
	timer    *time.Timer
	armed    bool // the timer will fire, or its function waits for the lock
}

// lockedSchedule lets f reach the socket after delay; l.mu is held.
func (l *LAN) lockedSchedule(f frame, to *PacketConn, delay time.Duration) {
	now := time.Now()
	at := now.Add(delay)
	if l.lockedChance(l.faults.reorder) {
		at = at.Add(1 + time.Duration(l.rand.Int64N(int64(reorderHold))))
	} else {
		// A wire keeps order: not before the frame sent last on the same way.
		if last := to.last[f.from]; at.Before(last) {
			at = last
		}
		if at.After(now) {
			to.last[f.from] = at
		}
	}
	if !at.After(now) {
		l.lockedDeliver(f, to)
		return
	}
	l.flight.seq++
	heap.Push(&l.flight.arrivals, arrival{at, l.flight.seq, f, to})
	l.lockedArm(now)
}

// lockedArm sets the timer for the next arrival; l.mu is held.
func (l *LAN) lockedArm(now time.Time) {
	fl := &l.flight
	if len(fl.arrivals) == 0 {
		return
	}
	wait := fl.arrivals[0].at.Sub(now)
	switch {
	case fl.timer == nil:
		fl.timer = time.AfterFunc(wait, l.arrive)
	case fl.armed && !fl.timer.Stop():
		return // its function waits for the lock and will arm again
	default:
		fl.timer.Reset(wait)
	}
	fl.armed = true
}

// arrive delivers what is due. It runs in the timer's goroutine.
func (l *LAN) arrive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	fl := &l.flight
	fl.armed = false
	now := time.Now()
	for len(fl.arrivals) > 0 && !fl.arrivals[0].at.After(now) {
		a := heap.Pop(&fl.arrivals).(arrival)
		l.lockedDeliver(a.frame, a.to)
	}
	l.lockedArm(now)
	if !fl.armed {
		l.idle.Broadcast()
	}
}

// lockedLand forgets the frames under way and waits for the timer's function;
// l.mu is held, and released while it waits.
func (l *LAN) lockedLand() {
	fl := &l.flight
	fl.arrivals = nil
	if fl.armed && fl.timer.Stop() {
		fl.armed = false
	}
	for fl.armed {
		l.idle.Wait()
	}
}

// arrivals is a heap by time and order of sending.
type arrivals []arrival

var _ heap.Interface = (*arrivals)(nil)

func (a arrivals) Len() int      { return len(a) }
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a arrivals) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].seq < a[j].seq
}
func (a *arrivals) Push(x any) { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = arrival{}
	*a = old[:len(old)-1]
	return last
}
