package vrrp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// announced drives an Active machine, whose addresses are held at t0, from
// deadline to deadline, with a reason to announce at each moment given. It
// returns when rounds were asked for, once for each.
func announced(t *testing.T, m *machine, reasons []time.Duration, until time.Duration) (rounds []time.Duration) {
	t.Helper()
	note := func(now instant, actions []action) {
		for _, a := range actions {
			if a.kind == actAnnounce {
				rounds = append(rounds, time.Duration(now-t0))
			}
		}
	}
	note(t0, m.step(t0, hasInstalled))
	for {
		next := m.news.deadline()
		if m.deadline() > next {
			t.Fatalf("deadline() = %v, later than the next announcement %v", time.Duration(m.deadline()-t0), time.Duration(next-t0))
		}
		if len(reasons) > 0 && after(t0, reasons[0]) <= next {
			at := after(t0, reasons[0])
			reasons = reasons[1:]
			note(at, m.step(at, event{kind: evNeighbors}))
			continue
		}
		if next > after(t0, until) {
			return rounds
		}
		note(next, m.step(next, event{kind: evTick}))
	}
}

// inWords is "when:rounds" for each moment.
func inWords(rounds []time.Duration) string {
	var out []string
	for i := 0; i < len(rounds); {
		n := 1
		for i+n < len(rounds) && rounds[i+n] == rounds[i] {
			n++
		}
		out = append(out, fmt.Sprintf("%v:%d", rounds[i], n))
		i += n
	}
	return strings.Join(out, " ")
}

func planned(plan AnnouncePlan) func(*settings) {
	return func(s *settings) { s.plan = plan }
}

// every returns moments d apart.
func every(d, until time.Duration) (moments []time.Duration) {
	for at := d; at <= until; at += d {
		moments = append(moments, at)
	}
	return moments
}

// RFC 9568 sections 6.4.1 and 6.4.2 want one gratuitous ARP or unsolicited
// neighbour advertisement for each address; the plan is how often and when.
func TestAnnouncePlan(t *testing.T) {
	const none, ms = -1, time.Millisecond
	second := time.Second
	for _, c := range []struct {
		name     string
		plan     AnnouncePlan
		interval time.Duration // 0: 1s
		reasons  []time.Duration
		until    time.Duration
		want     string
	}{
		{"default", AnnouncePlan{}, 0, nil, 3 * time.Minute, "0s:5 5s:5 1m5s:1 2m5s:1"},
		{"default at 10 ms", AnnouncePlan{}, 10 * ms, nil, time.Minute, "0s:5 5s:5"},
		{"one and none later", AnnouncePlan{Burst: 1, Repeat: none, Refresh: none}, 0, nil, time.Hour, "0s:1"},
		{"no first burst", AnnouncePlan{Burst: none, Repeat: 3, Refresh: none}, 0, nil, time.Hour, "5s:3"},
		{"no second burst", AnnouncePlan{Repeat: none}, 0, nil, 70 * second, "0s:5 1m0s:1"},
		{"no refresh", AnnouncePlan{Refresh: none}, 0, nil, time.Hour, "0s:5 5s:5"},
		{"refresh only", AnnouncePlan{Burst: none, Repeat: none, Refresh: 3 * second}, 0, nil, 10 * second, "3s:1 6s:1 9s:1"},
		{"nothing", AnnouncePlan{Burst: none, Repeat: none, Refresh: none}, 0, every(second, 5*second), time.Hour, ""},
		{"no delay", AnnouncePlan{Burst: 1, Delay: none, Repeat: 2, Refresh: none}, 0, nil, time.Hour, "0s:3"},
		{"spacing", AnnouncePlan{Burst: 3, Delay: second, Repeat: 2, Refresh: 10 * second, Spacing: 100 * ms}, 0, nil, 12 * second,
			"0s:1 100ms:1 200ms:1 1s:1 1.1s:1 11.1s:1"},
		{"a first burst longer than the delay", AnnouncePlan{Burst: 3, Delay: second, Repeat: 2, Refresh: none, Spacing: second}, 0, nil, time.Hour,
			"0s:1 1s:1 2s:2 3s:1"},
		{"as keepalived's vrrp_min_garp", AnnouncePlan{Burst: 1, Repeat: none, Refresh: none}, 0, []time.Duration{2 * second}, time.Hour, "0s:1 2s:1"},
		{"the most", AnnouncePlan{Burst: 255, Delay: none, Repeat: 255, Refresh: none}, 0, nil, time.Hour, "0s:510"},

		{"a reason after an interval", AnnouncePlan{Refresh: none}, 0, []time.Duration{second}, time.Hour, "0s:5 1s:5 6s:5"},
		{"a reason before that waits", AnnouncePlan{Refresh: none}, 0, []time.Duration{300 * ms}, time.Hour, "0s:5 1s:5 6s:5"},
		{"several that wait are one", AnnouncePlan{Refresh: none}, 0, []time.Duration{100 * ms, 300 * ms, 999 * ms}, time.Hour, "0s:5 1s:5 6s:5"},
		{"a long interval waits a second", AnnouncePlan{Refresh: none}, 40 * second, []time.Duration{300 * ms, 3 * second}, 4 * second, "0s:5 1s:5 3s:5"},
		{"a short interval waits ever longer", AnnouncePlan{Burst: 1, Repeat: none, Refresh: none}, 100 * ms, every(10*ms, 4*second), time.Hour,
			"0s:1 100ms:1 300ms:1 700ms:1 1.5s:1 2.5s:1 3.5s:1 4.5s:1"},
		{"until there is quiet", AnnouncePlan{Burst: 1, Repeat: none, Refresh: none}, 100 * ms,
			append(every(10*ms, 310*ms), 2*second, 2050*ms), time.Hour, "0s:1 100ms:1 300ms:1 700ms:1 2s:1 2.1s:1"},
		{"a spaced burst goes on meanwhile", AnnouncePlan{Burst: 3, Repeat: none, Refresh: none, Spacing: 200 * ms}, 0, []time.Duration{100 * ms}, time.Hour,
			"0s:1 200ms:1 400ms:1 1s:1 1.2s:1 1.4s:1"},
		{"a spaced burst that takes long starts over", AnnouncePlan{Burst: 3, Repeat: none, Refresh: none, Spacing: second}, 0, []time.Duration{1500 * ms}, time.Hour,
			"0s:1 1s:1 1.5s:1 2.5s:1 3.5s:1"},
		{"reasons do not put off the only burst", AnnouncePlan{Burst: none, Repeat: 1, Refresh: none}, 0, every(500*ms, 7*second), time.Hour,
			"5s:1 11s:1"},
		{"nor the refresh", AnnouncePlan{Burst: none, Repeat: none, Refresh: 3 * second}, 0, every(500*ms, 7*second), 10 * second, "3s:1 6s:1 9s:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, planned(c.plan), func(s *settings) {
				if c.interval > 0 {
					s.interval = c.interval
				}
			}).active()
			if got := inWords(announced(t, r.m, c.reasons, c.until)); got != c.want {
				t.Errorf("announced at %s, want %s", got, c.want)
			}
		})
	}
}

// Random plans and reasons against a naive model: the moments of whole runs,
// each cut where the next one begins.
func TestAnnounceModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	span := func(most time.Duration) time.Duration { return 1 + time.Duration(r.Int64N(int64(most))) }
	for range 3000 {
		plan := AnnouncePlan{
			Burst: r.IntN(7) - 1, Delay: span(8 * time.Second), Repeat: r.IntN(7) - 1,
			Refresh: minInterval + span(20*time.Second), Spacing: span(300 * time.Millisecond),
		}
		if r.IntN(2) == 0 {
			plan.Spacing = 0
		}
		if r.IntN(3) == 0 {
			plan.Refresh = -1
		}
		interval := time.Duration(1+r.IntN(300)) * centisecond
		var reasons []time.Duration
		until, pause := 40*time.Second, span(3*time.Second)
		for at := span(pause); at < until/2; at += span(pause) {
			reasons = append(reasons, at)
		}
		m := newRig(t, planned(plan), func(s *settings) { s.interval = interval }).active().m
		got := inWords(announced(t, m, reasons, until))
		if want := inWords(naiveAnnouncements(plan.resolve(), interval, reasons, until)); got != want {
			t.Fatalf("%+v at %v, reasons at %v:\nannounced at %s,\nwant         %s", plan, interval, reasons, got, want)
		}
	}
}

func naiveAnnouncements(plan AnnouncePlan, interval time.Duration, reasons []time.Duration, until time.Duration) (rounds []time.Duration) {
	// run is when one run announces, if nothing ends it.
	run := func(at time.Duration) (moments []time.Duration) {
		burst := func(n int) {
			for range n {
				moments = append(moments, at)
				at += plan.Spacing
			}
			if n > 0 {
				at -= plan.Spacing
			}
		}
		begin := at
		burst(plan.Burst)
		if plan.Repeat > 0 {
			at = max(at, begin+plan.Delay)
			burst(plan.Repeat)
		}
		for plan.Refresh > 0 && at <= until {
			at += plan.Refresh
			moments = append(moments, at)
		}
		return moments
	}
	first := time.Duration(0) // from the beginning of a run to its first burst
	if plan.Burst == 0 {
		first = plan.Delay
	}
	begins := []time.Duration{0}
	least := min(interval, time.Second)
	if plan.Burst+plan.Repeat > 0 {
		gap := least
		for _, at := range reasons {
			last := begins[len(begins)-1]
			switch soonest := last + first + gap; {
			case last > at, at <= last+first && first > 0: // another run is to begin, or to announce
			case soonest > at:
				begins, gap = append(begins, soonest), min(2*gap, time.Second)
			default:
				begins, gap = append(begins, at), least
			}
		}
	}
	for i, at := range begins {
		for _, moment := range run(at) {
			if moment <= until && (i+1 == len(begins) || moment < begins[i+1]) {
				rounds = append(rounds, moment)
			}
		}
	}
	return rounds
}

// A flood of losing adverts: one burst a second, in the end, and none after the
// router has left Active. They are answered by adverts all the same (RFC 9568
// section 6.4.3), 16 in an interval or a second, and Adver_Timer keeps its cadence.
func TestAnnounceFlood(t *testing.T) {
	for _, interval := range []time.Duration{10 * time.Millisecond, time.Second, 40 * time.Second} {
		m := newRig(t, func(s *settings) { s.interval = interval }).active().m
		var rounds []instant
		cadence, answered := 0, 0
		note := func(now instant, actions []action) (sent int) {
			for _, a := range actions {
				switch a.kind {
				case actAnnounce:
					rounds = append(rounds, now)
				case actSend:
					sent++
				}
			}
			return sent
		}
		note(t0, m.step(t0, hasInstalled))
		end := after(t0, 30*time.Second)
		for now := t0; now < end; now += int64(3 * time.Millisecond) {
			for m.deadline() <= now {
				cadence += note(m.deadline(), m.step(m.deadline(), event{kind: evTick}))
			}
			answered += note(now, m.step(now, heard(99, lowPeer)))
		}
		if want := int(30 * time.Second / interval); cadence < want-1 || cadence > want {
			t.Errorf("at %v: %d adverts of the timer, want %d", interval, cadence, want)
		}
		step := 3 * time.Millisecond // of what is heard
		pause := (min(interval, time.Second)/16 + step - 1) / step * step
		if want := int(30 * time.Second / pause); answered < want || answered > want+1 {
			t.Errorf("at %v: %d answers, want %d, one every %v", interval, answered, want, pause)
		}
		last := m.step(end, heard(101, highPeer))
		if note(end, last) != 1 || m.state != Backup || m.news != stopped() {
			t.Errorf("at %v: %v and %+v after a higher advert", interval, m.state, m.news)
		}
		before := len(rounds)
		for range 10 {
			note(m.deadline()-1, m.step(m.deadline()-1, event{kind: evTick}))
			m.step(m.deadline(), heard(101, highPeer))
			m.step(m.deadline(), event{kind: evNeighbors})
			m.step(m.deadline(), hasInstalled) // of before, too late
		}
		if len(rounds) != before {
			t.Errorf("at %v: %d rounds after leaving Active", interval, len(rounds)-before)
		}
		// Doubling from 10 ms takes 7 runs to reach a second.
		if n := len(rounds); n > 5*(30+8) || n < 5*29 {
			t.Errorf("at %v: %d rounds in 30 s", interval, n)
		}
		rounds = slices.DeleteFunc(rounds, func(at instant) bool { return at < after(t0, 3*time.Second) })
		for i := 5; i < len(rounds); i++ {
			if apart := time.Duration(rounds[i] - rounds[i-5]); apart < time.Second {
				t.Fatalf("at %v: 6 rounds in %v", interval, apart)
			}
		}
	}
}

// Whatever the driver's lateness, a reason is announced on after it, within a
// second, unless the router leaves.
func TestAnnounceAfterEveryReason(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	for range 500 {
		plan := AnnouncePlan{Burst: 1 + r.IntN(3), Delay: time.Duration(r.Int64N(int64(5 * time.Second))), Repeat: r.IntN(4) - 1}
		m := newRig(t, planned(plan), func(s *settings) { s.interval = time.Duration(1+r.IntN(4000)) * centisecond }).active().m
		m.step(t0, hasInstalled)
		now, reason := t0, never
		for range 200 {
			var actions []action
			if r.IntN(3) == 0 {
				now += r.Int64N(int64(2 * time.Second))
				reason = min(reason, now)
				actions = m.step(now, event{kind: evNeighbors})
			} else {
				now = max(now, m.deadline()) + r.Int64N(int64(100*time.Millisecond))
				if reason < now-int64(time.Second+100*time.Millisecond) && m.news.deadline() > now {
					t.Fatalf("%+v: not announced %v after a reason, next in %v", plan, time.Duration(now-reason), time.Duration(m.news.deadline()-now))
				}
				actions = m.step(now, event{kind: evTick})
			}
			if slices.ContainsFunc(actions, func(a action) bool { return a.kind == actAnnounce }) {
				reason = never
			}
		}
	}
}

// The addresses must be held before anybody is told.
func TestNoAnnouncementBeforeInstalled(t *testing.T) {
	r := newRig(t).active()
	r.step(after(t0, time.Millisecond), event{kind: evNeighbors}, "", Active, time.Second-time.Millisecond)
	r.step(after(t0, 2*time.Millisecond), heard(50, lowPeer), "warn losing, send 100", Active, time.Second-2*time.Millisecond)
	r.step(after(t0, time.Second), event{kind: evTick}, "send 100", Active, time.Second)
	r.step(after(t0, 1500*time.Millisecond), hasInstalled, "announce 5", Active, 500*time.Millisecond)
}

// A second Install, of other addresses, is announced at once.
func TestInstalledAgain(t *testing.T) {
	r := newRig(t).active().quietly(t0, hasInstalled)
	r.step(after(t0, 100*time.Millisecond), hasInstalled, "announce 5", Active, 900*time.Millisecond)
	r.step(after(t0, 100*time.Millisecond), hasInstalled, "announce 5", Active, 900*time.Millisecond)
}

// A step that is as early as a driver that gathers deadlines makes it does not
// hide a reason that comes before the moment it was for.
func TestAnnounceAfterEarlyTick(t *testing.T) {
	r := newRig(t, planned(AnnouncePlan{Burst: 1, Repeat: -1, Refresh: -1})).active().quietly(t0, hasInstalled)
	soon := after(t0, 970*time.Millisecond)
	r.quietly(soon, event{kind: evNeighbors}) // announced on at 1 s
	r.step(after(t0, time.Second), event{kind: evTick}, "send 100, announce 1", Active, time.Second)
	r.quietly(soon, event{kind: evNeighbors}) // the step above was early, at 960 ms
	r.step(after(t0, 2*time.Second), event{kind: evTick}, "send 100, announce 1", Active, time.Second)
}

// The plan of a running router changes with the next round, if not at once.
func TestUpdatePlan(t *testing.T) {
	set := testSettings()
	r := newRig(t, planned(AnnouncePlan{Burst: 1, Repeat: -1, Refresh: -1})).active()
	set.plan = AnnouncePlan{Burst: 2, Repeat: -1, Refresh: 3 * time.Second}
	change := event{kind: evSettings, settings: set}
	r.step(t0, change, "", Active, time.Second) // not installed yet
	r.step(t0, hasInstalled, "announce 2", Active, time.Second)
	r.step(after(t0, 1), change, "", Active, time.Second-1) // no change
	set.plan.Refresh = -1
	r.step(after(t0, 2), event{kind: evSettings, settings: set}, "announce 2", Active, time.Second-2)
	if got := r.m.news.deadline(); got != never {
		t.Errorf("announces in %v, want never", time.Duration(got-t0))
	}
}

func TestAnnouncePlanValidate(t *testing.T) {
	for _, c := range []struct {
		plan AnnouncePlan
		want string
	}{
		{AnnouncePlan{}, ""},
		{AnnouncePlan{Burst: -1, Delay: -1, Repeat: -1, Refresh: -1, Spacing: -1}, ""},
		{AnnouncePlan{Burst: 255, Repeat: 255, Refresh: 10 * time.Millisecond}, ""},
		{AnnouncePlan{Burst: 256}, "Burst 256"},
		{AnnouncePlan{Repeat: 256}, "Repeat 256"},
		{AnnouncePlan{Refresh: 9 * time.Millisecond}, "Refresh 9ms"},
	} {
		switch err := c.plan.validate(); {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: validate() = %v, want %q", c.plan, err, c.want)
		}
	}
}
