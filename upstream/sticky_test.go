package upstream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// sessions is Sticky once more, naively, around the model's round robin.
type sessions struct {
	*model
	ids  map[*modelPeer]string
	hint map[*modelRequest]string
	free bool // what is inside is not the round robin: nobody pays
}

func (m *sessions) pick(r *modelRequest, now int64) string {
	tier := m.tier(r.backups)
	total := 0
	for _, p := range tier {
		total += p.weight
	}
	busy := false
	for _, p := range tier {
		drain := p.drain
		p.drain = false
		ok, full := usable([]*modelPeer{p}, r.tried, now, !m.single())
		p.drain = drain
		if m.hint[r] == "" || m.ids[p] != m.hint[r] {
			continue
		}
		if len(ok) == 0 {
			busy = busy || full
			continue
		}
		if !m.free && !p.drain && p.current > -(total-p.weight) {
			from, _ := usable(tier, r.tried, now, true)
			for _, q := range from {
				q.current += q.effective
				p.current -= q.effective
				q.effective = min(q.effective+1, q.weight)
			}
		}
		return m.take(r, p, now)
	}
	got := m.model.pick(r, now)
	if got == "none" && busy {
		return "busy" // a draining peer is only full for those it knows
	}
	return got
}

func TestStickyModel(t *testing.T) {
	for _, inner := range []Balancer{RoundRobin(), LeastConn()} {
		for _, n := range []int{2, 3, 5, 9, 80} {
			t.Run(fmt.Sprintf("%v/%d", inner, n), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(n), 6))
				opts, m := twinPeers(rng, n)
				p := newPool(t, append(opts, WithRetryBudget(1, 0), WithBalancer(Sticky(inner)))...)
				c := &sessions{model: m, ids: map[*modelPeer]string{}, hint: map[*modelRequest]string{}}
				if inner.rule == (leastConn{}) {
					m.leastConn, c.free = true, true
				}
				for i, q := range m.peers { // every third one shares its id
					c.ids[q] = fmt.Sprint("s", i-i%3/2)
					must(t, p.Update(q.id, StickyID(c.ids[q])))
				}
				m.changed()
				begin := func(f *flight) {
					q := m.peers[rng.IntN(n)]
					if rng.IntN(10) == 0 {
						q.drain = !q.drain
						must(t, p.Drain(q.id, q.drain))
					}
					switch rng.IntN(3) {
					case 0:
						f.r.Sticky = c.ids[q]
					case 1:
						f.r.Sticky = c.ids[m.peers[0]] // a busy one
					}
					c.hint[f.m] = f.r.Sticky
				}
				(&twins{t: t, rng: rng, pool: p, model: m, pick: c.pick, begin: begin, shaken: func(was, is *modelPeer) {
					if is != was {
						c.ids[is] = "s" + is.id
					}
				}}).play()
			})
		}
	}
}

// TestStickyID: nginx's default, and what one may say instead.
func TestStickyID(t *testing.T) {
	for _, bal := range []Balancer{Sticky(RoundRobin()), RoundRobin()} {
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, WithBalancer(bal),
				WithServer("192.0.2.1:80"),
				WithServer("unix:/run/app.sock"),
				WithServer("[2001:db8::1]:8080", ID("six")),
				WithServer("192.0.2.2:80", StickyID("route-2")))
			id := func(of string) string { return p.view.Load().byID[of].StickyID() }
			for of, want := range map[string]string{
				"192.0.2.1:80":       "ff2bb70d5d636ea398f3f6639a1a70b9",
				"unix:/run/app.sock": "939db79304b0f599c2c20969650359ab",
				"six":                "72bad8912b6fb5f0c640f64f70cb45b7",
				"192.0.2.2:80":       "route-2",
			} {
				if got := id(of); got != want {
					t.Errorf("sticky id of %s = %q, want %q", of, got, want)
				}
			}
			shown := ""
			if bal.String() != "round_robin" {
				shown = "route-2"
			}
			if got := status(t, p, "192.0.2.2:80").StickyID; got != shown {
				t.Errorf("sticky id in the snapshot = %q, want %q", got, shown)
			}
			must(t, p.Update("192.0.2.2:80", StickyID("")))
			must(t, p.Update("192.0.2.1:80", StickyID("one")))
			must(t, p.Update("192.0.2.1:80", Weight(3)))
			must(t, p.Update("six", Address("192.0.2.1:80")))
			if got, want := id("192.0.2.2:80"), "571fc847145338c24f2129d9ca8e09aa"; got != want {
				t.Errorf("sticky id taken back = %q, want %q", got, want)
			}
			if got := id("192.0.2.1:80"); got != "one" {
				t.Errorf("sticky id after an update = %q, want one", got)
			}
			if got, want := id("six"), "ff2bb70d5d636ea398f3f6639a1a70b9"; got != want {
				t.Errorf("sticky id after a move = %q, want %q", got, want)
			}
		})
	}
}

func TestStickyIDErrors(t *testing.T) {
	for _, id := range []string{"a b", "a;b", "a,b", `a"b`, `a\b`, "a\n", "é", "a\x7f"} {
		_, err := New(server("a", StickyID(id)))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("sticky id %q", id)) || !strings.Contains(err.Error(), "server 1") {
			t.Errorf("New() with sticky id %q = %v, want an error that names it", id, err)
		}
		p := newPool(t, server("a", StickyID("before")))
		if err := p.Update("a", StickyID(id)); err == nil {
			t.Errorf("Update() with sticky id %q = nil", id)
		}
		if got := p.view.Load().all[0].StickyID(); got != "before" {
			t.Errorf("sticky id after the error = %q, want before", got)
		}
	}
	for _, id := range []string{"a", "!#$%&'()*+-./:<=>?@[]^_`{|}~", strings.Repeat("x", 200)} {
		if _, err := New(server("a", StickyID(id))); err != nil {
			t.Errorf("New() with sticky id %q = %v", id, err)
		}
	}
}

// named picks for a new request that brings this hint.
func named(p *Pool, now int64, hint string) (string, Lease) {
	return pickFor(p, now, &Request{Sticky: hint})
}

// stickyTo returns the options of peers whose sticky id is "s" and their id.
func stickyTo(ids string, opts ...ServerOption) []Option {
	var o []Option
	for _, id := range strings.Fields(ids) {
		o = append(o, server(id, append([]ServerOption{StickyID("s" + id)}, opts...)...))
	}
	return o
}

// inners are all the rules that know nothing of sessions.
func inners() []Balancer {
	return []Balancer{
		RoundRobin(), LeastConn(), Random(), RandomTwo(), Fair(), First(),
		LeastTime(), LeastTime(ByLastByte()), LeastTime(ByHeader(), Inflight()), {},
	}
}

// TestStickyEligible: the named peer, unless it cannot; with every balancer.
func TestStickyEligible(t *testing.T) {
	for _, inner := range inners() {
		bal := Sticky(inner)
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, append(stickyTo("a b c d"), WithBalancer(bal))...)
			want := func(hint, id string, not bool) {
				t.Helper()
				got, l := named(p, t0, hint)
				l.Done(t0, Success)
				if (got == id) == not || got == "none" {
					t.Errorf("pick for %s = %s, want %s: %v", hint, got, id, !not)
				}
			}
			for range 5 {
				want("sc", "c", false)
			}
			want("nobody", "none", true)
			want("", "none", true)

			must(t, p.SetHealth("c", "test", false, nil))
			want("sc", "c", true)
			must(t, p.SetHealth("c", "test", true, nil))
			must(t, p.Update("c", Down()))
			want("sc", "c", true)
			must(t, p.Update("c", Up(), MaxConns(1)))
			_, l := named(p, t0, "sc")
			want("sc", "c", true)
			l.Done(t0, Failure)
			want("sc", "c", true)
			must(t, p.Remove("c"))
			want("sc", "c", true)
			must(t, p.Update("d", StickyID("sc")))
			want("sc", "d", false)
		})
	}
}

// TestStickyDrain: a draining peer takes whom it knows and nobody else, and has
// no part in the turns of the others; also as the only peer of a pool.
func TestStickyDrain(t *testing.T) {
	for _, inner := range inners() {
		bal := Sticky(inner)
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, append(stickyTo("a b"), WithBalancer(bal))...)
			must(t, p.Drain("a", true))
			for range 20 {
				if id, l := named(p, t0, ""); id != "b" {
					t.Fatalf("a newcomer got %s, want b", id)
				} else {
					l.Done(t0, Success)
				}
				id, l := named(p, t0, "sa")
				if id != "a" {
					t.Fatalf("a's session got %s, want a", id)
				}
				l.Done(t0, Success)
			}
			for _, alone := range []bool{false, true} {
				if alone {
					must(t, p.Remove("b"))
				} else {
					must(t, p.Update("a", MaxConns(1)))
					must(t, p.Update("b", Down()))
				}
				id, l := named(p, t0, "sa")
				if id != "a" {
					t.Errorf("a's session, alone %v, got %s, want a", alone, id)
				}
				if id, _ := named(p, t0, "sa"); id != "busy" {
					t.Errorf("a's session at the full peer, alone %v, got %s, want busy", alone, id)
				}
				l.Done(t0, Success)
			}
			if id, _ := named(p, t0, "sb"); id != "none" {
				t.Errorf("another session got %s, want none", id)
			}
			if id, _ := named(p, t0, ""); id != "none" {
				t.Errorf("a newcomer got %s, want none", id)
			}
		})
	}
	// Without Sticky a hint means nothing.
	p := newPool(t, stickyTo("a")...)
	must(t, p.Drain("a", true))
	if id, _ := named(p, t0, "sa"); id != "none" {
		t.Errorf("without Sticky = %s, want none", id)
	}
}

// TestStickyPays: one busy session displaces others at its peer, but the turns of
// the rest stay as they are, and it does not run into debt without end.
func TestStickyPays(t *testing.T) {
	p := newPool(t, append(stickyTo("a b c"), WithBalancer(Sticky(RoundRobin())))...)
	for range 1000 {
		_, l := named(p, t0, "sa")
		l.Done(t0, Success)
	}
	if got := p.view.Load().byID["a"].current; got != -2 {
		t.Errorf("debt after a thousand requests of one session = %d, want -2", got)
	}
	var got []string
	for range 9 {
		id, l := named(p, t0, "")
		l.Done(t0, Success)
		got = append(got, id)
	}
	if got, want := strings.Join(got, " "), "b c a b c a b c a"; got != want {
		t.Errorf("picks of the others = %s, want %s", got, want)
	}
	// A session between every two others takes a's turns.
	seen := map[string]int{}
	for range 300 {
		_, l := named(p, t0, "sa")
		l.Done(t0, Success)
		id, l := named(p, t0, "")
		l.Done(t0, Success)
		seen[id]++
	}
	if seen["a"] > 1 || seen["b"] < 149 || seen["c"] < 149 {
		t.Errorf("beside a busy session at a, newcomers got %v; want b and c alone", seen)
	}
}

// TestStickyRetry: a session whose peer fails goes on elsewhere, and meets its
// peer again after a free attempt.
func TestStickyRetry(t *testing.T) {
	for _, inner := range inners() {
		bal := Sticky(inner)
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, append(stickyTo("a b c", MaxFails(0)), WithBalancer(bal))...)
			r := &Request{Sticky: "sb"}
			for _, o := range []Outcome{Free, Free, Failure} {
				id, l := pickFor(p, t0, r)
				if id != "b" {
					t.Fatalf("pick = %s, want b", id)
				}
				l.Done(t0, o)
			}
			seen := map[string]bool{"b": true}
			for range 2 {
				id, l := pickFor(p, t0, r)
				if seen[id] || id == "none" {
					t.Errorf("retry = %s after %v", id, seen)
				}
				seen[id] = true
				l.Done(t0, Failure)
			}
			if id, _ := pickFor(p, t0, r); id != "none" {
				t.Errorf("fourth try = %s, want none", id)
			}
		})
	}
}

// TestStickyBackup: a backup's session comes back to the primaries when there is
// one, and stays with its backup while there is none.
func TestStickyBackup(t *testing.T) {
	for _, inner := range inners() {
		bal := Sticky(inner)
		t.Run(bal.String(), func(t *testing.T) {
			opts := append(stickyTo("a b"), stickyTo("x y z", Backup())...)
			p := newPool(t, append(opts, WithRetryBudget(1, 0), WithBalancer(bal))...)
			if id, _ := named(p, t0, "sz"); id != "a" && id != "b" {
				t.Errorf("a backup's session got %s, want a primary", id)
			}
			must(t, p.SetHealth("a", "test", false, nil))
			must(t, p.SetHealth("b", "test", false, nil))
			for range 10 {
				id, l := named(p, t0, "sz")
				if id != "z" {
					t.Fatalf("a backup's session got %s, want z", id)
				}
				l.Done(t0, Success)
			}
		})
	}
}

// TestStickyShared: of peers that share an id the first eligible one is taken.
func TestStickyShared(t *testing.T) {
	p := newPool(t, server("a"), server("b", StickyID("zone")), server("c", StickyID("zone")), WithBalancer(Sticky(LeastConn())))
	r := &Request{Sticky: "zone"}
	for _, want := range []string{"b", "c", "a", "none"} {
		id, l := pickFor(p, t0, r)
		if id != want {
			t.Errorf("try %d = %s, want %s", r.Tries(), id, want)
		}
		l.Done(t0, Pass)
	}
}

// TestStickyConcurrent: sessions, drains and new names at the same time; a
// session's peer is the one of that name at some moment.
func TestStickyConcurrent(t *testing.T) {
	for _, inner := range inners() {
		bal := Sticky(inner)
		t.Run(bal.String(), func(t *testing.T) {
			p := newPool(t, append(stickyTo("a b c d"), WithBalancer(bal))...)
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(w), 8))
					r := new(Request)
					for range 1500 {
						r.Reset()
						r.Sticky = "s" + string(rune('a'+rng.IntN(4)))
						l, err := p.TryPick(p.Now(), r)
						if err != nil {
							t.Errorf("TryPick() = %v", err)
							return
						}
						_ = l.Backend().StickyID()
						if rng.IntN(2) == 0 {
							l.Headed(p.Now())
						}
						l.Done(p.Now(), Success)
					}
				})
			}
			wg.Go(func() {
				for i := range 300 {
					id := string(rune('a' + i%3)) // d stays
					if err := errors.Join(p.Drain(id, i%2 == 0),
						p.Update(id, StickyID(fmt.Sprint("n", i))), p.Update(id, StickyID("s"+id))); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Wait()
			for _, b := range p.view.Load().all {
				if n := b.connsLocked(); n != 0 {
					t.Errorf("%s has %d requests in flight", b.ID(), n)
				}
				if b.memo != nil && b.memo.waiting != 0 {
					t.Errorf("%s has %d requests that wait", b.ID(), b.memo.waiting)
				}
			}
		})
	}
}
