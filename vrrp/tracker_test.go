package vrrp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// newTracked returns a router with a session that nobody runs, so that what is
// left for it can be looked at.
func newTracked(t *testing.T, opts ...Option) (*Router, *session) {
	t.Helper()
	r, err := New(51, vips4, append([]Option{WithTransport(newFake())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.open(context.Background(), newEngine(newTimerWaiter()))
	if err != nil {
		t.Fatal(err)
	}
	launch(s.engine, []*session{s}, func(m []*machine) core { return solo{m[0], s.engine} })
	return r, s
}

func mustTrack(t *testing.T, r *Router, name string, weight int, opts ...TrackOption) *Tracker {
	t.Helper()
	tracker, err := r.Track(name, weight, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return tracker
}

// told returns what the session would step next.
func told(s *session) string {
	if !left(s) {
		return ""
	}
	ev := s.r.trackEvent()
	return fmt.Sprintf("%v %d %v", ev.kind == evTrack, ev.delta, ev.down)
}

// left takes the word that was left for the session, if any was.
func left(s *session) bool {
	s.engine.mail = nil
	return s.retrack.Swap(false)
}

// The session hears of a change of the verdict, and only of the latest.
func TestTrackerTellsTheSession(t *testing.T) {
	r, s := newTracked(t)
	var web, disk *Tracker
	for i, c := range []struct {
		do   func()
		want string
	}{
		{func() { web = mustTrack(t, r, "web", -20) }, ""},
		{func() { web.Set(true) }, ""},
		{func() { web.Set(false) }, "true -20 false"},
		{func() { web.Set(false) }, ""},
		{func() { disk = mustTrack(t, r, "disk", 0) }, "true -20 true"},
		{func() { disk.Set(true) }, "true -20 false"},
		{func() { disk.Set(false); web.Set(true); disk.Set(true); web.Set(false); web.Set(true) }, "true 0 false"},
		{func() { web.Adjust(5) }, "true 5 false"},
		{func() { web.Adjust(5) }, ""},
		{func() { web.Adjust(-254) }, "true 0 true"},
		{func() { web.Remove() }, "true 0 false"},
		{func() { web.Set(false); web.Adjust(9); web.Remove() }, ""},
		{func() { web = mustTrack(t, r, "web", 7, InitialDown()) }, ""},
		{func() { web.Set(true) }, "true 7 false"},
		{func() { disk.Remove() }, ""},
	} {
		c.do()
		if got := told(s); got != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
	}
}

// Every change leaves word, however many there are before anybody looks.
func TestTrackerLeavesWordOnce(t *testing.T) {
	r, s := newTracked(t)
	web := mustTrack(t, r, "web", 10)
	for range 1000 {
		web.Set(true)
		web.Set(false)
	}
	web.Set(true)
	if got := told(s); got != "true 10 false" {
		t.Errorf("after 2001 changes: %q, want the latest", got)
	}
	if got := told(s); got != "" {
		t.Errorf("and then %q, want nothing", got)
	}
}

// Coalesced or not, what the session has heard last is what holds.
func TestTrackerCoalescing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	r, s := newTracked(t)
	var trackers []*Tracker
	for i, w := range []int{-10, 20, 0, 253} {
		trackers = append(trackers, mustTrack(t, r, fmt.Sprint(i), w, Fall(1+rnd.IntN(3))))
	}
	heard := r.trackEvent() // what open gives the machine
	for i := range 5000 {
		switch k := trackers[rnd.IntN(len(trackers))]; rnd.IntN(5) {
		case 0:
			k.Adjust(rnd.IntN(520) - 260)
		default:
			k.Set(rnd.IntN(2) == 0)
		}
		if rnd.IntN(4) == 0 {
			if left(s) {
				heard = r.trackEvent()
			}
			if now := r.trackEvent(); heard.delta != now.delta || heard.down != now.down {
				t.Fatalf("%d: the session has %d %v, it is %d %v", i, heard.delta, heard.down, now.delta, now.down)
			}
		}
	}
}

func TestTrackerNames(t *testing.T) {
	r, _ := newTracked(t)
	first := mustTrack(t, r, "web", 0)
	if _, err := r.Track("web", 5); err == nil || err.Error() != `vrrp: virtual router 51: tracker "web" exists already` {
		t.Errorf("a second one: %v", err)
	}
	first.Remove()
	mustTrack(t, r, "web", 5)
}

func TestTrackerOfAnOwner(t *testing.T) {
	r, _ := newTracked(t, WithPriority(owner))
	if _, err := r.Track("web", -20); err == nil || !strings.Contains(err.Error(), `tracker "web" has weight -20, and priority 255 is never altered`) {
		t.Errorf("Track() = %v", err)
	}
	mustTrack(t, r, "disk", 0).Set(true)

	r, err := New(51, vips4, WithTransport(newFake()))
	if err != nil {
		t.Fatal(err)
	}
	web := mustTrack(t, r, "web", -20)
	if err := r.Update(WithPriority(owner)); err == nil || !strings.HasPrefix(err.Error(), `vrrp: update: tracker "web" has weight -20`) {
		t.Errorf("Update() = %v", err)
	}
	if got := r.Snapshot().Priority; got != 100 {
		t.Errorf("the priority is %d after a refused Update, want 100", got)
	}
	web.Remove()
	if err := r.Update(WithPriority(owner)); err != nil {
		t.Errorf("Update() without weights = %v", err)
	}
}

// One tracker of several routers is made for all or for none.
func TestTrackAll(t *testing.T) {
	a, sa := newTracked(t)
	b, sb := newTracked(t)
	web, err := trackAll([]*Router{a, b}, "web", -20, nil)
	if err != nil {
		t.Fatal(err)
	}
	web.Set(false)
	if told(sa) != "true -20 false" || told(sb) != "true -20 false" {
		t.Error("not every member heard")
	}
	mustTrack(t, b, "disk", 0)
	if _, err := trackAll([]*Router{a, b}, "disk", 0, nil); err == nil {
		t.Error("a name that one member has was accepted")
	}
	if got := a.Snapshot().Trackers; len(got) != 1 || told(sa) != "" {
		t.Errorf("a refused tracker was felt: %+v", got)
	}
	if _, err := trackAll([]*Router{a, a}, "twice", 5, nil); err == nil || len(a.Snapshot().Trackers) != 1 {
		t.Errorf("one member twice: %v", err)
	}
	if web.Remove(); len(a.Snapshot().Trackers)+len(b.Snapshot().Trackers) != 1 {
		t.Error("Remove left something")
	}
}

func TestTrackerStatus(t *testing.T) {
	r, _ := newTracked(t)
	mustTrack(t, r, "a", 0)
	mustTrack(t, r, "b", -5, Reverse(), InitialDown())
	mustTrack(t, r, "c", 7).Set(true)
	mustTrack(t, r, "d", 0).Adjust(-9)
	want := []TrackerStatus{
		{"a", 0, false, "unknown", 0, true},
		{"b", -5, true, "down", 5, false},
		{"c", 7, false, "up", 7, false},
		{"d", 0, false, "adjusted", -9, false},
	}
	if got := r.Snapshot().Trackers; !slices.Equal(got, want) {
		t.Errorf("Snapshot().Trackers = %+v, want %+v", got, want)
	}
	emitted := map[string]float64{}
	r.Collect(func(name string, _ byte, value float64, labels ...string) {
		if strings.HasPrefix(name, "mainstay_vrrp_tracker_") {
			emitted[name[len("mainstay_vrrp_tracker_"):]+" "+labels[5]] = value
		}
	})
	if len(emitted) != 8 || emitted["fault a"] != 1 || emitted["contribution b"] != 5 || emitted["contribution d"] != -9 {
		t.Errorf("Collect emitted %v", emitted)
	}
}

// What a tracker is told while nothing runs is there for the next Run.
func TestTrackerBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New(51, vips4, WithTransport(newFake()))
		if err != nil {
			t.Fatal(err)
		}
		web := mustTrack(t, r, "web", 0)
		web.Set(true)
		first := rerun(t, r)
		pass(time.Second)
		if err := first.end(); err != nil {
			t.Fatal(err)
		}
		web.Set(false)
		if got := r.trackEvent(); !got.down {
			t.Errorf("%+v: the verdict was lost", got)
		}
		web.Set(true)
	})
}

// What a tracker is told before the engine has got to its router is stepped
// first, and not undone by what was true when Run began.
func TestTrackerBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newTracked(t)
		web := mustTrack(t, r, "web", 0)
		ctx, stop := context.WithCancel(context.Background())
		defer s.close()
		ended := make(chan struct{})
		go func() { defer close(ended); s.unit.run(ctx) }()
		pass(time.Second)
		if got := r.Snapshot().Faults; !slices.Equal(got, []string{"tracking"}) {
			t.Errorf("faults are %v with a tracker that is unknown", got)
		}
		web.Set(true)
		pass(4 * time.Second)
		if got := r.Snapshot().State; got != Active {
			t.Errorf("state is %v", got)
		}
		stop()
		<-ended
	})
}

// A callback, and goroutines at any time: nothing waits for anything, and the
// last word holds.
func TestTrackerFromEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inCallback *Tracker
		r, err := New(51, vips4, WithTransport(newFake()), WithInterval(10*time.Millisecond),
			WithOnTransition(func(Transition) { inCallback.Set(true); inCallback.Adjust(3) }))
		if err != nil {
			t.Fatal(err)
		}
		inCallback = mustTrack(t, r, "callback", 5)
		trackers := []*Tracker{mustTrack(t, r, "a", 10), mustTrack(t, r, "b", -10)}
		var wg sync.WaitGroup
		for _, k := range trackers {
			for range 4 {
				wg.Go(func() {
					for i := range 200 {
						k.Set(i%2 == 0)
						r.Snapshot()
						if i%50 == 0 {
							time.Sleep(time.Millisecond)
						}
					}
					k.Set(true)
				})
			}
		}
		for range 3 {
			run := rerun(t, r)
			pass(50 * time.Millisecond)
			if err := run.end(); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		if ev := r.trackEvent(); ev.delta != 13 || ev.down {
			t.Errorf("in the end %d %v, want 13 false", ev.delta, ev.down)
		}
	})
}

func TestTrackerLogs(t *testing.T) {
	var l logs
	r, _ := newTracked(t, WithLogger(l.logger()))
	web := mustTrack(t, r, "web", 0)
	web.Set(true)
	web.Set(true)
	web.Set(false)
	web.Adjust(3) // at Debug
	if l.count("msg=tracker") != 2 || l.count("vrid=51 tracker=web state=down contribution=0 fault=true") != 1 {
		t.Errorf("logged:\n%s", l.String())
	}
}

func TestAllocationsOfTrackers(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	r, s := newTracked(t)
	for i := range 8 {
		mustTrack(t, r, fmt.Sprint(i), -i)
	}
	web := mustTrack(t, r, "web", 0)
	if n := testing.AllocsPerRun(10, func() {
		for range 1000 {
			web.Set(true)
			_ = s.r.trackEvent()
		}
	}); n != 0 {
		t.Errorf("1000 verdicts allocate %v times, want 0", n)
	}
}
