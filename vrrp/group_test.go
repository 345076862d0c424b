package vrrp

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newRouter(t *testing.T, vrid uint8, vips []netip.Prefix, opts ...Option) *Router {
	t.Helper()
	r, err := New(vrid, vips, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNewGroupRefuses(t *testing.T) {
	fake := newFake()
	a, b := newRouter(t, 51, vips4, WithTransport(fake)), newRouter(t, 52, vips4, WithTransport(fake))
	same, owning := newRouter(t, 51, vips4, WithTransport(fake)), newRouter(t, 53, vips4, WithTransport(fake), WithPriority(owner))
	taken := newRouter(t, 54, vips4, WithTransport(fake))
	if _, err := NewGroup("taken", taken); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		routers []*Router
		want    []string
		is      error
	}{
		{"", nil, []string{`vrrp: group "": a name is needed`, `vrrp: group "": a router is needed`}, nil},
		{"VG", []*Router{a, nil, a}, []string{"router 2 is nil", "virtual router 51 is given twice"}, nil},
		{"VG", []*Router{a, taken}, []string{`virtual router 54 is in group "taken"`}, ErrGrouped},
		{"VG", []*Router{a, same}, []string{"virtual router 51 shares its VRID"}, ErrDuplicateVRID},
		{"VG", []*Router{a, b, owning}, []string{"some routers are owners"}, nil},
	} {
		g, err := NewGroup(c.name, c.routers...)
		if g != nil || err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("NewGroup(%q) = %v, %v", c.name, g, err)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("NewGroup(%q) = %v, want %q", c.name, err, c.want)
		}
		for i, want := range c.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("NewGroup(%q) = %v, want %q", c.name, err, want)
			}
		}
	}
	// What was refused is free.
	g, err := NewGroup("VG", a, b)
	if err != nil || g.Name() != "VG" || !slices.Equal(g.Routers(), []*Router{a, b}) {
		t.Errorf("NewGroup() = %v, %v", g, err)
	}
	var none *Group
	if none.Name() != "" {
		t.Error("no group has a name")
	}
}

// listTransport is a Transport that cannot be compared.
type listTransport struct {
	Transport
	_ []int
}

func TestNewGroupOfAnyTransport(t *testing.T) {
	any := listTransport{Transport: newFake()}
	a, b := newRouter(t, 51, vips4, WithTransport(any)), newRouter(t, 51, vips4, WithTransport(any))
	if _, err := NewGroup("VG", a, b); err != nil { // nobody can tell that they are one
		t.Errorf("NewGroup() = %v", err)
	}
}

// grouped is a group that runs.
type grouped struct {
	*Group
	links []*fakeLink
	stop  context.CancelFunc
	done  chan error
}

// runGroup runs a group of routers 51, 52... each with its own link.
func runGroup(t *testing.T, n int, opts ...Option) *grouped {
	t.Helper()
	g := &grouped{done: make(chan error, 1)}
	var routers []*Router
	for i := range n {
		fake := newFake()
		g.links = append(g.links, fake.link)
		routers = append(routers, newRouter(t, uint8(51+i), vips4, append([]Option{WithTransport(fake)}, opts...)...))
	}
	var err error
	if g.Group, err = NewGroup("VG", routers...); err != nil {
		t.Fatal(err)
	}
	g.again(t)
	return g
}

func (g *grouped) again(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	go func() { g.done <- g.Run(ctx) }()
	t.Cleanup(func() { _ = g.end() })
}

func (g *grouped) end() error {
	g.stop()
	err := <-g.done
	g.done <- err
	return err
}

// The group runs its routers, tells of them together, and ends as one.
func TestGroupRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		g := runGroup(t, 2, WithOnTransition(func(tr Transition) { j.add("%s %d %v", tr.Group, tr.VRID, tr.To) }))
		_ = g.end()
		<-g.done
		j.take()

		g.OnTransition(nil)
		g.OnTransition(func(tr Transition) {
			j.add("%s %d %v>%v %v %d", tr.Group, tr.VRID, tr.From, tr.To, tr.Reason, tr.Priority)
		})
		j.start = time.Now()
		g.again(t)
		pass(4 * time.Second)
		got := j.take()
		slices.Sort(got) // three goroutines
		want := []string{
			"0s VG 0 initialize>backup startup 0", "0s VG 51 backup", "0s VG 52 backup",
			"3.609375s VG 0 backup>active no-response 0", "3.609375s VG 51 active", "3.609375s VG 52 active",
		}
		if !slices.Equal(got, want) {
			t.Errorf("journal %q, want %q", got, want)
		}
		for i, l := range g.links {
			sent := l.adverts()
			if got := priorities(sent); !slices.Equal(got, []uint8{100}) || sent[0].VRID != uint8(51+i) {
				t.Errorf("link %d sent %v", i, sent)
			}
		}

		r := g.Routers()[0]
		if err := r.Run(context.Background()); !errors.Is(err, ErrGrouped) || err.Error() != `vrrp: the router is in group "VG"` {
			t.Errorf("Router.Run() = %v", err)
		}
		for _, err := range []error{r.Yield(context.Background()), r.Resume()} {
			if !errors.Is(err, ErrGrouped) {
				t.Errorf("a member's method = %v", err)
			}
		}
		if err := g.Run(context.Background()); !errors.Is(err, ErrRunning) {
			t.Errorf("Run() = %v", err)
		}
		if err := r.Update(WithPriority(120)); err != nil {
			t.Errorf("Update() = %v", err)
		}
		if err := r.Update(WithPriority(owner)); err == nil || !strings.Contains(err.Error(), "all routers are owners") {
			t.Errorf("Update() to owner = %v", err)
		}
		s := g.Snapshot()
		if s.Name != "VG" || s.State != Active || len(s.Routers) != 2 || s.Routers[0].Priority != 120 || s.Routers[1].Group != "VG" || s.LastTransition.To != Active {
			t.Errorf("Snapshot() = %+v", s)
		}
		if doc, err := json.Marshal(s); err != nil || !strings.HasPrefix(string(doc), `{"name":"VG","state":"active","last-transition":{"seq":`) {
			t.Errorf("%s, %v", doc, err)
		}
		labels := 0
		g.Collect(func(name string, _ byte, _ float64, l ...string) {
			if name == "mainstay_vrrp_priority" && slices.Equal(l[4:], []string{"group", "VG"}) {
				labels++
			}
		})
		if labels != 2 {
			t.Errorf("%d routers are collected", labels)
		}

		// One drain for all: a packet in any queue comes before any deadline.
		for _, l := range g.links {
			l.deliver(message(highPeer, 200), highPeer)
		}
		synctest.Wait()
		j.take()
		_ = g.end()
		if s := g.Snapshot(); s.State != Initialize {
			t.Errorf("after Run: %v", s.State)
		}
		for i, l := range g.links {
			if !l.closed {
				t.Errorf("link %d is open", i)
			}
		}
		if err := g.Yield(context.Background()); !errors.Is(err, ErrNotRunning) {
			t.Errorf("Yield() after Run = %v", err)
		}
	})
}

// An Update may come at any moment of a Run. The race detector is the judge.
func TestGroupUpdatedWhileItBegins(t *testing.T) {
	g := runGroup(t, 2)
	_ = g.end()
	var updating sync.WaitGroup
	stop := make(chan struct{})
	updating.Go(func() {
		for p := uint8(1); ; p = p%254 + 1 {
			select {
			case <-stop:
				return
			default:
				if err := g.Routers()[0].Update(WithPriority(p)); err != nil {
					t.Errorf("Update() = %v", err)
				}
			}
		}
	})
	for range 50 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if err := g.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
		cancel()
	}
	close(stop)
	updating.Wait()
}

// Members have one order on every host, whatever it is given: that is how two
// hosts agree on whose word counts.
func TestGroupOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, m := newRawNet(), newRawNet()
		one, two := n.raw(t), m.raw(t)
		low, high := netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("192.0.2.200/24")
		routers := []*Router{
			newRouter(t, 60, vips6, WithTransport(one)),
			newRouter(t, 51, []netip.Prefix{high}, WithTransport(two)),
			newRouter(t, 70, vips4, WithTransport(two)),
			newRouter(t, 51, []netip.Prefix{low}, WithTransport(one)),
		}
		g, err := NewGroup("VG", routers...)
		if err != nil {
			t.Fatal(err)
		}
		run := &grouped{Group: g, done: make(chan error, 1)}
		run.again(t)
		synctest.Wait()
		want := []*Router{routers[3], routers[1], routers[2], routers[0]}
		for i, s := range g.running().members {
			if s.r != want[i] || s.member != i {
				t.Errorf("member %d is virtual router %d with %v", i, s.r.vrid, s.r.config.vips)
			}
		}
		if !slices.Equal(g.Routers(), routers) {
			t.Error("the order that was given is forgotten")
		}
	})
}

func TestGroupYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := runGroup(t, 2)
		pass(4 * time.Second)
		yielded := make(chan error, 1)
		go func() { yielded <- g.Yield(context.Background()) }()
		pass(100 * time.Millisecond)
		for i, l := range g.links {
			m := message(lowPeer, 50, func(a *Advert) { a.VRID = uint8(51 + i) })
			if len(yielded) > 0 {
				t.Errorf("yielded before heir %d", i)
			}
			l.deliver(m, lowPeer)
			synctest.Wait()
		}
		if err := <-yielded; err != nil {
			t.Errorf("Yield() = %v", err)
		}
		if s := g.Snapshot(); s.State != Backup || !s.Routers[1].Standby {
			t.Errorf("%+v", s)
		}
		if err := g.Resume(); err != nil {
			t.Errorf("Resume() = %v", err)
		}
		pass(10 * time.Second)
		if s := g.Snapshot(); s.State != Active || s.Routers[0].Standby {
			t.Errorf("state %v", s.State)
		}
		if err := g.Yield(context.Background()); !errors.Is(err, ErrNoHeir) {
			t.Errorf("Yield() without an heir = %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_ = g.Resume()
		pass(10 * time.Second)
		if err := g.Yield(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), `vrrp: group "VG": `) {
			t.Errorf("Yield() = %v", err)
		}
	})
}

// One transport that fails fails the group, before and during its Run.
func TestGroupFails(t *testing.T) {
	broken := errors.New("no such device")
	bubble(t, "open", func(t *testing.T) {
		good, bad := newFake(), newFake()
		bad.err = broken
		g, err := NewGroup("VG", newRouter(t, 51, vips4, WithTransport(good)), newRouter(t, 52, vips4, WithTransport(bad)))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Run(context.Background()); !errors.Is(err, broken) || err.Error() != `vrrp: group "VG": virtual router 52: no such device` {
			t.Errorf("Run() = %v", err)
		}
		if !good.link.closed {
			t.Error("the other link is open")
		}
		bad.err = nil
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		pass(4 * time.Second)
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run() again = %v", err)
		}
	})
	bubble(t, "receive", func(t *testing.T) {
		g := runGroup(t, 2)
		pass(4 * time.Second)
		g.links[1].lose(broken)
		err := <-g.done
		if g.done <- err; !errors.Is(err, broken) || err.Error() != `vrrp: group "VG": virtual router 52: no such device` {
			t.Errorf("Run() = %v", err)
		}
		// The other one can still say so.
		for i, want := range []uint8{0, 100} {
			if got := priorities(g.links[i].adverts()); got[len(got)-1] != want {
				t.Errorf("link %d sent %d last, want %d", i, got, want)
			}
		}
		if s := g.Snapshot(); s.LastTransition.Reason != ReasonLost || !errors.Is(s.LastTransition.Err, broken) {
			t.Errorf("the last transition is %+v", s.LastTransition)
		}
	})
}

// Members on one raw transport have sockets of their own, on the engine of the
// group: what waits in any of them is stepped before a deadline of the group.
func TestGroupOnRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newRawNet()
		raw := n.raw(t)
		alone := runRaw(t, raw, 50, vips4)
		four, six := newRouter(t, 51, vips4, WithTransport(raw)), newRouter(t, 51, vips6, WithTransport(raw))
		g, err := NewGroup("VG", four, six)
		if err != nil {
			t.Fatal(err)
		}
		run := &grouped{Group: g, done: make(chan error, 1)}
		run.again(t)
		pass(time.Second)
		if s, w := n.count(); s != 3 || w != 1 {
			t.Errorf("%d sockets, %d watchers, want 3 and 1", s, w)
		}
		n.mu.Lock() // silently: nothing rings
		for _, s := range n.sockets {
			if s.config.Family == 4 && s.vrids[0] == 1<<51 {
				s.queue = append(s.queue, advert(51, 200, highPeer))
			}
		}
		n.mu.Unlock()
		pass(3 * time.Second)
		if s := four.Snapshot(); s.State != Backup || s.LastAdvSource != highPeer {
			t.Errorf("state %v, heard %v", s.State, s.LastAdvSource)
		}
		if got := alone.Snapshot().State; got != Active {
			t.Errorf("the router in no group is %v", got)
		}
		// The interface concerns all.
		n.remove()
		for _, r := range []*Router{four, six, alone.Router} {
			if got := r.Snapshot().State; got != Fault {
				t.Errorf("without the interface: %v", got)
			}
		}
		_ = run.end()
		_ = alone.end()
		if s, w := n.count(); s+w != 0 || len(claims.m) != 0 {
			t.Errorf("%d sockets, %d watchers are left, claims %v", s, w, claims.m)
		}
	})
}
