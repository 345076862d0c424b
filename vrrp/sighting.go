package vrrp

import (
	"net/netip"
	"time"
)

// sighting is another Active speaker on the network of a grouped Active router.
type sighting struct {
	kind     sightingKind
	since    instant // a better one: first heard
	at       instant // last heard
	interval time.Duration
	from     netip.AddrPort
	why      Reason // a better one: what makes it better
}

type sightingKind uint8

const (
	seenNobody sightingKind = iota
	seenWorse
	seenBetter
)

// patience is how long a verdict waits for other members: every speaker is heard
// once in that time.
func (s *sighting) patience() time.Duration { return s.interval + s.interval/2 }

// see remembers a speaker, for the cluster.
func (m *machine) see(now instant, kind sightingKind, ev *event, why Reason) {
	if !m.grouped() {
		return
	}
	since := m.seen.since
	if kind != m.seen.kind || ev.from != m.seen.from {
		since = now
	}
	*m.seen = sighting{kind: kind, since: since, at: now, interval: ev.interval, from: ev.from, why: why}
}

// want is what a grouped router does in place of promote.
func (m *machine) want(why Reason) {
	if m.state == Initialize {
		m.enter(Backup, ReasonStartup, netip.AddrPort{})
	}
	m.wants, m.why = true, why
	m.timer, m.holdAt = never, never
	m.waited = m.waited || why == ReasonPreemptDelay // not again, while others do
}

// giveUp leaves Active by the decision of the group. The member that lost to a
// better speaker answers it once, as a lone router does. The others resign:
// whoever is Active there then learns that neighbours must be told.
func (m *machine) giveUp(now instant, concede bool) {
	if s := m.seen; concede && s != nil && s.kind == seenBetter {
		m.concede(now, &event{from: s.from, interval: s.interval}, s.why)
		return
	}
	m.send(0)
	m.do(action{kind: actRemove})
	m.follow(now, nil, ReasonGroup)
}
