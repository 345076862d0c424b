package vrrp

import (
	"net/netip"
	"time"
)

// machine is the state machine of RFC 9568 section 6.4 for one virtual router,
// with the extensions that doc.go lists. It holds no clock, socket, goroutine
// or log: step takes the time and returns what to do.
type machine struct {
	set  settings       // with the plan resolved
	self netip.AddrPort // this speaker's identity, for the tie-break

	state   State
	standby bool     // yielded, and not resumed: claims priority 1 and does not preempt
	delta   int      // what the trackers add to the priority
	faults  faultSet // what keeps it in Fault
	retryAt instant  // faultAddresses clears by itself then

	// timer is the one timer of a state: the startup delay in Initialize,
	// Active_Down_Timer in Backup, Adver_Timer in Active, and the end of the
	// wait for an heir while yielding.
	timer instant

	learned time.Duration  // Active_Adver_Interval
	heard   bool           // Backup: learned comes from an advert
	skewed  bool           // Backup: priority 0 was heard, so timer runs the skew only
	beaten  bool           // Backup: lower adverts are discarded, timer ends in a takeover
	waited  bool           // Backup: the preempt delay is over, the rest of the down interval is not
	rival   netip.AddrPort // the speaker heard last: in Backup any, in Active one that lost
	holdAt  instant        // Backup: the preempt delay ends
	lower   lower          // what was heard last: in Backup while beaten or before holdAt, in Active what lost

	yielding bool          // Active: priority 0 is sent, the addresses wait for the heir
	followed bool          // yielding: rival is the heir, and lower its last advert
	yieldTo  State         // where that ends
	paced    int           // Active: adverts left to send at pace, see update
	pace     time.Duration // Active: the interval before it grew
	wants    bool          // grouped Backup: would be Active, because of why
	why      Reason        // likewise
	heardAt  instant       // Backup: the last advert
	seen     *sighting     // of a member of a cluster, which decides; Active: somebody else who is

	losing int      // Active: adverts in a row of rival, which has a lower claim and does not leave
	answer instant  // Active: before that none of them is answered
	news   pacer    // Active: when the neighbours are told
	out    []action // reused by every step
}

func newMachine(set settings, self netip.AddrPort) *machine {
	set.plan = set.plan.resolve()
	return &machine{
		set: set, self: self, standby: set.standby, timer: never, retryAt: never, holdAt: never, learned: set.interval,
		news: stopped(),
	}
}

// grouped reports whether a cluster decides for it.
func (m *machine) grouped() bool { return m.seen != nil }

// deadline returns when step wants evTick next, or never. A driver hands over
// what it has received before it honours a deadline.
func (m *machine) deadline() instant { return min(m.timer, m.holdAt, m.retryAt, m.news.deadline()) }

// step takes one event. The actions are valid until the next step.
func (m *machine) step(now instant, ev event) []action {
	m.out = m.out[:0]
	switch ev.kind {
	case evTick:
		m.tick(now)
	case evStart:
		m.start(now)
	case evShutdown:
		m.shutdown(now)
	case evLost:
		m.lost()
	case evAdvert:
		m.advert(now, &ev)
	case evYield:
		m.yield(now)
	case evResume:
		m.resume(now)
	case evFault:
		m.fault(now, ev.fault, ev.retry)
	case evClear:
		m.clear(now, ev.fault)
	case evSettings:
		m.update(now, ev.settings)
	case evInstalled:
		m.held(now)
	case evTrack:
		m.track(now, ev.delta, ev.down)
	case evStalled:
		m.stalled(now)
	case evNeighbors:
		m.announceAgain(now)
	case evIdentity:
		m.self = ev.from
	case evTake:
		m.become(now, m.why, m.rival)
	case evLeave:
		m.giveUp(now, ev.concede)
	}
	return m.out
}

// effective is the priority that the router claims now. Trackers do not change
// that of an owner.
func (m *machine) effective() uint8 {
	switch {
	case m.standby:
		return 1
	case m.set.priority == owner:
		return owner
	}
	return uint8(min(max(int(m.set.priority)+m.delta, 1), owner-1))
}

// preempts is Preempt_Mode. An owner always preempts (RFC 9568 section 6.1).
func (m *machine) preempts() bool {
	return !m.standby && (m.set.preempt || m.set.priority == owner)
}

func (m *machine) skew() time.Duration { return m.set.skew(m.effective(), m.learned) }
func (m *machine) down() time.Duration { return m.set.down(m.effective(), m.learned) }

// wait is what timer was armed with in Backup.
func (m *machine) wait() time.Duration {
	if m.skewed {
		return m.skew()
	}
	return m.down()
}

// tick honours the deadlines that have come.
func (m *machine) tick(now instant) {
	if m.retryAt <= now {
		m.clear(now, faultAddresses)
	}
	switch {
	case m.state == Backup && m.holdAt <= now && m.set.quirks.preemptRest:
		m.holdAt, m.waited = never, true
	case m.state == Backup && m.holdAt <= now:
		m.promote(now, ReasonPreemptDelay, m.rival)
	case m.timer > now:
	case m.state == Initialize:
		m.begin(now)
	case m.state == Backup:
		m.promote(now, m.cause(), m.rival)
	case m.state == Active && m.yielding:
		m.release(now)
	case m.state == Active:
		m.send(m.effective())
		m.rearm(now)
	}
	m.tell(now)
}

// held is the end of an Install.
func (m *machine) held(now instant) {
	if m.state == Active && !m.yielding {
		m.news.begin(now, &m.set.plan, m.set.interval)
		m.tell(now)
	}
}

// announceAgain is for when neighbours may believe something else. Before the
// addresses are installed there is nothing to tell.
func (m *machine) announceAgain(now instant) {
	if m.news.burst != never {
		m.news.again(now, &m.set.plan, m.set.interval)
		m.tell(now)
	}
}

// tell announces as often as is due.
func (m *machine) tell(now instant) {
	for range m.news.tick(now, &m.set.plan) {
		m.do(action{kind: actAnnounce})
	}
}

// cause is why Active_Down_Timer could run out.
func (m *machine) cause() Reason {
	switch {
	case m.skewed:
		return ReasonResigned
	case m.beaten:
		return ReasonPreempt
	}
	return ReasonNoResponse
}

// start is Startup, after the startup delay.
func (m *machine) start(now instant) {
	if m.state != Initialize || m.timer != never {
		return
	}
	if m.set.startupDelay > 0 {
		m.timer = after(now, m.set.startupDelay)
		return
	}
	m.begin(now)
}

// begin leaves Initialize: RFC 9568 section 6.4.1.
func (m *machine) begin(now instant) {
	switch {
	case m.faults != 0:
		m.enter(Fault, ReasonFault, netip.AddrPort{})
	case m.effective() == owner:
		m.promote(now, ReasonOwner, netip.AddrPort{})
	default:
		m.enter(Backup, ReasonStartup, netip.AddrPort{})
		m.timer = after(now, m.down())
	}
}

// promote becomes Active, unless a group has to agree.
func (m *machine) promote(now instant, why Reason, rival netip.AddrPort) {
	if m.grouped() {
		m.want(why)
		return
	}
	m.become(now, why, rival)
}

// become makes it Active. The advert comes first, so that another Active router
// begins to leave while the addresses are installed.
func (m *machine) become(now instant, why Reason, rival netip.AddrPort) {
	m.send(m.effective())
	m.do(action{kind: actInstall})
	m.enter(Active, why, rival)
	m.timer = after(now, m.set.interval)
}

// rearm counts from when the advert was due, so that lateness does not add up;
// an advert that was a whole interval late begins a new cadence.
func (m *machine) rearm(now instant) {
	m.paced = max(0, m.paced-1)
	m.timer = after(m.timer, m.period())
	if m.timer <= now {
		m.timer = after(now, m.period())
	}
}

// learn adopts the interval of the Active router, which version 2 does not.
func (m *machine) learn(interval time.Duration) {
	if m.set.version != version2 {
		m.learned, m.heard = interval, true
	}
}

// enter changes the state, and forgets what belonged to the old one.
func (m *machine) enter(to State, why Reason, peer netip.AddrPort) {
	m.do(action{kind: actTransition, from: m.state, to: to, reason: why, peer: peer, priority: m.effective()})
	m.state = to
	m.timer, m.holdAt = never, never
	m.learned, m.heard = m.set.interval, false
	m.skewed, m.beaten, m.waited, m.rival = false, false, false, netip.AddrPort{}
	m.yielding, m.followed, m.paced, m.losing, m.answer = false, false, 0, 0, 0
	m.news = stopped()
	m.wants = false
	if m.grouped() {
		*m.seen = sighting{}
	}
	if to == Initialize {
		m.rest()
	}
}

// rest disarms Initialize. The next start competes, and tries the addresses
// again.
func (m *machine) rest() {
	m.standby = m.set.standby
	m.faults &^= faultAddresses
	m.timer, m.retryAt = never, never
}

func (m *machine) send(priority uint8) { m.do(action{kind: actSend, priority: priority}) }
func (m *machine) do(a action)         { m.out = append(m.out, a) }
