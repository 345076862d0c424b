package upstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mainstay-ha/mainstay/internal/race"
)

// twins lets a pool and a model live through the same random history: requests,
// their retries, and outcomes in any order.
type twins struct {
	t     testing.TB
	rng   *rand.Rand
	pool  *Pool
	model *model

	pick   func(r *modelRequest, now int64) string // of the model
	begin  func(f *flight)                         // before the first pick
	during func(f *flight, now int64)              // any time while a lease is in hand
	end    func(f *flight, now int64, o Outcome)   // before Done
	shaken func(was, is *modelPeer)                // the membership changed; nil for nobody
}

// twinPeers returns the same n peers for a pool and for a model.
func twinPeers(rng *rand.Rand, n int) ([]Option, *model) {
	m := new(model)
	var opts []Option
	for i := range n {
		id, w, fails, conns := fmt.Sprint("p", i), 1+rng.IntN(7), rng.IntN(4), max(0, rng.IntN(7)-2)
		timeout := int64(rng.IntN(3) * 100)
		opts = append(opts, server(id, Weight(w), MaxFails(fails), MaxConns(conns),
			FailTimeout(time.Duration(timeout)*time.Millisecond)))
		m.peers = append(m.peers, &modelPeer{id: id, weight: w, effective: w, maxFails: fails, maxConns: conns, timeout: timeout})
	}
	return opts, m
}

func (w *twins) play() {
	w.t.Helper()
	now := t0 / ms
	var live []*flight
	steps := 4000
	if race.Enabled || testing.Short() {
		steps = 800
	}
	for step := range steps {
		now += w.rng.Int64N(30)
		if w.rng.IntN(200) == 0 {
			now += w.rng.Int64N(5000)
		}
		if w.rng.IntN(100) == 0 {
			w.shake(step)
		}
		if len(live) < 1+w.rng.IntN(12) {
			f := &flight{r: new(Request), m: newModelRequest()}
			if w.begin != nil {
				w.begin(f)
			}
			live = append(live, f)
			w.both(step, now, f)
			continue
		}
		i := w.rng.IntN(len(live))
		f := live[i]
		if w.during != nil && f.m.current != nil && w.rng.IntN(3) == 0 {
			w.during(f, now)
			continue
		}
		o := []Outcome{Success, Success, Success, Failure, Free, Pass}[w.rng.IntN(6)]
		if f.m.current != nil {
			if w.end != nil {
				w.end(f, now, o)
			}
			f.lease.Done(now*ms, o)
			w.model.done(f.m, now, o)
		}
		if o == Success || f.m.tries > 3 {
			live = append(live[:i], live[i+1:]...)
			continue
		}
		w.both(step, now, f)
	}
}

// shake changes a weight, or puts a new peer in the place of another.
func (w *twins) shake(step int) {
	i := w.rng.IntN(len(w.model.peers))
	was := w.model.peers[i]
	is := was
	if weight := 1 + w.rng.IntN(7); w.rng.IntN(2) == 0 || len(w.model.peers) < 3 {
		must(w.t, w.pool.SetWeight(was.id, weight))
		w.model.setWeight(was, weight)
	} else {
		is = &modelPeer{id: fmt.Sprint("new", step), weight: weight, effective: weight, maxFails: 1, timeout: 10_000}
		must(w.t, w.pool.Remove(was.id))
		w.model.peers = slices.Delete(w.model.peers, i, i+1)
		w.model.changed()
		must(w.t, w.pool.Add("192.0.2.1:80", ID(is.id), StickyID("s"+is.id), Weight(weight)))
		w.model.peers = append(w.model.peers, is)
		w.model.changed()
	}
	if w.shaken != nil {
		w.shaken(was, is)
	}
}

// both picks on both sides and compares the answers and the states.
func (w *twins) both(step int, now int64, f *flight) {
	w.t.Helper()
	got, l := pickFor(w.pool, now*ms, f.r)
	f.lease = l
	if want := w.pick(f.m, now); got != want {
		w.t.Fatalf("step %d: pick = %s, want %s", step, got, want)
	}
	if step%(1+len(w.model.peers)/4) != 0 {
		return // printing many peers takes long
	}
	if got, want := w.pool.modelView(), w.model.String(); got != want {
		w.t.Fatalf("step %d: state =\n%swant\n%s", step, got, want)
	}
}

// take is the part of model.pick that comes after the choice.
func (m *model) take(r *modelRequest, p *modelPeer, now int64) string {
	r.tried[p] = true
	r.tries++
	r.current = p
	r.probe, r.window = false, p.checked
	if now-p.checked > p.timeout {
		r.probe = p.maxFails != 0 && p.fails >= p.maxFails
		p.checked = now
	}
	p.conns++
	return p.id
}

// round is the smooth round robin among some peers.
func (m *model) round(among []*modelPeer) *modelPeer {
	return (&model{}).choose(among)
}

// refused is a pick of the model that found nobody.
func refused(full bool) string {
	if full {
		return "busy"
	}
	return "none"
}
