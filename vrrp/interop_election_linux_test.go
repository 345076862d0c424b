package vrrp_test

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mainstay-ha/mainstay/internal/lab"
)

// electionCases are about who is Active.
func electionCases() []interopCase {
	keepalived := lab.Keepalived{}
	// A keepalived that loses leaves without a word, if the winner's advert
	// crosses first: then the winner's refresh, by default once in a minute, is
	// what the neighbours learn from.
	refreshing := ours("-garp-master-delay=1", "-garp-master-refresh=1")
	return []interopCase{
		{"nopreempt, ours returns", 2, 1, func(r *rig) { r.nopreempt(ours(), keepalived) }},
		{"nopreempt, keepalived returns", 2, 1, func(r *rig) { r.nopreempt(keepalived, ours()) }},
		{"preempt delay", 2, 1, (*rig).preemptDelay},
		{"equal priorities, ours has the higher address", 3, 1, func(r *rig) { r.equal(keepalived, refreshing) }},
		{"equal priorities, keepalived has the higher address", 3, 1, func(r *rig) { r.equal(ours(), keepalived) }},
		{"split and heal, ours wins", 3, 1, func(r *rig) { r.split(refreshing, keepalived) }},
		{"split and heal, keepalived wins", 3, 1, func(r *rig) { r.split(keepalived, ours()) }},
		{"split and heal among ours", 3, 1, func(r *rig) { r.split(ours(), ours()) }},
		{"one-way link", 3, 1, (*rig).oneWay},
		{"loss of 30 percent", 3, 1, (*rig).loss},
		{"three nodes", 3, 1, (*rig).three},
		{"a hand-over loses no ping", 3, 1, (*rig).handOver},
		{"unicast, one peer absent, one speaker unlisted", 3, 1, (*rig).unlisted},
		{"checksum of the message alone is accepted", 2, 1, (*rig).messageAlone},
		{"junk at 20,000 a second", 3, 1, (*rig).junk},
		{"two families, one sync group", 2, 1, (*rig).syncGroup},
	}
}

// nopreempt lets the better router come back to a worse one that is Active.
func (r *rig) nopreempt(above, below lab.Program) {
	better := lab.Router{Priority: 200, NoPreempt: true}
	low := r.start(below, 2, lab.Router{})
	r.active(low)
	high := r.start(above, 1, better)
	r.steady(low, 10)
	r.kill(low) // silence is another matter
	r.active(high)

	low = r.start(below, 2, lab.Router{})
	r.steady(high, 5)
	r.resign(high)
	r.active(low)
	r.stopped(high)
	high = r.start(above, 1, better)
	r.steady(low, 10)
	r.resign(low) // and so is leaving
	r.active(high)
	r.clean()
}

// preemptDelay lets the better router wait for two seconds, and not when the other
// one dies meanwhile.
func (r *rig) preemptDelay() {
	low := r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(low)
	high := r.start(ours(), 1, lab.Router{Priority: 200, Delay: 2 * time.Second})
	r.steady(low, 5) // more than a down interval
	r.active(high)
	r.stop(high)
	r.active(low)

	high = r.start(ours(), 1, lab.Router{Priority: 200, Delay: 15 * time.Minute})
	r.steady(low, 10)
	r.kill(low)
	r.active(high)
	r.clean()
}

// equal makes both Active behind a split; the higher address wins.
func (r *rig) equal(lower, higher lab.Program) {
	a := r.start(lower, 1, lab.Router{})
	b := r.start(higher, 2, lab.Router{})
	r.heal(b, a)
	r.steady(b, 10)
	r.clean()
}

// split makes both Active, and ends that.
func (r *rig) split(above, below lab.Program) {
	a := r.start(above, 1, lab.Router{Priority: 200})
	b := r.start(below, 2, lab.Router{})
	r.active(a)
	r.heal(a, b)
	r.steady(a, 10)
	r.clean()
}

// heal splits the network between winner and loser, so that both are Active,
// and joins it. The winner must have the last word.
func (r *rig) heal(winner, loser *lab.Speaker) {
	r.t.Helper()
	vip := lab.VIP4.Addr()
	client := r.Host(3)
	winner.Host.Cut(lab.Both, loser.Host)
	mark := r.Mark()
	r.Wait("both to be Active", func() bool {
		return winner.Holds(winner.Routers[0]) && loser.Holds(loser.Routers[0]) &&
			r.spoke(winner, mark) && r.spoke(loser, mark)
	})
	r.reach(client, vip)
	mark = r.Mark()
	winner.Host.Heal()
	r.active(winner)
	r.announced(winner, mark)
	r.follows(client, winner, vip)
}

// spoke reports whether a speaker has sent an advert since the mark.
func (r *rig) spoke(s *lab.Speaker, mark int) bool {
	return slices.ContainsFunc(r.Since(mark), func(f lab.Frame) bool {
		return advertOf(f, s.Routers[0]) && f.Host == s.Host.N && f.Priority > 0
	})
}

// oneWay lets ours hear nothing of a better keepalived, which hears it.
func (r *rig) oneWay() {
	a := r.start(lab.Keepalived{}, 1, lab.Router{Priority: 200})
	b := r.start(ours(), 2, lab.Router{})
	r.active(a)
	b.Host.Cut(lab.In, a.Host)
	r.Wait("ours to be Active, too", func() bool { return b.Holds(b.Routers[0]) })
	r.steady(a, 5, b) // it goes on: keepalived answers, and nobody hears it
	mark := r.Mark()
	b.Host.Heal()
	r.active(a)
	r.announced(a, mark)
	r.clean()
}

// loss drops three frames of ten each way: whatever happens meanwhile, one is
// Active afterwards.
func (r *rig) loss() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(lab.Keepalived{}, 2, lab.Router{})
	r.active(a)
	r.reach(r.Host(3), lab.VIP4.Addr())
	b.Host.Loss(30)
	r.steady(a, 30, b)
	mark := r.Mark()
	b.Host.Heal()
	r.active(a)
	r.steady(a, 10)
	if f, ok := r.lastWord(lab.VIP4.Addr(), mark); ok && f.Host == b.Host.N {
		r.announced(a, mark)
	}
	r.follows(r.Host(3), a, lab.VIP4.Addr())
	r.clean()
}

// three ends the best two of three, one after the other.
func (r *rig) three() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(lab.Keepalived{}, 2, lab.Router{Priority: 150})
	c := r.start(ours(), 3, lab.Router{Priority: 100})
	r.active(a)
	r.kill(a)
	r.active(b)
	r.resign(b)
	r.active(c)
	r.stopped(b)
	b = r.start(lab.Keepalived{}, 2, lab.Router{Priority: 150})
	r.active(b)
	r.steady(b, 5)
	r.clean()
}

// handOver resigns again and again under a client that pings every millisecond.
func (r *rig) handOver() {
	client := r.Host(3)
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(ours(), 2, lab.Router{})
	for range 10 {
		r.active(a)
		r.reach(client, lab.VIP4.Addr())
		r.follows(client, a, lab.VIP4.Addr())
		pinger := client.Ping(lab.VIP4.Addr(), time.Millisecond)
		r.steady(a, 3)
		r.resign(a)
		r.active(b)
		r.follows(client, b, lab.VIP4.Addr())
		pings, err := pinger.Stop()
		if err != nil {
			r.Fatalf("ping: %v", err)
		}
		for i, p := range pings {
			if p.Answered.IsZero() {
				r.t.Errorf("ping %d of %d was lost", i, len(pings))
			}
		}
		r.stopped(a)
		a = r.start(ours(), 1, lab.Router{Priority: 200})
	}
}

// unlisted has ours take unicast from one keepalived that it knows, and not
// from one that it does not. A third peer was never there.
func (r *rig) unlisted() {
	at := func(n int) netip.Addr { return r.Host(n).IPv4(0) }
	absent := netip.AddrFrom4([4]byte{10, 77, 0, 99})
	a := r.start(ours(), 1, lab.Router{Priority: 150, Source: at(1), Peers: []netip.Addr{at(2), absent}})
	b := r.start(lab.Keepalived{}, 2, lab.Router{Source: at(2), Peers: []netip.Addr{at(1)}})
	r.active(a)
	mark := r.Mark()
	intruder := lab.Keepalived{}.Start(r.Host(3), lab.Router{Priority: 250, Source: at(3), Peers: []netip.Addr{at(1)}})
	r.WaitFrame("the stranger's advert", mark, func(f lab.Frame) bool { return f.Kind == lab.Advert && f.Host == 3 })
	r.steady(a, 20, intruder)
	if !a.Holds(a.Routers[0]) {
		r.Fatalf("a stranger took the address")
	}
	r.kill(a)
	r.Wait("the peer to take over", func() bool { return b.Holds(b.Routers[0]) })
	r.clean()
}

// messageAlone forges adverts with both forms of the IPv4 checksum, and a wrong
// one. What ours sends itself follows what it heard last.
func (r *rig) messageAlone() {
	for _, form := range []lab.Checksum{lab.Pseudo, lab.MessageAlone} {
		s := r.start(ours(), 1, lab.Router{})
		r.active(s)
		forged := lab.Forged{
			Src: r.Host(2).MAC(0), From: r.Host(2).IPv4(0), Priority: 200,
			Interval: 200 * time.Millisecond, Addrs: []netip.Addr{lab.VIP4.Addr()}, Checksum: form,
		}
		wrong := forged
		wrong.Checksum, wrong.Priority = lab.Wrong, 255
		stop := r.send(2, 100, [][]byte{forged.Frame(), wrong.Frame()})
		r.Wait("ours to yield", func() bool { return s.Free(s.Routers[0]) })
		mark := r.Mark()
		r.Wait("forged adverts", func() bool { return len(r.Since(mark)) > 60 })
		for _, f := range r.Since(mark)[10:] {
			if f.Host == 1 && f.Kind == lab.Advert {
				r.Fatalf("ours does not accept the %v checksum: %v", form, f)
			}
		}
		mark = r.Mark()
		stop()
		f := r.WaitFrame("ours to be Active", mark, func(f lab.Frame) bool { return f.Host == 1 && f.Kind == lab.Advert })
		if f.Checksum != form {
			r.t.Errorf("ours heard the %v checksum, and sent: %v", form, f)
		}
		r.active(s)
		r.stop(s)
	}
	for flag, want := range map[string]lab.Checksum{"pseudo": lab.Pseudo, "message": lab.MessageAlone} {
		s := r.start(ours("-checksum="+flag), 1, lab.Router{})
		mark := r.Mark()
		f := r.WaitFrame("an advert", mark, func(f lab.Frame) bool { return f.Host == 1 && f.Kind == lab.Advert })
		if f.Checksum != want {
			r.t.Errorf("-checksum=%s sent: %v", flag, f)
		}
		r.stop(s)
	}
}

// send sends frames from a host's interface in turn, that many a second, until
// the function it returns is called.
func (r *rig) send(host, perSecond int, frames [][]byte) (stop func()) {
	r.t.Helper()
	wire := r.Host(host).Wire(0)
	end, ended := make(chan struct{}), make(chan error, 1)
	tick := time.NewTicker(time.Millisecond)
	go func() { // joined by stop
		begin, sent := time.Now(), 0
		for {
			select {
			case <-end:
				ended <- nil
				return
			case <-tick.C:
			}
			for due := int(time.Since(begin).Seconds() * float64(perSecond)); sent < due; sent++ {
				if err := wire.Send(frames[sent%len(frames)]); err != nil {
					ended <- err
					return
				}
			}
		}
	}()
	return func() {
		r.t.Helper()
		tick.Stop()
		close(end)
		if err := <-ended; err != nil {
			r.Fatalf("host %d: %v", host, err)
		}
	}
}

// junk floods a pair of ours with adverts that are all wrong in a way.
func (r *rig) junk() {
	a := r.start(ours(), 1, lab.Router{Priority: 200})
	b := r.start(ours(), 2, lab.Router{})
	r.active(a)
	good := lab.Forged{
		Src: r.Host(3).MAC(0), From: r.Host(3).IPv4(0), Priority: 255,
		Interval: 200 * time.Millisecond, Addrs: []netip.Addr{lab.VIP4.Addr()}, Checksum: lab.Pseudo,
	}
	var frames [][]byte
	for _, spoil := range []func(*lab.Forged){
		func(f *lab.Forged) { f.TTL = 254 },
		func(f *lab.Forged) { f.Checksum = lab.Wrong },
		func(f *lab.Forged) { f.Interval = 0 },
		func(f *lab.Forged) { f.Type = 2 },
		func(f *lab.Forged) { f.Version = 4 },
		func(f *lab.Forged) { f.Version, f.Interval, f.Checksum = 2, time.Second, lab.MessageAlone },
		func(f *lab.Forged) { f.VRID = 52 },
		func(f *lab.Forged) { f.Count = 200 },
		func(f *lab.Forged) { f.Addrs = nil },
	} {
		f := good
		spoil(&f)
		frames = append(frames, f.Frame())
	}
	r.Deafen(r.Host(3))
	stop := r.send(3, 20_000, frames)
	r.steady(a, 30)
	stop()
	r.steady(a, 5)
	if !a.Holds(a.Routers[0]) || !b.Free(b.Routers[0]) {
		r.Fatalf("the flood moved the address")
	}
	// Junk must not have kept the Backup from its duty.
	r.kill(a)
	r.active(b)
	r.clean()
}

// syncGroup has one router of each family in a group, on both sides.
func (r *rig) syncGroup() {
	pair := func(priority uint8) []lab.Router {
		return []lab.Router{
			{Priority: priority, Group: "G"},
			{Priority: priority, Group: "G", VRID: 61, VIPs: lab.IPv6VIPs()},
		}
	}
	a := r.start(ours(), 1, pair(200)...)
	b := r.start(lab.Keepalived{}, 2, pair(100)...)
	r.active(a)
	r.kill(a)
	r.active(b)
	a = r.start(ours(), 1, pair(200)...)
	r.active(a)
	// A fault of one family is one of both: without an IPv6 source neither speaks.
	a.Host.IP("address del %v/64 dev eth0", a.Host.LinkLocal(0))
	r.active(b)
	a.Host.IP("address add %v/64 dev eth0 nodad", a.Host.LinkLocal(0))
	r.active(a)
	r.stop(a)
	r.active(b)
	if out := a.Output(); !strings.Contains(out, "reason=group") {
		r.t.Errorf("no member changed state for the group's sake:\n%s", out)
	}
	r.clean()
}
